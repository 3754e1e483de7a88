"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.app import protocol_options
from edge.config.reading import load_settings
from edge.config.settings import Settings

LONGEST_S = 1e9  # 30 years; more is a mistake


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


def duration_s(text: str) -> float:
    """Return a positive number of seconds; argparse says what is wrong with another, with exit status 2."""
    value = float(text)
    if not 0 < value < LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is no positive number of seconds")
    return value


def settings_from(arguments: argparse.Namespace, extra: tuple[str, ...] = ()) -> Settings:
    """Load the configuration that a command line asks for.

    Args:
        arguments: With the attributes of `add_configuration_arguments`.
        extra: Options of the command itself, weaker than -o.

    Raises:
        ConfigurationMistakesError: All mistakes.
    """
    return load_settings(protocol_options(), arguments.config, [*extra, *arguments.option])
