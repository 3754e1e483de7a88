"""Libraries that run the network."""
