"""iFacialMocap: text over UDP, `mouthSmile_R-25|...|=head#x,y,z,px,py,pz|rightEye#x,y,z|leftEye#x,y,z|`.

Values are whole percents; angles are degrees. Turns are ARKit's own, right-handed with x to the speaker's left, y up
and z out of the face: x down, y to the left, z to the right shoulder are positive.
Source of the form: ifacialmocap.com/for-developer; of the axes: see docs/protocols.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.contracts import Datagram
from edge.frames import AUFrame
from edge.manifest import Manifest
from edge.outputs.bounded import BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.vocabulary import positions

HELLO = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719"
GOOD_BYE = b"iFacialMocap_UDPTCPSTOP_sahuasouryya9218sauhuiayeta91555dy3719"
_VERSION_2 = b"sendDataVersion=v2"
_EYE_RANGE_DEG = 30.0  # a look of 1.0; in recordings it is 25 (up) to 35 (down)
_LOOKS = tuple(f"eyeLook{way}{side}" for side in ("Left", "Right") for way in ("Up", "Down", "In", "Out"))


class IFacialMocapCodec:
    """Frames as the iPhone application sends them.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.
    """

    OPTIONS: tuple[Option, ...] = (
        Option(
            "reach", "text", "both", choices=("push", "hello", "both"),
            help="who gets frames: host; who says hello at the port; both (push where host is this machine)",
        ),
        Option("lease_s", "number", "3600", 10, 86_400, help="how long a hello holds, seconds"),
        Option(
            "hello_from", "text", "local", choices=("local", "any"),
            help="whose hello counts: local networks' or any (a forged one aims the frames at a stranger)",
        ),
        Option("invert_yaw", "flag", "no", help="the head turns the other way"),
        Option("invert_pitch", "flag", "no", help="the head nods the other way"),
        Option("invert_roll", "flag", "no", help="the head tilts the other way"),
    )  # fmt: skip
    default_port = 49983
    summary = "iFacialMocap: text, percents by name, head and eyes in degrees; to host, and to who says hello"
    known_receiver = "iFacialMocap's plugins for Maya, Blender, Unity; VSeeFace, VMagicMirror, Warudo"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        values = OptionValues("protocol ifacialmocap", self.OPTIONS, options)
        names = [short_name(name).replace("%", "%%") for name in manifest.channels]
        angles = ",".join(["%.2f"] * 3)
        shapes = "".join(f"{name}-%d|" for name in names)
        self._template = f"{shapes}=head#{angles},0.00,0.00,0.00|rightEye#{angles}|leftEye#{angles}|"
        self._bounded = BoundedValues(manifest.n_channels)
        self._looks = positions(_LOOKS, manifest.channels)
        self._signs = tuple(
            -sign if values.flag(f"invert_{axis}") else sign
            for axis, sign in (("pitch", -1.0), ("yaw", 1.0), ("roll", 1.0))
        )

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return one datagram."""
        self._bounded.load(frame)
        activations = self._bounded.activations.tolist()
        head = [s * angle + 0.0 for s, angle in zip(self._signs, self._bounded.head_deg.tolist(), strict=True)]
        looks = [activations[place] * _EYE_RANGE_DEG if place >= 0 else 0.0 for place in self._looks]
        up, down, inwards, outwards = looks[:4]
        left = (down - up, outwards - inwards, 0.0)
        up, down, inwards, outwards = looks[4:]
        right = (down - up, inwards - outwards, 0.0)
        percents = [round(100 * value) for value in activations]
        return ((self._template % (*percents, *head, *right, *left)).encode(),)

    def announce(self) -> Sequence[Datagram]:
        """Return nothing."""
        return ()


def read_hello(content: bytes) -> int:
    """Return which version a receiver asks for, 1 or 2, or 0 where it wants no more.

    Args:
        content: A datagram that came to the port.

    Raises:
        ValueError: It is no hello of this format over UDP.
    """
    greeting, *wishes = content.rstrip(b"\r\n\0 ").split(b"|")
    if greeting == GOOD_BYE:
        return 0
    if greeting != HELLO or len(wishes) > 1 or (wishes and wishes[0] != _VERSION_2):
        raise ValueError("no hello")
    return 1 + len(wishes)


def in_version(datagram: bytes, version: int) -> bytes:
    """Return a frame in the version that a receiver asked for: 2 has an ampersand between name and percent.

    Args:
        datagram: From `encode`.
        version: 1 or 2.
    """
    if version == 1:
        return datagram
    shapes, equals, turns = datagram.partition(b"=")
    return b"|".join(b"&".join(shape.rsplit(b"-", 1)) for shape in shapes.split(b"|")) + equals + turns


def short_name(name: str) -> str:
    """Return an ARKit name with its side as _L or _R."""
    if name.endswith("Left") and name not in ("jawLeft", "mouthLeft"):
        return name[:-4] + "_L"
    if name.endswith("Right") and name not in ("jawRight", "mouthRight"):
        return name[:-5] + "_R"
    return name
