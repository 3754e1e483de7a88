"""The display head: frames in over UDP as a robot would get them, a speaking 3D face in a browser out."""
