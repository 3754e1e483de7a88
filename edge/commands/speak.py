"""`au-edge speak`: play recordings, or what is piped in, through the loudspeaker, with the face in step."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings
from edge.errors import ArgumentsError, InputError
from edge.live.program import LiveProgram

STDIN = "-"
_log = logging.getLogger("au-edge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge speak greeting.wav goodbye.wav            one after the other\n"
        "  au-edge speak --speaker 'USB Audio' hello.flac    a loudspeaker by part of its name\n"
        "  espeak-ng --stdout 'Good morning' | au-edge speak -\n"
        "  piper --output-raw ... | au-edge speak - -o audio.format=s16le -o audio.stream_rate_hz=22050\n"
        "It is `au-edge run` with audio.play = yes, and ends with the sound. Each face is sent when its sound leaves\n"
        "the loudspeaker; docs/talking.md says how long the first sound waits."
    )
    parser.add_argument("inputs", nargs="+", metavar="FILE|-", help="sound file, or - for what is piped in")
    parser.add_argument("--speaker", metavar="NAME", help="as play.device; `au-edge devices` lists them")
    parser.add_argument("--model", metavar="NAME", help="name of a shipped network, or path of a manifest")
    view = parser.add_mutually_exclusive_group()
    view.add_argument("--view", action="store_true", default=None, help="draw the face in the terminal")
    view.add_argument("--no-view", dest="view", action="store_false", help="log lines only")
    add_configuration_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Speak every input; return 0, also where a signal ended it."""
    _check(arguments.inputs)
    has_view = sys.stdout.isatty() if arguments.view is None else arguments.view
    if has_view:
        logging.getLogger().setLevel(logging.WARNING)  # lines would tear the picture
    for names in _together(arguments.inputs):
        extra = _options_of(arguments, names)

        def load(extra: tuple[str, ...] = extra) -> Settings:
            return settings_from(arguments, extra)

        program = LiveProgram(load, has_view=has_view)
        program.run()
        if program.is_stop_asked:
            break
    return 0


def _check(inputs: list[str]) -> None:
    """Refuse before the first word what could not be spoken later.

    Raises:
        ArgumentsError: There is more than one standard input.
        InputError: A file is not there.
    """
    if inputs.count(STDIN) > 1:
        raise ArgumentsError("au-edge speak - -", "there is one standard input", "Give `-` once")
    for name in inputs:
        if name != STDIN and not Path(name).exists():
            raise InputError(f"sound file {name}", "it does not exist", "Nothing was spoken; correct its name")


def _together(inputs: list[str]) -> list[list[str]]:
    """Return the inputs that one program speaks: files that follow one another, without loading the network anew."""
    groups: list[list[str]] = []
    for name in inputs:
        is_alone = name == STDIN or "\n" in name  # the configuration names one file a line
        if groups and not is_alone and groups[-1][0] != STDIN and "\n" not in groups[-1][0]:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def _options_of(arguments: argparse.Namespace, names: list[str]) -> tuple[str, ...]:
    """Return the command's own arguments as configuration keys."""
    extra = ["audio.play=yes"]
    if names == [STDIN]:
        extra.append("audio.source=stdin")
    else:
        file = "\n".join(names)
        extra += ["audio.source=file", f"audio.file={file}", "audio.loop=no"]
    if arguments.speaker is not None:
        extra.append(f"play.device={arguments.speaker}")
    if arguments.model is not None:
        extra.append(f"model.path={arguments.model}")
    return tuple(extra)
