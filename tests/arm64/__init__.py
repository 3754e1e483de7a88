"""The program on another processor."""
