"""Talk with a running au-edge over its WebSocket: sound in, what was really spoken back, and what the face shows.

    async with Face("ws://robot:8931") as face:
        played = await face.say(samples, 24_000)  # numpy: float32 in [-1, 1] or int16
        print(played.seconds, played.cleared)

`FaceSync` is the same without `await`. This folder imports nothing else of au-edge: copied to another computer it needs
Python 3.10, numpy and websockets 15 or later, and is imported by whatever name the folder has there.
"""

from .face import Face
from .face_sync import FaceSync
from .replies import ConnectionLostError, FaceError, Played, RefusedError

__all__ = ["ConnectionLostError", "Face", "FaceError", "FaceSync", "Played", "RefusedError"]
