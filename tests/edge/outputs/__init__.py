"""Laws of the wire formats and of what carries them."""
