"""`au-edge bench`: how fast it is here, by stage and end to end, to be compared with another day or device."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.app import BACKENDS, DEFAULTS, PROTOCOLS, find_manifest, has_microphone, make_backend, shipped_speech
from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings
from edge.errors import BackendError, InputError
from edge.machine.whole_file import write_whole
from edge.manifest import Manifest

FORMAT = "au-edge-bench/1"
NO_MICROPHONE = "No microphone was found: the shipped recording is measured, at the pace of a microphone."
_PARTS = ("all", "live", "stages", "loopback")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge bench                                      the microphone, or the shipped recording where there is\n"
        "                                                     none; a minute per usable backend\n"
        "  au-edge bench --input speech.wav --duration 167    5,000 frames at 30 a second, from a file\n"
        "  au-edge bench --json today.json --html today.html  to keep and to look at\n"
        "  au-edge bench --compare monday.json today.json     what changed\n"
        "  au-edge bench loopback --speaker 'USB Audio'       chirps through loudspeaker, cable, microphone, network\n"
        "Frames go to a receiver inside the command and nowhere else: configured receivers stay still."
    )
    parser.add_argument(
        "part", nargs="?", choices=_PARTS, default="all",
        help="live: the program as it runs; stages: back to back; loopback: real sound (default: live and stages)",
    )  # fmt: skip
    parser.add_argument(
        "--duration", type=float, default=60.0, metavar="S", help="live: seconds a backend (%(default)s)"
    )
    parser.add_argument("--warm-up", type=float, default=3.0, metavar="S", help="live: not measured (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that backends take (%(default)s)")
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="stages: frames a turn (%(default)s)")
    parser.add_argument("--backend", action="append", metavar="NAME", help="only this one; may be given again")
    parser.add_argument("--model", action="append", metavar="NAME", help="network; may be given again")
    parser.add_argument("--protocol", default="osc", choices=list(PROTOCOLS), help="wire format (%(default)s)")
    parser.add_argument("--input", type=Path, metavar="FILE", help="live: this sound file at its own pace, looped")
    parser.add_argument("--device", metavar="NAME", help="live, loopback: microphone, as for `au-edge run`")
    parser.add_argument("--speaker", metavar="NAME", help="loopback: output device that plays the chirps")
    parser.add_argument("--chirps", type=int, default=40, metavar="N", help="loopback: how many (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with histograms")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="measure nothing: show what changed")
    add_configuration_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print and write; return 0."""
    from edge.bench.text_report import compare, render_text

    if arguments.compare:
        print(compare(_load(arguments.compare[0]), _load(arguments.compare[1])))
        return 0
    if min(arguments.duration, arguments.rounds, arguments.frames, arguments.chirps) <= 0 or arguments.warm_up < 0:
        print("au-edge bench: durations, rounds, frames and chirps must be positive", file=sys.stderr)
        return 2
    if arguments.part == "loopback":
        return _loopback(arguments)
    result = measure(arguments)
    # The files first, and what was measured is shown whatever becomes of them: nobody measures a minute for nothing.
    try:
        if arguments.json:
            write_whole(arguments.json, json.dumps(result, indent=1) + "\n", "--json")
        if arguments.html:
            from edge.bench.html_report import render_html

            write_whole(arguments.html, render_html(result), "--html")
    finally:
        print(render_text(result))
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the result as plain JSON values.

    Raises:
        BackendError: No backend is usable for the first network.
    """
    from edge.bench.lanes import run_lanes
    from edge.machine.facts import machine_facts

    settings = settings_from(arguments, live_options(arguments))
    conventions = _conventions(arguments, settings)
    if arguments.part in ("all", "live") and is_without_sound(settings):
        print(f"{NO_MICROPHONE} --input and --device choose another sound.", file=sys.stderr)
        conventions.insert(0, NO_MICROPHONE)
        arguments.input = shipped_speech()
        settings = settings_from(arguments, live_options(arguments))
    manifests = [find_manifest(path) for path in arguments.model or [settings.model.path]]
    wanted = arguments.backend or list(BACKENDS)
    result: dict[str, Any] = {
        "format": FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "conventions": conventions,
    }
    if arguments.part in ("all", "live"):
        result["live"] = _live(arguments, settings, manifests, wanted)
    if arguments.part in ("all", "stages"):
        result["back_to_back"] = run_lanes(
            settings, manifests, wanted, arguments.rounds, arguments.frames, arguments.protocol
        )
    return result


def is_without_sound(settings: Settings) -> bool:
    """Return whether nobody named a source and there is no microphone."""
    return settings.origins.get("audio.source", DEFAULTS) == DEFAULTS and not has_microphone()


def live_options(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the command's source as configuration keys."""
    if arguments.input is not None:
        return ("audio.source=file", f"audio.file={arguments.input}", "audio.loop=yes", "audio.pace=realtime")
    if arguments.device is not None:
        return ("audio.source=microphone", f"audio.device={arguments.device}")
    return ()


def child_arguments(arguments: argparse.Namespace, extra: tuple[str, ...]) -> tuple[str, ...]:
    """Return the configuration arguments for a process that is to run with the same configuration."""
    found = ["--config", str(arguments.config)] if arguments.config else []
    for option in (*extra, *arguments.option):
        found += ["-o", option]
    return tuple(found)


def _live(
    arguments: argparse.Namespace, settings: Settings, manifests: list[Manifest], wanted: list[str]
) -> dict[str, Any]:
    """Run the program in blocks, backends and networks in turn."""
    from edge.bench.live_run import LiveBlock, run_block, summarise
    from edge.bench.measured_process import ProgramWish

    runs = []
    for manifest in manifests:
        usable = [name for name in wanted if make_backend(name, settings).probe(manifest) is None]
        if not usable:
            raise BackendError(f"bench of {manifest.name}", "no backend is usable", "`au-edge check` says why")
        runs += [(f"{manifest.name} on {name}", manifest, name) for name in usable]
    n_blocks = arguments.rounds if len(runs) > 1 else 1
    blocks: dict[str, list[LiveBlock]] = {label: [] for label, _, _ in runs}
    for turn in range(n_blocks):
        for label, manifest, backend in runs:
            options = (*live_options(arguments), f"model.path={manifest.path}")
            wish = ProgramWish(child_arguments(arguments, options), backend, arguments.protocol, arguments.warm_up)
            print(f"live, {label}, block {turn + 1} of {n_blocks}", file=sys.stderr)
            blocks[label].append(run_block(wish, arguments.duration / n_blocks))
    return {label: summarise(found) for label, found in blocks.items()}


def _loopback(arguments: argparse.Namespace) -> int:
    from edge.bench.loopback import render_loopback, run_loopback
    from edge.bench.loudspeaker import Loudspeaker
    from edge.bench.measured_process import ProgramWish

    settings = settings_from(arguments, live_options(arguments))
    extra = (*live_options(arguments), f"model.path={find_manifest(settings.model.path).path}")
    wish = ProgramWish(child_arguments(arguments, extra), protocol=arguments.protocol)
    with Loudspeaker(arguments.speaker or "") as loudspeaker:
        result = run_loopback(wish, loudspeaker, settings.silence.open_dbfs, arguments.chirps)
    try:
        if arguments.json:
            write_whole(arguments.json, json.dumps({"format": FORMAT, "loopback": result}, indent=1) + "\n", "--json")
    finally:
        print(render_loopback(result))
    return 0


def _conventions(arguments: argparse.Namespace, settings: Settings) -> list[str]:
    priority = settings.realtime.fifo_priority
    return [
        f"live: {arguments.warm_up:g} s of warm-up after the first frame, then {arguments.duration:g} s a backend; "
        f"network warmed up by {settings.model.warm_up_frames} frames of zeros; SCHED_FIFO {priority or 'off'} asked "
        "for; no spinning anywhere",
        "end to end: from a frame's last sample at the microphone to the kernel's receipt of its datagram on this "
        f"machine, protocol {arguments.protocol}; a miss is a frame received later than one period after its sound",
        "inference: with all transfers between host and device; on a GPU as the backend runs it live",
        "stages in milliseconds; capture_wait, arrival, ring and resample are per chunk, the others per frame; "
        "the control is how late "
        "a real-time process that does nothing is woken here",
    ]


def _load(path: Path) -> dict[str, Any]:
    """Read a result.

    Raises:
        InputError: It is none.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise InputError(f"result {path}", f"it cannot be read ({err})", "Give a file that --json wrote") from err
    if not isinstance(result, dict) or result.get("format") != FORMAT or "machine" not in result:
        raise InputError(f"result {path}", f"it is not of format {FORMAT}", "Give a file that --json wrote")
    return result
