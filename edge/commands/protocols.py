"""`au-edge protocols`: what can be spoken, to which port, and who understands it."""

from __future__ import annotations

import argparse

from edge.app import PROTOCOLS, load_class


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Example:\n  au-edge run -o output.avatar.protocol=vmc -o output.avatar.host=192.168.1.20"


def run(arguments: argparse.Namespace) -> int:
    """Print a table of protocols and their options."""
    for name in PROTOCOLS:
        codec = load_class(PROTOCOLS, name)
        print(f"{name:<14} port {codec.default_port:<6} {codec.summary}")
        print(f"{'':<14} received by: {codec.known_receiver}")
        for option in codec.OPTIONS:
            print(f"{'':<16} {option.name} = {option.default or '(empty)'}: {option.help}")
    return 0
