"""One initialisation of PortAudio with the device in it that is meant: a new one each time, since its list is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from edge.alsa.devices import DeviceIdentity, card_numbers, find_again, find_device, identity_of, is_away
from edge.alsa.portaudio import DeviceInfo, Direction, PortAudio


@dataclass(frozen=True)
class FoundDevice:
    """A device and the PortAudio that knows it; whoever gets it terminates it."""

    portaudio: PortAudio
    device: DeviceInfo
    identity: DeviceIdentity


def look_for_device(wanted: str, known: DeviceIdentity | None, direction: Direction) -> FoundDevice:
    """Initialise PortAudio and find a device; may hang as sound systems do, see `bounded_call`.

    Args:
        wanted: As a person names it.
        known: What it was before. The default may be another one by now; a device that was named stays what it was.
        direction: Whether it is listened to or played on.

    Raises:
        DeviceError: It is not there now.
        ConfigurationError: It is unknown or ambiguous.
        OSError: PortAudio cannot start.
    """
    cards = card_numbers()
    if wanted.lower() in ("", "default"):
        known = None
    if known is not None and known.card_id not in ("", *cards):
        raise is_away(known, direction)  # seen without asking PortAudio, which costs 50 ms of a processor
    portaudio = PortAudio()
    try:
        devices = portaudio.devices(direction)
        if known is not None:
            device = find_again(devices, known, cards, direction)
        else:
            device = find_device(devices, wanted, cards, direction)
        return FoundDevice(portaudio, device, identity_of(device, cards))
    except BaseException:
        portaudio.terminate()
        raise
