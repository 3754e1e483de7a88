"""The laws of the sources."""
