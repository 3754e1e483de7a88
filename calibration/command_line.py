"""A table of commands as a program: `python -m PACKAGE COMMAND`, each a module with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from collections.abc import Mapping, Sequence

from edge.exit_status import exit_status


def run_command(
    package: str,
    description: str | None,
    commands: Mapping[str, tuple[str, str]],
    example: str,
    argv: Sequence[str] | None,
) -> int:
    """Run a command; its module is imported only when it is asked for.

    Args:
        package: Name of the package, for the usage and before every error.
        description: What its commands do.
        commands: Command -> module, and what it does in a few words.
        example: One line.
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0, or that of the error (see `edge.errors`).
    """
    parser = argparse.ArgumentParser(f"python -m {package}", description=description, epilog=example)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = next((word for word in arguments if word in commands), None)
    for name, (module_name, summary) in commands.items():
        command = subparsers.add_parser(name, help=summary, description=summary)
        if name == asked:
            module = importlib.import_module(module_name)
            command.description = (module.__doc__ or summary).strip()
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(command)
            command.set_defaults(run=module.run)

    def run() -> int:
        args = parser.parse_args(arguments)
        return int(args.run(args))

    return exit_status(package, run, interrupted="stopped; what was done is kept")


def count(text: str) -> int:
    """Return a number of things, 0 or more, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def positive(text: str) -> float:
    """Return a number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
