"""Wire formats (pure codecs) and the ways that bytes leave (transports)."""
