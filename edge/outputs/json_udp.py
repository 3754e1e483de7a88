"""Our JSON datagram: one object a frame, readable by anything, never more than 1400 bytes.

`{"v":1,"seq":7,"t":1700000000.25,"state":"live","au":{"jawOpen":0.125,...},"head":{"pitch":1.25,"yaw":0,"roll":0}}`
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from edge.contracts import Datagram
from edge.errors import ConfigurationError
from edge.frames import AUFrame, State
from edge.manifest import Manifest
from edge.outputs.bounded import MAX_DATAGRAM_BYTES, BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.outputs.received import MAX_RECEIVED_CHANNELS, ReceivedFrame, state_of

VERSION = 1
SEQUENCE_MODULUS = 2**31  # fits every JSON reader's integer
_MAX_CAPTURE_UNIX_S = 1e11  # the year 5138: more digits than that would not fit the datagram
_MAX_DEPTH = 4
_HEAD = ',"head":{"pitch":%.2f,"yaw":%.2f,"roll":%.2f}}'


class JsonCodec:
    """Frames as JSON text.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.

    Raises:
        ConfigurationError: So many or so long names that a frame would not fit one datagram.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("decimals", "integer", "3", 2, 4, help="digits after the point of an activation"),
    )
    default_port = 9001
    summary = "our own JSON: one object a frame, activations by name, head in degrees, sequence, capture time, state"
    known_receiver = "any program with a UDP socket; au-edge watch; au-edge head"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        decimals = OptionValues("protocol json", self.OPTIONS, options).integer("decimals")
        self._bounded = BoundedValues(manifest.n_channels)
        pairs = ",".join(f"{json.dumps(name).replace('%', '%%')}:%.{decimals}f" for name in manifest.channels)
        before = f'{{"v":{VERSION},"seq":%d,"t":%.6f,"state":"%s","au":{{'
        self._template = before + pairs + "}" + _HEAD
        longest_label = max((state.label for state in State), key=len)
        ones, angles = (1.0,) * manifest.n_channels, (-180.0,) * 3
        longest = self._template % (SEQUENCE_MODULUS - 1, _MAX_CAPTURE_UNIX_S, longest_label, *ones, *angles)
        if len(longest.encode()) > MAX_DATAGRAM_BYTES:
            raise ConfigurationError(
                f"protocol json with {manifest.n_channels} channels and {decimals} decimals",
                f"a frame can take {len(longest.encode())} bytes, a datagram holds {MAX_DATAGRAM_BYTES}",
                "Set `decimals = 2`, or use the protocol osc or binary",
            )

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return one datagram."""
        bounded = self._bounded
        bounded.load(frame)
        capture_unix_s = min(max(frame.capture_unix_s, 0.0), _MAX_CAPTURE_UNIX_S)
        text = self._template % (
            frame.sequence % SEQUENCE_MODULUS,
            capture_unix_s,
            frame.state.label,
            *bounded.activations.tolist(),
            *bounded.head_deg.tolist(),
        )
        return (text.encode(),)

    def announce(self) -> Sequence[Datagram]:
        """Return nothing: every frame carries its names."""
        return ()


def decode(datagram: bytes) -> ReceivedFrame:
    """Read a datagram of this format.

    Args:
        datagram: As received; nothing in it is believed.

    Raises:
        ValueError: It is not one; says why.
    """
    if datagram.count(b"{") + datagram.count(b"[") > _MAX_DEPTH:  # bounds the parser's recursion
        raise ValueError("it is nested too deeply")
    try:
        raw = json.loads(datagram)
    except (UnicodeDecodeError, json.JSONDecodeError) as err:
        raise ValueError(f"it is not JSON ({err})") from err
    if not isinstance(raw, dict) or raw.get("v") != VERSION:
        raise ValueError(f"it is not an object of version {VERSION}")
    au, head = raw.get("au"), raw.get("head")
    if not isinstance(au, dict) or not isinstance(head, dict) or len(au) > MAX_RECEIVED_CHANNELS:
        raise ValueError("`au` or `head` is no object of the right size")
    sequence = raw.get("seq")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence < SEQUENCE_MODULUS:
        raise ValueError("`seq` is no sequence number")
    pitch, yaw, roll = (_number(head.get(axis), -360.0, 360.0, f"head.{axis}") for axis in ("pitch", "yaw", "roll"))
    return ReceivedFrame(
        protocol="json",
        values=tuple(_number(value, 0.0, 1.0, "an activation") for value in au.values()),
        names=tuple(au),
        head_deg=(pitch, yaw, roll),
        sequence=sequence,
        sequence_modulus=SEQUENCE_MODULUS,
        capture_unix_s=_number(raw.get("t"), 0.0, _MAX_CAPTURE_UNIX_S, "`t`"),
        state=state_of(raw.get("state")),
    )


def _number(value: object, minimum: float, maximum: float, what: str) -> float:
    """Return a finite number within bounds, or say what is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is no number")
    if not minimum <= value <= maximum or not math.isfinite(value):  # comparisons first: a huge int is no float
        raise ValueError(f"{what} is outside {minimum:g} to {maximum:g}")
    return float(value)
