"""VMC protocol (protocol.vmc.info), performer to marionette: blend shapes by key and the head as a bone.

Unity's axes: left-handed, x to the avatar's right, y up, z forward, quaternions x y z w. What the frame calls pitch up,
yaw to the left and roll to the right shoulder are turns about -x, -y and -z.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Datagram
from edge.frames import AUFrame
from edge.manifest import Manifest
from edge.outputs.bounded import BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.outputs.osc_template import split_bundles
from edge.outputs.retarget import load_retarget

_BONE = (("s", ""), *(("f", 0.0),) * 6, ("f", 1.0))  # name, position x y z, rotation x y z w


class VmcCodec:
    """Frames for VRM avatars.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.
    """

    OPTIONS: tuple[Option, ...] = (
        Option(
            "keys", "text", "perfect-sync", choices=("perfect-sync", "vowels", "both"),
            help="blend shapes to send: the 52 ARKit ones, VRM's vowels and blinks, or both",
        ),
        Option(
            "case", "text", "pascal", choices=("pascal", "camel"),
            help="how the ARKit keys are written: JawOpen, as most perfect-sync avatars have them, or jawOpen",
        ),
        Option("neck_share", "number", "0.3", 0, 1, help="part of the head's turn that the neck bone takes"),
    )  # fmt: skip
    default_port = 39539
    summary = "VMC performer: /VMC/Ext/Blend/Val and Apply, /VMC/Ext/Bone/Pos of Head and Neck, OK, T"
    known_receiver = "VSeeFace, Warudo, VMagicMirror, Unity with EVMC4U; VRM avatars"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        values = OptionValues("protocol vmc", self.OPTIONS, options)
        keys = values.text("keys")
        self._neck_share = values.number("neck_share")
        self._bounded = BoundedValues(manifest.n_channels)
        self._vowels = load_retarget("vrm", manifest.channels) if keys != "perfect-sync" else None
        names = [n[0].upper() + n[1:] if values.text("case") == "pascal" else n for n in manifest.channels]
        shapes = list(names) if keys != "vowels" else []
        self._n_direct = len(shapes)
        shapes += self._vowels.targets if self._vowels is not None else ()
        bones = [_bone("Neck"), _bone("Head")]
        blends = [("/VMC/Ext/Blend/Val", (("s", name), ("f", 0.0))) for name in shapes]
        apply = ("/VMC/Ext/Blend/Apply", ())
        time = ("/VMC/Ext/T", (("f", 0.0),))
        self._bundles = split_bundles([("/VMC/Ext/OK", (("i", 1),)), time, *bones, *blends, apply])
        self._floats = np.zeros(sum(bundle.n_floats for bundle in self._bundles), np.float32)
        self._datagrams = tuple(bundle.datagram for bundle in self._bundles)
        self._start_s: float | None = None

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return a few datagrams; the last one applies the blend shapes."""
        bounded, floats = self._bounded, self._floats
        bounded.load(frame)
        if self._start_s is None:
            self._start_s = frame.capture_time_s
        floats[0] = max(0.0, frame.capture_time_s - self._start_s)  # float32 keeps 10 ms for a day
        pitch, yaw, roll = bounded.head_deg.tolist()
        neck = self._neck_share
        floats[4:8] = unity_quaternion(neck * pitch, neck * yaw, neck * roll)
        floats[11:15] = unity_quaternion((1 - neck) * pitch, (1 - neck) * yaw, (1 - neck) * roll)
        floats[15 : 15 + self._n_direct] = bounded.activations[: self._n_direct]
        if self._vowels is not None:
            floats[15 + self._n_direct :] = self._vowels.apply(bounded.activations)
        first = 0
        for bundle in self._bundles:
            bundle.set_floats(floats[first : first + bundle.n_floats])
            first += bundle.n_floats
        return self._datagrams

    def announce(self) -> Sequence[Datagram]:
        """Return nothing: every frame says that the performer is there."""
        return ()


def unity_quaternion(pitch_deg: float, yaw_deg: float, roll_deg: float) -> tuple[float, float, float, float]:
    """Return x, y, z, w in Unity's axes, the turns applied roll first, then pitch, then yaw, as Unity does.

    Args:
        pitch_deg: Up positive.
        yaw_deg: To the avatar's left positive.
        roll_deg: To the avatar's right shoulder positive.
    """
    half_x, half_y, half_z = (math.radians(0.0 - angle) / 2 for angle in (pitch_deg, yaw_deg, roll_deg))
    cx, cy, cz = math.cos(half_x), math.cos(half_y), math.cos(half_z)
    sx, sy, sz = math.sin(half_x), math.sin(half_y), math.sin(half_z)
    return (
        cy * sx * cz + sy * cx * sz,
        sy * cx * cz - cy * sx * sz,
        cy * cx * sz - sy * sx * cz,
        cy * cx * cz + sy * sx * sz,
    )


def _bone(name: str) -> tuple[str, tuple[tuple[str, str | float], ...]]:
    return ("/VMC/Ext/Bone/Pos", (("s", name), *_BONE[1:]))
