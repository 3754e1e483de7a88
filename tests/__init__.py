"""The laws of au-edge; the folders mirror the packages."""
