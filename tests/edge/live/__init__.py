"""The running program's parts."""
