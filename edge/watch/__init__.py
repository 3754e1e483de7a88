"""The terminal view: what a face does, and how its frames arrive."""
