"""`au-edge run`: listen, compute, send, until stopped. The main job."""

from __future__ import annotations

import argparse
import logging
import sys

from edge.app.arguments import add_configuration_arguments, duration_s, settings_from
from edge.config.settings import Settings
from edge.live.program import LiveProgram


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge run                                    the default microphone, OSC and JSON to this machine\n"
        "  au-edge run --device 'USB PnP' --view          a microphone by part of its name, with the live view\n"
        "  au-edge run --input speech.wav --loop          a recording instead of a microphone\n"
        "  au-edge run -o output.osc.host=192.168.1.20    to another machine\n"
        "SIGTERM and Ctrl-C send neutral frames and end the program; SIGHUP reads the configuration\n"
        "again (with --view, where it says that the terminal was closed, it ends the program)."
    )
    add_configuration_arguments(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--device", metavar="NAME", help="microphone: exact name, unique part of it, or ALSA card id")
    source.add_argument("--input", metavar="FILE", help="speak this WAV or FLAC file at its own pace")
    parser.add_argument("--loop", action="store_true", help="with --input: again and again")
    parser.add_argument("--model", metavar="NAME", help="name of a shipped network, or path of a manifest")
    parser.add_argument("--duration", type=duration_s, metavar="SECONDS", help="end by itself after this time")
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--view", action="store_true", default=None, help="draw the face in the terminal")
    view.add_argument("--no-view", dest="view", action="store_false", help="log lines only")


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal, the end of the input, or --duration; return 0."""
    extra = _options_of(arguments)

    def load() -> Settings:
        return settings_from(arguments, extra)

    has_view = sys.stdout.isatty() if arguments.view is None else arguments.view
    if has_view:
        # Lines would tear the picture; warnings still appear below it.
        logging.getLogger().setLevel(logging.WARNING)
    return LiveProgram(load, duration_s=arguments.duration, has_view=has_view).run()


def _options_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the command's own arguments as configuration keys."""
    extra = []
    if arguments.device is not None:
        extra += ["audio.source=microphone", f"audio.device={arguments.device}"]
    if arguments.input is not None:
        extra += [
            "audio.source=file",
            f"audio.file={arguments.input}",
            f"audio.loop={'yes' if arguments.loop else 'no'}",
        ]
    if arguments.model is not None:
        extra.append(f"model.path={arguments.model}")
    return tuple(extra)
