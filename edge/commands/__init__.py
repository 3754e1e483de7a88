"""The commands of `au-edge`, one file each."""
