"""`au-edge devices`: the microphones that ALSA shows, and how to name them."""

from __future__ import annotations

import argparse
import dataclasses
import json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Example:\n  au-edge devices\n  au-edge run --device 'USB PnP Sound Device'"
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print every input device; return 0 also where there is none, and say so."""
    from edge.alsa.devices import list_devices

    devices = list_devices()
    if arguments.json:
        print(json.dumps([dataclasses.asdict(device) for device in devices], indent=2))
        return 0
    if not devices:
        print("no microphone: ALSA shows no input device.")
        print("Plug one in; the user must be in the group audio.")
        return 0
    for device in devices:
        marks = [mark for mark, holds in (("default", device.is_default), ("monitor", device.is_monitor)) if holds]
        rates = ", ".join(str(rate) for rate in device.rates_hz) or "unknown"
        print(f"{device.name}{'  [' + ', '.join(marks) + ']' if marks else ''}")
        print(f"    {device.n_channels} channels, {rates} Hz{f', card id {device.card_id}' if device.card_id else ''}")
    print("Name one with --device or audio.device: its exact name, a unique part of it, or hw:CARD.")
    return 0
