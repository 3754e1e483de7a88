"""Laws of the terminal view."""
