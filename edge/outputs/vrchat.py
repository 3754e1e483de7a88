"""VRChat avatars with face-tracking parameters: one OSC float for each, named as VRCFaceTracking's Unified Expressions.

Source of the names: docs.vrcft.io, its table from ARKit. An avatar reads the parameters it has and ignores the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Datagram
from edge.errors import ConfigurationError
from edge.frames import AUFrame
from edge.manifest import Manifest
from edge.outputs.bounded import BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.outputs.osc_template import is_address, split_bundles
from edge.vocabulary import positions

# ARKit names that are not simply written with a capital.
_UNIFIED = {
    "eyeBlinkLeft": "EyeClosedLeft",
    "eyeBlinkRight": "EyeClosedRight",
    "mouthClose": "MouthClosed",
    "mouthRollUpper": "LipSuckUpper",
    "mouthRollLower": "LipSuckLower",
    "mouthFunnel": "LipFunnel",
    "mouthPucker": "LipPucker",
    "mouthShrugUpper": "MouthRaiserUpper",
    "mouthShrugLower": "MouthRaiserLower",
}
OPEN_LID = 0.75  # of EyeLid, where 0 is closed and 1 is wide
_DERIVED = ("JawX", "MouthX", "EyeLidLeft", "EyeLidRight")  # -1 to 1, right positive; 0 to 1
_SOURCES = (
    "jawLeft", "jawRight", "mouthLeft", "mouthRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight",
)  # fmt: skip


class VrchatCodec:
    """Frames as VRChat parameters.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.

    Raises:
        ConfigurationError: The prefix cannot stand in an address.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("prefix", "text", "", help="what the avatar has before v2/ in its parameters, for example FT"),
    )
    default_port = 9000
    summary = "VRChat / VRCFaceTracking v2: /avatar/parameters/v2/JawOpen and the other Unified Expressions"
    known_receiver = "VRChat (OSC enabled in its menu), Resonite, ChilloutVR with an OSC mod"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        prefix = OptionValues("protocol vrchat", self.OPTIONS, options).text("prefix").strip("/")
        if prefix and not is_address(prefix):
            raise ConfigurationError(
                "protocol vrchat", f"prefix {prefix!r} cannot stand in an OSC address", "Change it"
            )
        stem = "/avatar/parameters/" + (f"{prefix}/v2/" if prefix else "v2/")
        names = [_UNIFIED.get(name, name[0].upper() + name[1:]) for name in manifest.channels]
        self._bundles = split_bundles([(stem + name, (("f", 0.0),)) for name in (*names, *_DERIVED)])
        self._datagrams = tuple(bundle.datagram for bundle in self._bundles)
        self._bounded = BoundedValues(manifest.n_channels)
        self._floats = np.zeros(manifest.n_channels + len(_DERIVED), np.float32)
        self._sources = positions(_SOURCES, manifest.channels)

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return a few datagrams."""
        self._bounded.load(frame)
        activations, floats = self._bounded.activations, self._floats
        n_channels = len(activations)
        floats[:n_channels] = activations
        jaw_left, jaw_right, left, right, blink_left, blink_right, wide_left, wide_right = (
            float(activations[place]) if place >= 0 else 0.0 for place in self._sources
        )
        floats[n_channels:] = (
            jaw_right - jaw_left,
            right - left,
            OPEN_LID * (1 - blink_left) + (1 - OPEN_LID) * wide_left * (1 - blink_left),
            OPEN_LID * (1 - blink_right) + (1 - OPEN_LID) * wide_right * (1 - blink_right),
        )
        first = 0
        for bundle in self._bundles:
            bundle.set_floats(floats[first : first + bundle.n_floats])
            first += bundle.n_floats
        return self._datagrams

    def announce(self) -> Sequence[Datagram]:
        """Return nothing."""
        return ()
