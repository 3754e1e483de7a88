"""Names of the face: the 52 ARKit channels, the three orders they come in, and the FACS action units they stand for.

Code addresses channels by name and the model's manifest fixes the order on the wire. The tables here are for what
speaks to programs with an order or a vocabulary of their own. Left and right are the speaker's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Apple's own order, which Live Link Face, ARFaceAnchor dumps and BlendShapes.csv keep.
ARKIT_APPLE: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip

# Unity's enum; MediaPipe has the same one with `_neutral` before it and without tongueOut.
ARKIT_ALPHABETICAL: tuple[str, ...] = tuple(sorted(ARKIT_APPLE))

# Face Cap, and the avatars and tools that grew from it.
ARKIT_FACE_CAP: tuple[str, ...] = (
    "browInnerUp", "browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight", "eyeLookUpLeft",
    "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft",
    "eyeLookOutRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft",
    "eyeWideRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "jawOpen",
    "jawForward", "jawLeft", "jawRight", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthRollUpper",
    "mouthRollLower", "mouthShrugUpper", "mouthShrugLower", "mouthClose", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthStretchLeft", "mouthStretchRight", "tongueOut",
)  # fmt: skip

ORDERS: Mapping[str, tuple[str, ...]] = {
    "apple": ARKIT_APPLE,
    "alphabetical": ARKIT_ALPHABETICAL,
    "face-cap": ARKIT_FACE_CAP,
}

HEAD_AXES: tuple[str, str, str] = ("pitch", "yaw", "roll")

# FACS number -> the channels whose mean stands for it. "Proxy", because an ARKit shape is a pose of a mesh and not the
# contraction of a muscle, and because published tables disagree on 17, 23, 24, 25 and 28.
# Source: Salagean, Leba, Ionica 2025, cross-checked with other public mappings.
FACS_PROXIES: Mapping[int, tuple[str, ...]] = {
    1: ("browInnerUp",),
    2: ("browOuterUpLeft", "browOuterUpRight"),
    4: ("browDownLeft", "browDownRight"),
    5: ("eyeWideLeft", "eyeWideRight"),
    6: ("cheekSquintLeft", "cheekSquintRight"),
    7: ("eyeSquintLeft", "eyeSquintRight"),
    9: ("noseSneerLeft", "noseSneerRight"),
    10: ("mouthUpperUpLeft", "mouthUpperUpRight"),
    12: ("mouthSmileLeft", "mouthSmileRight"),
    14: ("mouthDimpleLeft", "mouthDimpleRight"),
    15: ("mouthFrownLeft", "mouthFrownRight"),
    16: ("mouthLowerDownLeft", "mouthLowerDownRight"),
    17: ("mouthShrugLower",),
    18: ("mouthPucker",),
    19: ("tongueOut",),
    20: ("mouthStretchLeft", "mouthStretchRight"),
    22: ("mouthFunnel",),
    24: ("mouthPressLeft", "mouthPressRight"),
    26: ("jawOpen",),
    28: ("mouthRollLower", "mouthRollUpper"),
    29: ("jawForward",),
    34: ("cheekPuff",),
    45: ("eyeBlinkLeft", "eyeBlinkRight"),
}

FACS_NAMES: Mapping[int, str] = {
    1: "inner brow raiser", 2: "outer brow raiser", 4: "brow lowerer", 5: "upper lid raiser", 6: "cheek raiser",
    7: "lid tightener", 9: "nose wrinkler", 10: "upper lip raiser", 12: "lip corner puller", 14: "dimpler",
    15: "lip corner depressor", 16: "lower lip depressor", 17: "chin raiser", 18: "lip pucker", 19: "tongue show",
    20: "lip stretcher", 22: "lip funneler", 24: "lip pressor", 26: "jaw drop", 28: "lip suck", 29: "jaw thrust",
    34: "cheek puff", 45: "blink",
}  # fmt: skip


def mirrored(channel: str) -> str:
    """Return the channel of the other side of the face, or the same name where it has no side.

    Args:
        channel: An ARKit name.
    """
    if channel.endswith("Left"):
        return channel[:-4] + "Right"
    if channel.endswith("Right"):
        return channel[:-5] + "Left"
    return channel


def positions(wanted: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Return where each wanted name stands among the channels, -1 where it is not there.

    Args:
        wanted: Names in the order a receiver asks for.
        channels: Names in the manifest's order.
    """
    where = {name: index for index, name in enumerate(channels)}
    return [where.get(name, -1) for name in wanted]
