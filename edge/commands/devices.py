"""`au-edge devices`: the microphones and loudspeakers that ALSA shows, and how to name them."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge.alsa.devices import AudioDevice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Example:\n  au-edge devices\n  au-edge run --device 'USB PnP Sound Device'\n"
        "  au-edge run -o audio.source=tcp -o audio.play=yes -o play.device='USB Audio'"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print every device; return 0 also where there is none, and say so."""
    from edge.alsa.devices import list_devices
    from edge.alsa.portaudio import Direction

    microphones, loudspeakers = list_devices(Direction.INPUT), list_devices(Direction.OUTPUT)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(device) for device in [*microphones, *loudspeakers]], indent=2))
        return 0
    _print("microphone", "input", microphones, "--device or audio.device")
    print()
    _print("loudspeaker", "output", loudspeakers, "play.device")
    return 0


def _print(noun: str, direction: str, devices: Sequence[AudioDevice], key: str) -> None:
    if not devices:
        print(f"no {noun}: ALSA shows no {direction} device.")
        print("Plug one in; the user must be in the group audio.")
        return
    print(f"{noun}s:")
    for device in devices:
        marks = [mark for mark, holds in (("default", device.is_default), ("monitor", device.is_monitor)) if holds]
        rates = ", ".join(str(rate) for rate in device.rates_hz) or "unknown"
        print(f"{device.name}{'  [' + ', '.join(marks) + ']' if marks else ''}")
        print(f"    {device.n_channels} channels, {rates} Hz{f', card id {device.card_id}' if device.card_id else ''}")
    print(f"Name one with {key}: its exact name, a unique part of it, or hw:CARD.")
