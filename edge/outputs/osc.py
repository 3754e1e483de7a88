"""Our OSC messages: one bundle a frame, time tag "immediately", types i, f and s only (what every receiver reads).

`/face/info ,iiis` sequence, capture time in whole Unix seconds and microseconds, state; `/face/au ,f...` in the
manifest's order; `/face/head ,fff` pitch, yaw, roll in degrees; `/face/names ,s...` as an announcement. python-osc
builds one template per state when the codec is made; a frame only overwrites its numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from edge.contracts import Datagram
from edge.errors import ConfigurationError
from edge.frames import AUFrame, State
from edge.manifest import Manifest
from edge.outputs.bounded import BoundedValues
from edge.outputs.options import Option, OptionValues
from edge.outputs.osc_template import (
    BUNDLE_HEADER_BYTES,
    SIZE_BYTES,
    build_bundle,
    build_message,
    is_address,
    split_bundles,
)

SEQUENCE_MODULUS = 2**31  # an OSC integer has a sign
_INTEGERS = struct.Struct(">iii")


class OscCodec:
    """Frames as OSC bundles.

    Args:
        manifest: Names and order of the channels.
        options: See OPTIONS.

    Raises:
        ConfigurationError: The prefix or a channel name cannot stand in an OSC address.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("prefix", "text", "/face", help="what the addresses begin with"),
        Option("per_channel", "flag", "no", help="also send every activation under its own address, /face/au/<name>"),
    )
    default_port = 9000
    summary = "our own OSC 1.0: /face/info, /face/au, /face/head in one bundle a frame; /face/names every two seconds"
    known_receiver = "python-osc, liblo, Pure Data, TouchDesigner, Max; au-edge watch"

    def __init__(self, manifest: Manifest, options: Mapping[str, str]) -> None:
        values = OptionValues("protocol osc", self.OPTIONS, options)
        prefix = values.text("prefix").rstrip("/")
        _refuse_bad_address(prefix, manifest.channels if values.flag("per_channel") else ())
        self._bounded = BoundedValues(manifest.n_channels)
        self._templates = tuple(_FrameTemplate(prefix, manifest.n_channels, state) for state in State)
        named = [(f"{prefix}/au/{name}", (("f", 0.0),)) for name in manifest.channels]
        self._per_channel = split_bundles(named) if values.flag("per_channel") else []
        self._announcement = (build_message(f"{prefix}/names", [("s", name) for name in manifest.channels]),)
        self._datagrams = tuple(
            (template.datagram, *(channels.datagram for channels in self._per_channel)) for template in self._templates
        )

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return one datagram, or several with `per_channel`; valid until the next call."""
        bounded = self._bounded
        bounded.load(frame)
        template = self._templates[frame.state]
        seconds, microseconds = divmod(max(0, round(frame.capture_unix_s * 1e6)), 1_000_000)
        sequence = frame.sequence % SEQUENCE_MODULUS
        _INTEGERS.pack_into(template.datagram, template.info_at, sequence, seconds % 2**31, microseconds)
        template.activations[:] = bounded.activations
        template.head[:] = bounded.head_deg
        first = 0
        for channels in self._per_channel:
            channels.set_floats(bounded.activations[first : first + channels.n_floats])
            first += channels.n_floats
        return self._datagrams[frame.state]

    def announce(self) -> Sequence[Datagram]:
        """Return the channel names."""
        return self._announcement


class _FrameTemplate:
    """The bundle of one state with views on its numbers."""

    def __init__(self, prefix: str, n_channels: int, state: State) -> None:
        info = build_message(f"{prefix}/info", [("i", 0), ("i", 0), ("i", 0), ("s", state.label)])
        activations = build_message(f"{prefix}/au", [("f", 0.0)] * n_channels)
        head = build_message(f"{prefix}/head", [("f", 0.0)] * 3)
        self.datagram = build_bundle([info, activations, head])
        info_end = BUNDLE_HEADER_BYTES + SIZE_BYTES + len(info)
        activations_end = info_end + SIZE_BYTES + len(activations)
        label_bytes = len(state.label) // 4 * 4 + 4  # ended by NUL and padded to 4
        self.info_at = info_end - label_bytes - _INTEGERS.size
        self.activations = np.frombuffer(self.datagram, ">f4", n_channels, activations_end - 4 * n_channels)
        self.head = np.frombuffer(self.datagram, ">f4", 3, len(self.datagram) - 12)


def _refuse_bad_address(prefix: str, names: Sequence[str]) -> None:
    """Raise where an address could not be read by a receiver."""
    parts = [f"prefix {prefix!r}"] if not prefix.startswith("/") or not is_address(prefix) else []
    parts += [f"channel {name!r}" for name in names if not is_address(name) or "/" in name]
    if parts:
        raise ConfigurationError(
            "protocol osc",
            f"{', '.join(parts)} cannot stand in an OSC address",
            "An address begins with / and has printable ASCII without space and #*,?[]{}",
        )
