"""Laws of the face that the display head shows."""
