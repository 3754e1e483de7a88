"""au-edge: live speech in, facial action units and head rotation out, on a small Linux machine."""

import os

__version__ = "0.2.0"

# ONNX Runtime (1.32 for one) sends events to its makers from its first import on, and keeps a number of the device in
# the home folder. It looks here when it is imported, later is too late; 0 from outside lets it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
