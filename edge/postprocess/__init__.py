"""From the network's output to a face that can be shown: silence, smoothing, limits."""
