"""Which microphone or loudspeaker is meant: by its name, a part of it, ALSA card id; and the same after a replug.

PortAudio names a card's device `NAME: PCM (hw:N,D)`. N is given anew at every plugging-in, so a card is known by the
rest of its name, or by its id in /proc/asound/cards, which ALSA and udev keep.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.alsa.bounded_call import BoundedCalls
from edge.alsa.portaudio import DeviceInfo, Direction, PortAudio
from edge.errors import ConfigurationError, DeviceError

CARDS_FILE = Path("/proc/asound/cards")
_CARD_LINE = re.compile(r"^\s*(\d+)\s+\[(\S+)\s*\]:", re.MULTILINE)
_HARDWARE = re.compile(r"\(hw:(\d+),(\d+)\)$")
_ADDRESS = re.compile(r"(?:plug)?hw:(?:CARD=)?(\w+)(?:,(?:DEV=)?(\d{1,4}))?", re.IGNORECASE)
_MONITOR = re.compile(r"loopback|monitor", re.IGNORECASE)
PULSE_DEVICE = "pulse"  # ALSA's way to a PulseAudio or PipeWire server
PULSE_PREFIX = "pulse:"  # of a source of that server, as this program names it
_PACTL_LIMIT_S = 2.0
LIST_LIMIT_S = 15.0  # every device is opened once for each usual rate
USUAL_RATES_HZ = (44_100, 48_000, 32_000, 16_000, 96_000, 22_050, 24_000, 88_200, 192_000, 11_025, 8_000)
NOUNS = {Direction.INPUT: "microphone", Direction.OUTPUT: "loudspeaker"}
_WITHOUT = {
    Direction.INPUT: "Or speak a file: --input FILE",
    Direction.OUTPUT: "Without one: audio.play = no",
}
MANY_CHANNELS = 32  # more are those of a plug-in that converts, not of a device


@dataclass(frozen=True)
class AudioDevice:
    """A microphone or a loudspeaker as a person is told of it.

    Attributes:
        index: PortAudio's index at this moment, -1 for a source of the sound server.
        name: What to write in the configuration.
        card_id: ALSA's id of its card, or empty.
        n_channels: Most channels it has.
        rates_hz: Usual rates that it does now, ascending; none where it is busy.
        is_default: Whether it is the system's default.
        is_monitor: Whether it gives what this machine plays (a loopback, a monitor).
        direction: "input" or "output".
    """

    index: int
    name: str
    card_id: str
    n_channels: int
    rates_hz: tuple[int, ...]
    is_default: bool
    is_monitor: bool
    direction: str = Direction.INPUT.value


def list_devices(direction: Direction = Direction.INPUT) -> list[AudioDevice]:
    """Return every device that can be listened to, or played on; monitors of the sound server last.

    Raises:
        ConfigurationError: PyAudio is not installed.
        DeviceError: The audio system cannot be asked.
    """
    try:
        devices = BoundedCalls("device-lister").call(lambda: _list(direction), LIST_LIMIT_S, lambda _: None)
    except TimeoutError as err:
        raise DeviceError(
            "the audio devices",
            f"the audio system does not answer within {LIST_LIMIT_S:g} s",
            "Is a sound server hung?",
        ) from err
    except OSError as err:
        raise DeviceError(
            "the audio devices",
            f"PortAudio cannot start ({err})",
            "Is a sound server hung? `au-edge devices` tries again",
        ) from err
    if direction is Direction.INPUT and any(device.name == PULSE_DEVICE for device in devices):
        devices += pulse_monitors()
    return devices


def _list(direction: Direction) -> list[AudioDevice]:
    cards = card_numbers()
    portaudio = PortAudio()
    try:
        return [
            AudioDevice(
                device.index,
                device.name,
                card_id_of(device.name, cards),
                device.n_channels,
                tuple(working_rates(portaudio, device, direction)),
                device.is_default,
                direction is Direction.INPUT and is_monitor(device.name, card_id_of(device.name, cards)),
                direction.value,
            )
            for device in portaudio.devices(direction)
        ]
    finally:
        portaudio.terminate()


def working_rates(portaudio: PortAudio, device: DeviceInfo, direction: Direction) -> list[int]:
    """Return the usual rates that a device does now, ascending; none where it is busy."""
    n_channels = device.n_channels if device.n_channels <= MANY_CHANNELS else 2
    return sorted(r for r in USUAL_RATES_HZ if portaudio.can_open(direction, device.index, r, n_channels))


def pulse_monitors() -> list[AudioDevice]:
    """Return what the PulseAudio or PipeWire server plays, one device for each of its outputs; none without one."""
    listing = ""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listing = subprocess.run(
            ["pactl", "list", "short", "sources"],
            capture_output=True, text=True, errors="replace", timeout=_PACTL_LIMIT_S, check=True,
        ).stdout  # fmt: skip
    return parse_pulse_monitors(listing)


def parse_pulse_monitors(listing: str) -> list[AudioDevice]:
    """Read `pactl list short sources`: number, name, driver, "s16le 2ch 48000Hz" and state, between tabs."""
    monitors = []
    for line in listing.splitlines():
        fields = line.split("\t")
        layout = re.fullmatch(r"\S+ (\d+)ch (\d+)Hz", fields[3].strip()) if len(fields) > 3 else None
        if layout and fields[1].endswith(".monitor"):
            name, n_channels, rate_hz = PULSE_PREFIX + fields[1], int(layout[1]), int(layout[2])
            monitors.append(AudioDevice(-1, name, "", n_channels, (rate_hz,), False, True))
    return monitors


def card_numbers(text: str | None = None) -> dict[str, int]:
    """Return the number of each card id.

    Args:
        text: Content of /proc/asound/cards; read from there by default.
    """
    if text is None:
        try:
            text = CARDS_FILE.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return {}  # no sound card driver at all
    return {match[2]: int(match[1]) for match in _CARD_LINE.finditer(text)}


@dataclass(frozen=True)
class DeviceIdentity:
    """What stays the same about a device when it is pulled out and plugged in again.

    Attributes:
        name: Its full name when it was chosen.
        stem: Its name without the card number.
        card_id: ALSA's id of its card, or empty.
    """

    name: str
    stem: str
    card_id: str


def identity_of(device: DeviceInfo, cards: Mapping[str, int]) -> DeviceIdentity:
    """Return what to know a device by later."""
    return DeviceIdentity(device.name, _HARDWARE.sub("", device.name).strip(), card_id_of(device.name, cards))


def card_id_of(name: str, cards: Mapping[str, int]) -> str:
    """Return the ALSA card id of a device's name, or nothing for one that is not of a card."""
    hardware = _HARDWARE.search(name)
    number = int(hardware[1]) if hardware else -1
    return next((card_id for card_id, n in cards.items() if n == number), "")


def is_monitor(name: str, card_id: str) -> bool:
    """Return whether a device gives what this machine plays, and not what a room sounds like."""
    return _MONITOR.search(name) is not None or _MONITOR.search(card_id) is not None


def find_device(
    devices: Sequence[DeviceInfo], wanted: str, cards: Mapping[str, int], direction: Direction
) -> DeviceInfo:
    """Return the device that a person means.

    Args:
        devices: Those of the direction that are there.
        wanted: Exact name, `hw:CARD`, unique part of a name, or card id; empty or "default" for the system's default.
        cards: Numbers of the card ids.
        direction: Whether a microphone or a loudspeaker is meant.

    Raises:
        DeviceError: There is none at all.
        ConfigurationError: None is meant, or more than one.
    """
    asked = f"{NOUNS[direction]} {wanted!r}" if wanted else f"the default {NOUNS[direction]}"
    if not devices:
        remedy = f"Plug one in; `au-edge devices` lists what is there. {_WITHOUT[direction]}"
        raise DeviceError(asked, f"this machine has no audio {direction.value}", remedy)
    exact = [device for device in devices if device.name == wanted]
    if exact:
        return exact[0]
    if wanted.lower() in ("", "default"):
        return next((device for device in devices if device.is_default), devices[0])
    for matches in (
        _by_address(devices, wanted, cards),
        _by_part(devices, wanted),
        _by_card(devices, wanted, 0, cards),
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ConfigurationError(
                asked, f"{len(matches)} devices are meant: {_names(matches)}", "Write more of the name, or the whole"
            )
    raise ConfigurationError(asked, f"there is no such device; here are {_names(devices)}", "See `au-edge devices`")


def find_again(
    devices: Sequence[DeviceInfo], identity: DeviceIdentity, cards: Mapping[str, int], direction: Direction
) -> DeviceInfo:
    """Return the device that was there before, under whatever number it has now.

    Raises:
        DeviceError: It is not there.
    """
    same_card = [d for d in devices if identity.card_id and card_id_of(d.name, cards) == identity.card_id]
    same_stem = [d for d in devices if _HARDWARE.sub("", d.name).strip() == identity.stem]
    both = [device for device in same_stem if device in same_card]
    for matches in (both, [d for d in same_stem if d.name == identity.name], same_stem):
        if matches:
            return matches[0]
    raise is_away(identity, direction)


def is_away(identity: DeviceIdentity, direction: Direction) -> DeviceError:
    """Return the error for a device that was there before."""
    return DeviceError(f"{NOUNS[direction]} {identity.name!r}", "it is not there any more", "Plug it in again")


def _by_address(devices: Sequence[DeviceInfo], wanted: str, cards: Mapping[str, int]) -> list[DeviceInfo]:
    """Match `hw:1`, `hw:1,0`, `hw:CARD=Mic,DEV=0`; plughw is taken alike, since we convert ourselves."""
    address = _ADDRESS.fullmatch(wanted)
    return _by_card(devices, address[1], int(address[2] or 0), cards) if address else []


def _by_card(devices: Sequence[DeviceInfo], card: str, device: int, cards: Mapping[str, int]) -> list[DeviceInfo]:
    number = int(card) if card.isdecimal() and len(card) < 10 else cards.get(card, -1)
    return [entry for entry in devices if entry.name.endswith(f"(hw:{number},{device})")]


def _by_part(devices: Sequence[DeviceInfo], wanted: str) -> list[DeviceInfo]:
    return [device for device in devices if wanted.lower() in device.name.lower()]


def _names(devices: Sequence[DeviceInfo]) -> str:
    return ", ".join(repr(device.name) for device in devices)
