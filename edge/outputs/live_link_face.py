"""Live Link Face for Unreal Engine: big-endian datagrams of 61 floats in Apple's order, with a time code.

Layout: u8 version 6, i32 length and device id, i32 length and subject name, i32 frame, f32 sub-frame, i32 frame rate as
numerator and denominator, u8 61, 61 f32. The frame counts from midnight UTC at the frame rate: it is the capture time.
Which way the angles turn, and in which unit, is told with its evidence in docs/protocols.md.
"""

from __future__ import annotations

import math
import struct
import uuid
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Datagram
from edge.errors import ConfigurationError
from edge.frames import AUFrame
from edge.manifest import Manifest
from edge.outputs.bounded import BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.vocabulary import ARKIT_APPLE, positions

VERSION = 6
N_VALUES = 61  # 52 shapes, then yaw pitch roll of the head, the left eye, the right eye
DEVICE_ID_CHARACTERS = 36  # receivers in the wild rest on it
# Degrees of a 1.0. The iPhone application writes radians; Unreal's own ARKit plugin, running on a phone, half turns.
_UNITS_DEG = {"radians": math.degrees(1.0), "half-turns": 180.0}
_EYE_RANGE_DEG = 30.0  # a look of 1.0; in recordings it is 25 (up) to 35 (down)
_SECONDS_A_DAY = 86_400


class LiveLinkFaceCodec:
    """Frames as the iPhone application sends them.

    Args:
        manifest: Names and order of the channels, and the frame rate of the time code.
        options: See OPTIONS.

    Raises:
        ConfigurationError: The subject's name or the device id is not possible.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("subject", "text", "au-edge", help="name that Unreal lists as the Live Link subject"),
        Option("device_id", "text", "", help="36 characters; empty = made from the subject's name"),
        Option(
            "angles", "text", "radians", choices=("radians", "half-turns"),
            help="unit of the angles: radians, as the iPhone application has them, or 1.0 for 180 degrees",
        ),
        Option("invert_yaw", "flag", "no", help="the head turns the other way"),
        Option("invert_pitch", "flag", "no", help="the head nods the other way"),
        Option("invert_roll", "flag", "no", help="the head tilts the other way"),
    )  # fmt: skip
    default_port = 11111
    summary = "Live Link Face: 61 floats in Apple's order, head and eyes in radians, UTC time code"
    known_receiver = "Unreal Engine with the plugins Live Link and Apple ARKit Face Support; pylivelinkface"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        values = OptionValues("protocol livelink", self.OPTIONS, options)
        subject = values.text("subject").encode()
        device = (values.text("device_id") or str(uuid.uuid5(uuid.NAMESPACE_OID, subject.decode())).upper()).encode()
        if not 0 < len(subject) <= 255 or len(device) != DEVICE_ID_CHARACTERS:
            raise ConfigurationError(
                "protocol livelink",
                f"the subject has {len(subject)} bytes and the device id {len(device)}",
                f"Give 1 to 255 and {DEVICE_ID_CHARACTERS} (or leave device_id empty)",
            )
        head = struct.pack(f">Bi{len(device)}si{len(subject)}s", VERSION, len(device), device, len(subject), subject)
        self._rate = manifest.frame_rate
        self._time_code = struct.Struct(">if")
        self._time_code_at = len(head)
        rate = struct.pack(">iiB", self._rate.numerator, self._rate.denominator, N_VALUES)
        self._datagram = bytearray(head + bytes(self._time_code.size) + rate + bytes(4 * N_VALUES))
        self._values = np.frombuffer(self._datagram, ">f4", N_VALUES, len(self._datagram) - 4 * N_VALUES)
        self._bounded = BoundedValues(manifest.n_channels)
        found = positions(ARKIT_APPLE, manifest.channels)
        self._targets = np.array([target for target, place in enumerate(found) if place >= 0], np.intp)
        self._sources = np.array([place for place in found if place >= 0], np.intp)
        self._signs = tuple(-1.0 if values.flag(f"invert_{axis}") else 1.0 for axis in ("pitch", "yaw", "roll"))
        self._unit_deg = _UNITS_DEG[values.text("angles")]
        self._apple = np.zeros(len(ARKIT_APPLE), np.float32)
        self._where = {name: index for index, name in enumerate(ARKIT_APPLE)}
        self._datagrams = (self._datagram,)

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return one datagram; valid until the next call."""
        self._bounded.load(frame)
        self._apple[self._targets] = self._bounded.activations[self._sources]
        self._values[: len(ARKIT_APPLE)] = self._apple
        pitch, yaw, roll = (
            sign * angle / self._unit_deg
            for sign, angle in zip(self._signs, self._bounded.head_deg.tolist(), strict=True)
        )
        left_yaw, left_pitch = self._gaze("Left", 1.0)
        right_yaw, right_pitch = self._gaze("Right", -1.0)
        self._values[len(ARKIT_APPLE) :] = (yaw, pitch, roll, left_yaw, left_pitch, 0, right_yaw, right_pitch, 0)
        position = (max(0.0, frame.capture_unix_s) % _SECONDS_A_DAY) * float(self._rate)
        self._time_code.pack_into(self._datagram, self._time_code_at, int(position), position % 1)
        return self._datagrams

    def announce(self) -> Sequence[Datagram]:
        """Return nothing."""
        return ()

    def _gaze(self, side: str, outwards: float) -> tuple[float, float]:
        """Return yaw (to the right positive) and pitch (down positive) of an eye: the other way round than the head's.

        Args:
            side: "Left" or "Right".
            outwards: 1 where outwards is to the left, -1 where it is to the right.
        """
        apple, where, scale = self._apple, self._where, _EYE_RANGE_DEG / self._unit_deg
        yaw = outwards * (apple[where[f"eyeLookIn{side}"]] - apple[where[f"eyeLookOut{side}"]])
        pitch = apple[where[f"eyeLookDown{side}"]] - apple[where[f"eyeLookUp{side}"]]
        return float(yaw) * scale + 0.0, float(pitch) * scale  # + 0.0: never "-0"
