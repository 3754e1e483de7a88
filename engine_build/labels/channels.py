"""Name the 52 ARKit shapes in Apple's order (the order of the Live Link stream, docs/PROTOCOLS.md B3).

Labels are stored in this order; everything addresses a channel by its name.
"""

from __future__ import annotations

from collections.abc import Sequence

CHANNELS: tuple[str, ...] = (
    *(
        f"{shape}{side}"
        for side in ("Left", "Right")
        for shape in (
            "eyeBlink",
            "eyeLookDown",
            "eyeLookIn",
            "eyeLookOut",
            "eyeLookUp",
            "eyeSquint",
            "eyeWide",
        )
    ),
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    *(f"{shape}{side}" for shape in ("mouthSmile", "mouthFrown") for side in ("Left", "Right")),
    *(f"{shape}{side}" for shape in ("mouthDimple", "mouthStretch") for side in ("Left", "Right")),
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    *(f"{shape}{side}" for shape in ("mouthPress", "mouthLowerDown", "mouthUpperUp") for side in ("Left", "Right")),
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)


def channel_indices(names: Sequence[str]) -> list[int]:
    """Return the positions of the named channels.

    Args:
        names: ARKit names, lower camel case.

    Raises:
        ValueError: A name is not one of the 52.
    """
    return [CHANNELS.index(name) for name in names]
