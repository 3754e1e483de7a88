"""Measuring the real pipeline: by stage, end to end, and against itself on another day or device."""
