"""Recordings with labels as arrays on the frames of a network, and what makes them more varied."""
