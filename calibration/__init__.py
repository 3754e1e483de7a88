"""Representative speech, roll-outs, scales, and the quantised network that they make."""
