"""Laws of the display head's server."""
