"""`au-edge protocols`: what can be spoken, to which port, and who understands it."""

from __future__ import annotations

import argparse

from edge.app.receivers import GREETED
from edge.app.tables import NODES, PROTOCOLS, SOUND, load_class


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Example:\n  au-edge run -o output.avatar.protocol=vmc -o output.avatar.host=192.168.1.20"


def run(arguments: argparse.Namespace) -> int:
    """Print a table of protocols and their options."""
    from edge.outputs import sound
    from edge.outputs.retarget import shipped_retargets

    for name in PROTOCOLS:
        codec = load_class(PROTOCOLS, name)
        hears = ", hears hellos there" if name == GREETED else ""
        print(f"{name:<14} sends to UDP port {codec.default_port}{hears}: {codec.summary}")
        print(f"{'':<14} received by: {codec.known_receiver}")
        for option in codec.OPTIONS:
            print(f"{'':<16} {option.name} = {option.default or '(empty)'}: {option.help}")
    for name in NODES:
        node = load_class(NODES, name)
        print(f"{name:<14} publishes {node.summary}")
        for option in node.OPTIONS:
            print(f"{'':<16} {option.name} = {option.default or '(empty)'}: {option.help}")
    print(f"{SOUND:<14} sends to UDP port {sound.DEFAULT_PORT}: {sound.SUMMARY}")
    print(f"{'robot':<14} sends to serial, I2C or UDP: servos by an actuator map: mapping = PATH; see docs/robots.md")
    print(f"\nmapping = NAME turns channels into a rig's own names: {', '.join(shipped_retargets())}, or a path")
    return 0
