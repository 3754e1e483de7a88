"""ROS 2 messages of a face: `hri_msgs/FacialActionUnits`, and the head as `sensor_msgs/JointState`; values and CDR.

FacialActionUnits has an intensity and a confidence for each FACS number 0 to 98. Ours are proxies from ARKit shapes
(see edge.vocabulary); what no channel informs has intensity and confidence 0. Joint angles follow REP 103: x forward,
y left, z up, so a nose that goes up is a negative pitch.
Source: hri_msgs 2.0 (ros4hri), REP 155, REP 103; DDS-XTypes CDR, little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from edge.frames import AUFrame, Float32Array, State
from edge.vocabulary import FACS_PROXIES, positions

N_UNITS = 99
LIPS_PART, SPEECH = 25, 50
# Turn left, right, up, down, tilt left, right: axis of the frame's head (pitch, yaw, roll) and the sign that is meant.
HEAD_UNITS = {51: (1, 1), 52: (1, -1), 53: (0, 1), 54: (0, -1), 55: (2, -1), 56: (2, 1)}
HEAD_RANGE_DEG = 30.0  # an intensity of 1
GAZE_UNITS = {
    61: ("eyeLookOutLeft", "eyeLookInRight"),
    62: ("eyeLookInLeft", "eyeLookOutRight"),
    63: ("eyeLookUpLeft", "eyeLookUpRight"),
    64: ("eyeLookDownLeft", "eyeLookDownRight"),
}
_LITTLE_ENDIAN_CDR = b"\x00\x01\x00\x00"


class ActionUnits:
    """The intensities of a face by FACS number.

    Args:
        channels: Names in the frame's order.

    Attributes:
        intensity: float32 [99] in [0, 1]; overwritten by `take`.
        confidence: float32 [99], 1 where channels inform the unit.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.intensity: Float32Array = np.zeros(N_UNITS, np.float32)
        self.confidence: Float32Array = np.zeros(N_UNITS, np.float32)
        self._weights = np.zeros((N_UNITS, len(channels)), np.float32)
        for unit, names in {**FACS_PROXIES, **GAZE_UNITS}.items():
            places = [place for place in positions(names, channels) if place >= 0]
            for place in places:
                self._weights[unit, place] = 1 / len(places)
            self.confidence[unit] = bool(places)
        self._jaw_open, self._mouth_close = positions(("jawOpen", "mouthClose"), channels)
        self.confidence[LIPS_PART] = self._jaw_open >= 0
        self.confidence[[*HEAD_UNITS, SPEECH]] = 1.0

    def take(self, frame: AUFrame) -> None:
        """Compute the intensities of a frame."""
        np.dot(self._weights, frame.activations, out=self.intensity)
        if self._jaw_open >= 0:
            closed = frame.activations[self._mouth_close] if self._mouth_close >= 0 else 0.0
            self.intensity[LIPS_PART] = frame.activations[self._jaw_open] - closed
        for unit, (axis, sign) in HEAD_UNITS.items():
            self.intensity[unit] = sign * frame.head_deg[axis] / HEAD_RANGE_DEG
        self.intensity[SPEECH] = frame.state == State.LIVE
        np.nan_to_num(self.intensity, copy=False, nan=0.0)
        np.clip(self.intensity, 0.0, 1.0, out=self.intensity)


def joint_positions(frame: AUFrame) -> tuple[float, float, float]:
    """Return pitch, yaw and roll of the head in radians, by REP 103.

    Args:
        frame: Its head is pitch up, yaw left, roll to the right shoulder, in degrees.
    """
    pitch, yaw, roll = (math.radians(angle) if math.isfinite(angle) else 0.0 for angle in frame.head_deg.tolist())
    return (-pitch, yaw, roll)


def stamp(frame: AUFrame) -> tuple[int, int]:
    """Return the capture time as the seconds and nanoseconds of a ROS stamp."""
    nanoseconds = max(0, round(frame.capture_unix_s * 1e6) * 1000)
    return nanoseconds // 1_000_000_000 % 2**31, nanoseconds % 1_000_000_000


def encode_action_units(units: ActionUnits, time: tuple[int, int], frame_id: str) -> bytes:
    """Return `hri_msgs/msg/FacialActionUnits` of ROS 2 as CDR.

    Args:
        units: Intensities and confidences.
        time: Seconds and nanoseconds.
        frame_id: Of the header.
    """
    head = _header(time, frame_id)
    body = units.intensity.astype("<f4").tobytes() + units.confidence.astype("<f4").tobytes()
    return _LITTLE_ENDIAN_CDR + _padded(head, 4) + body


def encode_joint_state(
    names: Sequence[str], angles_rad: Sequence[float], time: tuple[int, int], frame_id: str
) -> bytes:
    """Return `sensor_msgs/msg/JointState` as CDR, without velocities and efforts.

    Args:
        names: Of the joints.
        angles_rad: For each.
        time: Seconds and nanoseconds.
        frame_id: Of the header.
    """
    content = _padded(_header(time, frame_id), 4) + struct.pack("<I", len(names))
    for name in names:
        content = _padded(content, 4) + _string(name)
    content = _padded(content, 4) + struct.pack("<I", len(angles_rad))
    content = _padded(content, 8) + struct.pack(f"<{len(angles_rad)}d", *angles_rad)
    return _LITTLE_ENDIAN_CDR + content + struct.pack("<II", 0, 0)


def _header(time: tuple[int, int], frame_id: str) -> bytes:
    return struct.pack("<iI", *time) + _string(frame_id)


def _string(text: str) -> bytes:
    content = text.encode() + b"\0"
    return struct.pack("<I", len(content)) + content


def _padded(content: bytes, alignment: int) -> bytes:
    return content + bytes(-len(content) % alignment)
