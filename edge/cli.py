"""The command line: `au-edge COMMAND`, each a module with `add_arguments` and `run` that is imported when asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from edge import __version__
from edge.errors import ConfigurationError
from edge.exit_status import exit_status, leave_hanging_threads, left_in_order
from edge.machine.log import finish_log, start_log

COMMANDS = {
    "run": ("edge.commands.run", "listen and send frames until stopped"),
    "speak": ("edge.commands.speak", "play recordings, or what is piped in, with the face in step"),
    "render": ("edge.commands.render", "compute the frames of sound files into CSV, JSON lines or npz"),
    "devices": ("edge.commands.devices", "list the microphones and loudspeakers"),
    "check": ("edge.commands.check", "say what is here and usable, and the remedy for what is not"),
    "bench": ("edge.commands.bench", "measure latency by stage and end to end, processor time, memory, power"),
    "watch": ("edge.commands.watch", "show frames that arrive over UDP or OSC"),
    "head": ("edge.commands.head", "serve a page with a face that shows the frames that arrive"),
    "config": ("edge.commands.config", "show the configuration in force and where each value came from"),
    "sync": ("edge.commands.sync", "find the delay that brings face and sound together"),
    "servo": ("edge.commands.servo", "move one actuator by hand, to find its limits"),
    "protocols": ("edge.commands.protocols", "list the wire formats"),
}
# What leaves a child process, half a file, a servo or a terminal behind where a signal cuts it off. What runs until it
# is told to end has its own way; the rest must end also while a library hangs.
LEFT_IN_ORDER = ("bench", "render", "servo", "sync")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit status: 0, or that of the error (65 input, 69 unavailable, 78 configuration or model).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = exit_status("au-edge", lambda: _run(words))
    finally:
        finish_log()
    if argv is None:  # a process of our own
        leave_hanging_threads(status)
    return status


def _run(words: Sequence[str]) -> int:
    """Run the command of these words and return its exit status."""
    start_log(_log_level())
    arguments = _parser(words).parse_args(words)
    module = importlib.import_module(COMMANDS[arguments.command][0])
    with left_in_order() if arguments.command in LEFT_IN_ORDER else nullcontext():
        return int(module.run(arguments))


def _log_level() -> str:
    """Return the level of the log that AU_EDGE_LOG asks for."""
    asked = os.environ.get("AU_EDGE_LOG", "INFO").strip().upper()
    if asked not in LOG_LEVELS:
        raise ConfigurationError(
            f"AU_EDGE_LOG={asked}", "there is no such level", f"Set one of {', '.join(LOG_LEVELS)}"
        )
    return asked


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; only the command that is asked for is imported and asked for its arguments."""
    parser = argparse.ArgumentParser(
        prog="au-edge",
        description="Live speech in, facial action units and head rotation out over UDP and OSC.",
        epilog="Example: au-edge run --input speech.wav -o output.osc.host=192.168.1.20",
    )
    parser.add_argument("--version", action="version", version=f"au-edge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in words if not word.startswith("-")), "")
    for name, (module_name, summary) in COMMANDS.items():
        sub = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        if name == asked:
            importlib.import_module(module_name).add_arguments(sub)
    return parser


if __name__ == "__main__":
    sys.exit(main())
