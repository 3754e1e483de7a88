"""The seams of the runtime: what a source, a feature, a backend, a codec and a transport must do, and no more.

Every implementation is tested against the laws in tests/contracts. Constructors store settings, `open()` acquires,
`close()` releases and may be called twice.
"""

from __future__ import annotations

from edge.contracts.expression import GESTURES, MOODS, Control, Expressive, LidsKept
from edge.contracts.network import InferenceBackend, InferenceSession
from edge.contracts.outputs import Codec, Datagram, FrameOutput, FrameStage, Transport
from edge.contracts.sound import AudioSource, Clock, FeatureExtractor, Framer, Player, PlayPosition, Resampler
from edge.contracts.wishes import WISHES, take_wish

__all__ = [
    "GESTURES",
    "MOODS",
    "WISHES",
    "AudioSource",
    "Clock",
    "Codec",
    "Control",
    "Datagram",
    "Expressive",
    "FeatureExtractor",
    "FrameOutput",
    "FrameStage",
    "Framer",
    "InferenceBackend",
    "InferenceSession",
    "LidsKept",
    "PlayPosition",
    "Player",
    "Resampler",
    "Transport",
    "take_wish",
]
