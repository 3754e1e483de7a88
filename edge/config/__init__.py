"""The configuration: its keys with units and bounds, and how it is read."""
