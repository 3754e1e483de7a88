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
from edge.outputs.bounded import MAX_DATAGRAM_BYTES, BoundedValues
from edge.outputs.options import Option, OptionValues

SEQUENCE_MODULUS = 2**31  # an OSC integer has a sign
_BUNDLE_HEADER_BYTES = 16  # "#bundle\0" and the time tag
_SIZE_BYTES = 4  # before each element of a bundle
_INTEGERS = struct.Struct(">iii")
_FORBIDDEN = set(" #*,?[]{}")  # OSC 1.0: not allowed in the name of a method


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
        self._per_channel = _channel_templates(prefix, manifest.channels) if values.flag("per_channel") else ()
        self._announcement = (_message(f"{prefix}/names", [("s", name) for name in manifest.channels]),)
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
        if self._per_channel:
            values = bounded.activations.tolist()
            for channels in self._per_channel:
                channels.fill(values)
        return self._datagrams[frame.state]

    def announce(self) -> Sequence[Datagram]:
        """Return the channel names."""
        return self._announcement


class _FrameTemplate:
    """The bundle of one state with views on its numbers."""

    def __init__(self, prefix: str, n_channels: int, state: State) -> None:
        info = _message(f"{prefix}/info", [("i", 0), ("i", 0), ("i", 0), ("s", state.label)])
        activations = _message(f"{prefix}/au", [("f", 0.0)] * n_channels)
        head = _message(f"{prefix}/head", [("f", 0.0)] * 3)
        self.datagram = _bundle([info, activations, head])
        info_end = _BUNDLE_HEADER_BYTES + _SIZE_BYTES + len(info)
        activations_end = info_end + _SIZE_BYTES + len(activations)
        label_bytes = len(state.label) // 4 * 4 + 4  # ended by NUL and padded to 4
        self.info_at = info_end - label_bytes - _INTEGERS.size
        self.activations = np.frombuffer(self.datagram, ">f4", n_channels, activations_end - 4 * n_channels)
        self.head = np.frombuffer(self.datagram, ">f4", 3, len(self.datagram) - 12)


class _ChannelsTemplate:
    """A bundle of /au/<name> messages for some of the channels."""

    def __init__(self, messages: Sequence[bytes], first_index: int) -> None:
        self.datagram = _bundle(messages)
        self._first_index = first_index
        self._places = []
        end = _BUNDLE_HEADER_BYTES
        for message in messages:
            end += _SIZE_BYTES + len(message)
            self._places.append(end - 4)

    def fill(self, activations: Sequence[float]) -> None:
        for index, place in enumerate(self._places, self._first_index):
            struct.pack_into(">f", self.datagram, place, activations[index])


def _channel_templates(prefix: str, channels: Sequence[str]) -> tuple[_ChannelsTemplate, ...]:
    """Return as few bundles as hold one message per channel, each below the size of a datagram."""
    templates = []
    messages: list[bytes] = []
    first_index, n_bytes = 0, _BUNDLE_HEADER_BYTES
    for index, name in enumerate(channels):
        message = _message(f"{prefix}/au/{name}", [("f", 0.0)])
        if messages and n_bytes + _SIZE_BYTES + len(message) > MAX_DATAGRAM_BYTES:
            templates.append(_ChannelsTemplate(messages, first_index))
            messages, first_index, n_bytes = [], index, _BUNDLE_HEADER_BYTES
        messages.append(message)
        n_bytes += _SIZE_BYTES + len(message)
    templates.append(_ChannelsTemplate(messages, first_index))
    return tuple(templates)


def _message(address: str, arguments: Sequence[tuple[str, int | float | str]]) -> bytes:
    """Return the bytes of a message."""
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    for kind, value in arguments:
        builder.add_arg(value, kind)
    content: bytes = builder.build().dgram
    return content


def _bundle(messages: Sequence[bytes]) -> bytearray:
    """Return a bundle, to be done immediately."""
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message import OscMessage

    builder = OscBundleBuilder(IMMEDIATELY)
    for message in messages:
        builder.add_content(OscMessage(message))
    return bytearray(builder.build().dgram)


def _refuse_bad_address(prefix: str, names: Sequence[str]) -> None:
    """Raise where an address could not be read by a receiver."""
    parts = [f"prefix {prefix!r}"] if not prefix.startswith("/") or not _is_address(prefix) else []
    parts += [f"channel {name!r}" for name in names if not _is_address(name) or "/" in name]
    if parts:
        raise ConfigurationError(
            "protocol osc",
            f"{', '.join(parts)} cannot stand in an OSC address",
            "An address begins with / and has printable ASCII without space and #*,?[]{}",
        )


def _is_address(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and not _FORBIDDEN & set(text)
