"""`au-edge watch`: frames that arrive over UDP, drawn in the terminal."""

from __future__ import annotations

import argparse
import signal
import sys

from edge.app.arguments import duration_s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n  au-edge watch                 OSC on port 9000\n  au-edge watch --port 9001     JSON\n"
        "With --duration the exit status is 1 where nothing arrived."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 for all (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=9000, help="UDP port; OSC, JSON or binary are told apart (%(default)s)"
    )
    parser.add_argument("--duration", type=duration_s, metavar="SECONDS", help="end by itself after this time")


def run(arguments: argparse.Namespace) -> int:
    """Show frames until interrupted; return 1 where none came within --duration."""
    from edge.outputs.receiving import StreamDecoder
    from edge.watch.receive import run_watch

    # The terminal is given back on every way out, so SIGTERM goes the way of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run_watch(arguments.host, arguments.port, StreamDecoder(), duration_s=arguments.duration, stream=sys.stdout)
