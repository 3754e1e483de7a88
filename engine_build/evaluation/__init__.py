"""Measuring a network, and what the program showed of it, against labels."""
