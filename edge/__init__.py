"""au-edge: live speech in, facial action units and head rotation out, on a small Linux machine."""

__version__ = "0.1.0"
