"""`au-edge render`: the frames of sound files, by the same pipeline as live, as fast as it goes."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.app import check_channels, choose_backend, find_manifest, make_every_stage, make_pipeline
from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings
from edge.contracts import InferenceSession
from edge.errors import ArgumentsError, AuEdgeError, InputError
from edge.frames import AudioChunk, AUFrame, Float32Array
from edge.machine.clock import SystemClock
from edge.machine.whole_file import unwritable
from edge.manifest import Manifest
from edge.metrics.counters import Metrics
from edge.recording import WRITERS, FrameTable

_log = logging.getLogger("au-edge")
VIDEO_SUFFIX = ".mp4"
READ_TIMEOUT_S = 10.0  # a file answers at once; a mount that hangs longer is an error


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge render speech.wav --out frames.csv\n"
        "  au-edge render recordings/*.flac --out frames/           one CSV per recording\n"
        "  au-edge render speech.wav --out frames.npz --raw         the network's own output\n"
        "  au-edge render speech.wav --video face.mp4 -o life.enabled=yes      needs chromium and ffmpeg\n"
        "Columns: time_s (end of the frame in the sound, less the network's look-ahead), state, one per activation,\n"
        "head_pitch_deg, head_yaw_deg, head_roll_deg."
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="WAV or FLAC file")
    parser.add_argument("--out", type=Path, metavar="FILE|FOLDER", help="what to write; needed unless --video is given")
    parser.add_argument(
        "--video", type=Path, metavar="FILE.mp4", help="film the face speaking a single input, with sound"
    )
    parser.add_argument(
        "--video-quality", choices=("high", "low"), default="high", help="low: without shadows, thrice as fast (no GPU)"
    )
    parser.add_argument("--format", choices=sorted(WRITERS), help="csv (default), jsonl or npz; known by the suffix")
    parser.add_argument("--model", metavar="NAME", help="name of a shipped network, or path of a manifest")
    parser.add_argument("--raw", action="store_true", help="without smoothing, silence gate, gains and limits")
    parser.add_argument("--quiet", action="store_true", help="without the progress bar")
    add_configuration_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Render every input; one that fails is named, the others are still rendered."""
    extra = [f"model.path={arguments.model}"] if arguments.model else []
    settings = settings_from(arguments, tuple(extra))
    manifest = find_manifest(settings.model.path)
    check_channels(settings, manifest)
    targets = _targets(arguments)
    session = choose_backend(settings, manifest).backend.open(manifest)
    failures = []
    try:
        for path, target in _with_progress(targets, arguments.quiet):
            try:
                table = render_file(path, settings, manifest, session, is_raw=arguments.raw)
                _write(path, target, table, settings, arguments.video_quality)
            except (AuEdgeError, OSError) as error:
                option = "--video" if target == arguments.video else "--out"
                err = error if isinstance(error, AuEdgeError) else unwritable(target, error, option)
                failures.append(err)
                print(f"au-edge: {err}", file=sys.stderr)
    finally:
        session.close()
    if not failures:
        return 0
    if len(targets) > 1:
        print(f"au-edge: {len(failures)} of {len(targets)} files failed; the others are written", file=sys.stderr)
    return failures[0].exit_code


def _targets(arguments: argparse.Namespace) -> list[tuple[Path, Path]]:
    """Return what is written from which input, the film last."""
    inputs, video = arguments.inputs, arguments.video
    if arguments.out is None and video is None:
        raise ArgumentsError("render", "it is not said what to write", "Give --out or --video")
    targets = [] if arguments.out is None else output_paths(inputs, arguments.out, arguments.format)
    if video is None:
        return targets
    if len(inputs) != 1 or video.suffix.lower() != VIDEO_SUFFIX:
        raise ArgumentsError(f"--video {video}", "it is one .mp4 of one input", "Name one input and FILE.mp4")
    return [*targets, (inputs[0], video)]


def _write(path: Path, target: Path, table: FrameTable, settings: Settings, video_quality: str) -> None:
    """Write frames as their target's suffix says."""
    if target.suffix.lower() != VIDEO_SUFFIX:
        WRITERS[target.suffix[1:].lower()](target, table)
        return
    from tqdm import tqdm

    from edge.head.video import Film, render_video

    with tqdm(total=len(table), unit="frame", disable=None, dynamic_ncols=True, file=sys.stderr) as bar:
        render_video(
            table.channels, table.values, table.frame_rate, path, target, settings=settings.head,
            film=Film(quality=video_quality), on_frame=lambda n_done: bar.update(n_done - bar.n),
        )  # fmt: skip


def output_paths(inputs: Sequence[Path], out: Path, kind: str | None) -> list[tuple[Path, Path]]:
    """Pair each input with the file to write.

    Args:
        inputs: Sound files.
        out: A folder (existing, ending in /, or needed for several inputs), or the file for a single input.
        kind: csv, jsonl or npz; None to go by the suffix.

    Raises:
        ArgumentsError: Two inputs would be written to one file, or the suffix is unknown.
        InputError: The folder cannot be made.
    """
    is_folder = len(inputs) > 1 or out.is_dir() or (kind is None and out.suffix == "")
    if not is_folder:
        suffix = kind or out.suffix[1:].lower()
        if suffix not in WRITERS:
            raise ArgumentsError(
                f"--out {out}", f"its suffix is none of {', '.join(WRITERS)}", "Name FILE.csv, or --format"
            )
        _make_folder(out.parent)
        return [(inputs[0], out if out.suffix[1:].lower() == suffix else out.with_name(f"{out.name}.{suffix}"))]
    if out.suffix and not out.is_dir() and out.suffix[1:].lower() in WRITERS:
        raise ArgumentsError(f"--out {out}", f"{len(inputs)} inputs cannot go into one file", "Name a folder")
    _make_folder(out)
    pairs = [(path, out / f"{path.stem}.{kind or 'csv'}") for path in inputs]
    for target in {target for _, target in pairs}:
        same = [str(path) for path, other in pairs if other == target]
        if len(same) > 1:
            raise ArgumentsError(
                f"--out {out}", f"{', '.join(same)} would all become {target.name}", "Render them apart"
            )
    return pairs


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise unwritable(folder, err, "--out") from err


def render_file(
    path: Path, settings: Settings, manifest: Manifest, session: InferenceSession, is_raw: bool = False
) -> FrameTable:
    """Compute all frames of a sound file.

    Args:
        path: Any sound file; see docs/sources.md.
        settings: Channel choice and post-processing.
        manifest: The network's facts.
        session: The network; its state is reset first.
        is_raw: Leave out post-processing.

    Returns:
        One row per frame; frames end within the sound.

    Raises:
        InputError: The file cannot be used.
    """
    from edge.sources.sound_file import SoundFileSource

    source = SoundFileSource(path, clock=SystemClock(), pace="fast", channel=settings.audio.channel)
    source.open()
    try:
        stages = [] if is_raw else make_every_stage(settings, manifest)
        session.reset()
        pipeline = make_pipeline(manifest, session, lambda: source.rate_hz, stages, Metrics())
        table = FrameTable(manifest)
        lookahead = manifest.lookahead_samples

        def keep(frame: AUFrame) -> None:
            if frame.end_sample_index > lookahead:
                table.add(frame, (frame.end_sample_index - lookahead) / manifest.sample_rate_hz)

        end_index = 0
        while True:
            chunk = source.read(READ_TIMEOUT_S)
            if chunk is None:
                raise InputError(f"sound file {path}", f"nothing came for {READ_TIMEOUT_S:g} s", "Try again")
            pipeline.process(chunk, keep)
            end_index = chunk.end_index
            if chunk.is_last:
                break
        # Silence after the end pushes out what the resampler's delay and the look-ahead still hold back.
        rate_hz = source.rate_hz
        tail = AudioChunk(_silence((0.02 + manifest.lookahead_ms / 1000) * rate_hz), end_index, 0.0, True)
        pipeline.process(tail, keep)
        table.trim(end_index / rate_hz)
        for line in source.warnings():
            _log.warning("%s: %s", path, line)
        return table
    finally:
        source.close()


def _silence(n_samples: float) -> Float32Array:
    return np.zeros(int(n_samples) + 1, np.float32)


def _with_progress(targets: Sequence[tuple[Path, Path]], is_quiet: bool) -> Sequence[tuple[Path, Path]]:
    from tqdm import tqdm

    bar: Sequence[tuple[Path, Path]] = tqdm(
        targets, unit="file", disable=True if is_quiet else None, dynamic_ncols=True, file=sys.stderr
    )
    return bar
