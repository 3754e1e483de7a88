"""The service's files: the unit, the user, the scripts."""
