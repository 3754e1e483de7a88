"""From an exported network to a TensorRT engine that is verified."""
