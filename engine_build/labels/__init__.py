"""Labels from faces: landmarks of a video in, activations of the 52 shapes, head rotation and confidence out."""
