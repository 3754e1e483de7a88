"""What goes over the page's WebSocket: frames and sound as packed bytes, everything else as small JSON.

Little-endian. Frame: u8 1, u8 state, u16 channels, u32 sequence, f64 capture time, f64 arrival time (both Unix
seconds), f32 pitch, yaw, roll (degrees), f32 0, then f32 per channel in the order of the last message "names".
Sound: u8 2, u8 0, u16 0, u32 rate in Hz, f64 Unix time of the first sample, then int16 samples.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.frames import Float32Array
from edge.head.arrivals import MOST_CHANNELS
from edge.outputs.received import ReceivedFrame

FRAME_KIND, SOUND_KIND = 1, 2
_FRAME = struct.Struct("<BBHIddffff")
_SOUND = struct.Struct("<BBHId")
LARGEST_TURN_DEG = 90.0
LARGEST_NUMBER = 1e6  # that a page may send; what is above its range is brought into it


def pack_frame(frame: ReceivedFrame, arrival_unix_s: float) -> bytes:
    """Return a frame as bytes.

    Args:
        frame: With names.
        arrival_unix_s: When its datagram came.
    """
    head = _FRAME.pack(
        FRAME_KIND,
        int(frame.state),
        len(frame.values),
        frame.sequence & 0xFFFFFFFF,
        frame.capture_unix_s,
        arrival_unix_s,
        *frame.head_deg,
        0.0,
    )
    return head + np.asarray(frame.values, "<f4").tobytes()


def pack_sound(samples: Float32Array, rate_hz: int, start_unix_s: float) -> bytes:
    """Return sound as bytes.

    Args:
        samples: float32 [n], full scale 1.
        rate_hz: Of the samples.
        start_unix_s: When the first was at the microphone.
    """
    scaled = np.clip(np.round(samples * 32767.0), -32768, 32767).astype("<i2")
    return pack_pcm(scaled.tobytes(), rate_hz, start_unix_s)


def pack_pcm(pcm: bytes, rate_hz: int, start_unix_s: float) -> bytes:
    """Return samples that are int16 already, as `pack_sound` does."""
    return _SOUND.pack(SOUND_KIND, 0, 0, rate_hz, start_unix_s) + pcm


@dataclass(frozen=True)
class Drive:
    """A face set by hand on the page.

    Attributes:
        au: Activations by name, each in [0, 1].
        head_deg: Pitch, yaw, roll.
    """

    au: dict[str, float]
    head_deg: tuple[float, float, float]


def read_message(text: str) -> dict[str, Any]:
    """Return what a page sent.

    Raises:
        ValueError: It is no JSON object with a type.
    """
    try:
        message = json.loads(text)
    except RecursionError as err:
        raise ValueError("it is nested too deeply") from err
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("it is no object with a type")
    return message


def read_drive(message: dict[str, Any]) -> Drive:
    """Return the face that a message sets, everything brought into range.

    Raises:
        ValueError: It is none.
    """
    au, head = message.get("au"), message.get("head")
    if not isinstance(au, dict) or len(au) > MOST_CHANNELS or not isinstance(head, list) or len(head) != 3:
        raise ValueError("`au` or `head` is missing or too large")
    values = {str(name)[:64]: _bounded(value, 0.0, 1.0) for name, value in au.items()}
    pitch, yaw, roll = (_bounded(value, -LARGEST_TURN_DEG, LARGEST_TURN_DEG) for value in head)
    return Drive(values, (pitch, yaw, roll))


def _bounded(value: object, low: float, high: float) -> float:
    # Compared before it is converted: an integer of 400 digits is no float. NaN is not <= anything.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_NUMBER:
        raise ValueError("a value is no number")
    return float(min(max(value, low), high))


def names_message(names: Sequence[str]) -> str:
    """Return the message that gives the channels' order."""
    return json.dumps({"type": "names", "names": list(names)})
