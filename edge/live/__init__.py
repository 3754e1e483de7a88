"""The running program: opens the parts, runs the loop, reloads, reports, ends."""
