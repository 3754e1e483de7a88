"""The frame loop: sound in, frames out. Knows only the contracts."""
