"""From samples to what the network sees: resampling, windows on the absolute sample axis, spectrograms."""
