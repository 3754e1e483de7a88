"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.app import protocol_options
from edge.configuration import load_settings
from edge.settings import Settings


def add_configuration_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --config and -o."""
    group = parser.add_argument_group("configuration")
    group.add_argument("--config", type=Path, metavar="FILE", help="read after /etc/au-edge/au-edge.conf")
    group.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="set one key, stronger than every file; may be given again",
    )


def settings_from(arguments: argparse.Namespace, extra: tuple[str, ...] = ()) -> Settings:
    """Load the configuration that a command line asks for.

    Args:
        arguments: With the attributes of `add_configuration_arguments`.
        extra: Options of the command itself, weaker than -o.

    Raises:
        ConfigurationMistakesError: All mistakes.
    """
    return load_settings(protocol_options(), arguments.config, [*extra, *arguments.option])
