"""Make labels from videos of speaking people.

In: videos with sound, one face in each. Out, in the folder given: `labels.npz` (activations of the 52 shapes, head
rotation, lip geometry, a confidence per channel), `audio/NAME.flac` (the sound the labels belong to),
`landmarks/NAME.npz` (so that a run that was stopped goes on where it was) and `report.json`. A video that cannot be
used is named with its reason, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np

from edge.errors import AuEdgeError, DeviceError, InputError
from edge.machine.whole_file import write_whole
from engine_build.cluster import add_jobs_arguments, on_cluster
from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.face_finder import WHERE, FaceFinder, MediaPipeFinder
from engine_build.labels.fit import Labels, LandmarkClip, fit_clips
from engine_build.labels.label_file import joined, symmetrised, write_labels
from engine_build.labels.landmark_cache import recall, remember
from engine_build.labels.track import track_video

OpenFinder = Callable[[], AbstractContextManager[FaceFinder]]

OPEN_MOUTH_MM = 3.0  # a face at rest with the lips further apart was never seen at rest
LEAST_FRAMES_OF_SPEAKER = 50  # two seconds: less does not show what a face is like at rest
EXAMPLE = "example: python -m engine_build label talks/*.mp4 --model face_landmarker.task --out labels/talks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="a video, or a folder of videos")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder for labels and sound")
    parser.add_argument("--model", type=Path, metavar="PATH", help="MediaPipe's face_landmarker.task")
    parser.add_argument("--fps", type=float, help="frames per second of the labels (default: the first video's)")
    parser.add_argument(
        "--speaker",
        choices=("folder", "file", "all"),
        default="folder",
        help="which videos show one person, whose face at rest is learnt from all of them (default: those of a folder)",
    )
    parser.add_argument("--symmetric", action="store_true", help="average left and right, as speech hardly differs")
    add_jobs_arguments(parser, "look at a video each")
    parser.epilog = EXAMPLE


def found_videos(paths: Iterable[Path]) -> dict[str, Path]:
    """Return name -> video; folders give the files in them, names that clash take their folder's name before them."""
    files: list[Path] = []
    for path in paths:
        files += sorted(entry for entry in path.iterdir() if entry.is_file()) if path.is_dir() else [path]
    stems = [file.stem for file in files]
    return {(f.stem if stems.count(f.stem) == 1 else f"{f.resolve().parent.name}_{f.stem}"): f for f in files}


def run(args: argparse.Namespace, open_finder: OpenFinder | None = None) -> int:
    """Label the videos.

    Args:
        args: As `add_arguments` declares.
        open_finder: Makes a finder of faces for a video; None: MediaPipe with the model given.

    Returns:
        0, or the exit status of the first video that could not be used; the labels of the others are written.

    Raises:
        AuEdgeError: No video could be used, the model is missing, or the disk is full.
    """
    with on_cluster(args):
        return _run(args, open_finder or _mediapipe_opener(args.model))


def _run(args: argparse.Namespace, open_finder: OpenFinder) -> int:
    videos = found_videos(args.videos)
    if not videos:
        raise InputError("videos to label", "the folders given are empty", "Give videos")
    mistakes: list[AuEdgeError] = []
    try:
        clips = _all_landmarks(videos, args, open_finder, mistakes)
        labels = _fit_speakers(clips, videos, args.speaker, mistakes)
        if labels is None:
            raise (
                mistakes[0]
                if len(mistakes) == 1
                else InputError(
                    f"{len(videos)} videos to label",
                    "none could be used: " + "; ".join(map(str, mistakes)),
                    "Correct them",
                )
            )
        labels = symmetrised(labels) if args.symmetric else labels
        write_labels(args.out / "labels.npz", labels)
        _write_report(args.out / "report.json", labels, mistakes)
    except OSError as error:
        raise DeviceError(
            f"to write to {args.out}", str(error), "Make room or choose another folder, and start again: it goes on"
        ) from error
    _say_result(labels, mistakes, args.out)
    return mistakes[0].exit_code if mistakes else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command by itself; return the exit status."""
    parser = argparse.ArgumentParser("label", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except AuEdgeError as error:
        print(f"label: {error}", file=sys.stderr)
        return error.exit_code


def _mediapipe_opener(model: Path | None) -> OpenFinder:
    if model is None:
        raise InputError("to find faces in videos", "no model of faces was given", WHERE)
    with MediaPipeFinder(model):  # a missing model is one mistake, not one per video
        return partial(MediaPipeFinder, model)


def _all_landmarks(
    videos: Mapping[str, Path], args: argparse.Namespace, open_finder: OpenFinder, mistakes: list[AuEdgeError]
) -> list[LandmarkClip]:
    import joblib

    clips: list[LandmarkClip] = []
    waiting = list(videos.items())
    number = 0
    while waiting:
        rate = args.fps or (clips[0].fps if clips else None)
        n_now = len(waiting) if rate else 1  # the first that can be used tells the rate of all
        now, waiting = waiting[:n_now], waiting[n_now:]
        work = joblib.Parallel(n_jobs=args.jobs, return_as="generator")
        results = work(joblib.delayed(_landmarks)(open_finder, *video, args.out, rate) for video in now)
        for (_, path), clip in zip(now, results, strict=True):
            number += 1
            if isinstance(clip, LandmarkClip):
                clips.append(clip)
                share = 100 * float(np.mean(clip.is_found))
                print(f"[{number}/{len(videos)}] {path}: {len(clip.points)} frames, face in {share:.0f} %", flush=True)
            else:
                kind, *parts = clip
                mistakes.append(kind(*parts))
                print(f"[{number}/{len(videos)}] {mistakes[-1]}", file=sys.stderr)
    return clips


def _landmarks(
    open_finder: OpenFinder, name: str, path: Path, out: Path, rate: float | None
) -> LandmarkClip | tuple[type[AuEdgeError], str, str, str]:
    """Return the landmarks of one video, kept in `out`; or why it cannot be used, as what an error is made of.

    It may run in a process of its own, and an error with three arguments does not come back from there whole.
    """
    try:
        clip = recall(out, name, path, rate)
        if clip is None:
            with open_finder() as finder:
                clip, sound = track_video(path, finder, len(blendshape_face().landmarks), rate)
            clip = LandmarkClip(name, clip.points, clip.is_found, clip.fps)
            remember(out, clip, path, sound)
    except AuEdgeError as error:
        return type(error), error.asked, error.found, error.remedy
    return clip


def _fit_speakers(
    clips: Sequence[LandmarkClip], videos: Mapping[str, Path], speaker: str, mistakes: list[AuEdgeError]
) -> Labels | None:
    groups: dict[str, list[LandmarkClip]] = {}
    for clip in clips:
        path = videos[clip.name].resolve()
        groups.setdefault({"folder": str(path.parent), "file": str(path), "all": ""}[speaker], []).append(clip)
    fitted: list[Labels] = []
    for group in groups.values():
        n_frames = sum(int(clip.is_found.sum()) for clip in group)
        names = ", ".join(clip.name for clip in group[:3]) + (" ..." if len(group) > 3 else "")
        if n_frames < LEAST_FRAMES_OF_SPEAKER:
            asked = f"the face at rest of the speaker in {names}"
            mistakes.append(InputError(asked, f"only {n_frames} frames with a face", "Give two seconds or more"))
            print(mistakes[-1], file=sys.stderr)
            continue
        fitted.append(fit_clips(group))
        if fitted[-1].neutral_gap_mm > OPEN_MOUTH_MM:
            gap = fitted[-1].neutral_gap_mm
            print(f"note: {names}: the lips never came closer than about {gap:.1f} mm; labels start from there")
    return joined(fitted) if fitted else None


def _write_report(path: Path, labels: Labels, mistakes: Sequence[AuEdgeError]) -> None:
    known = labels.is_valid
    measured, face = labels.geometry[known], labels.geometry_face[known]
    agreement = [float(np.corrcoef(measured[:, i], face[:, i])[0, 1]) for i in range(3)]
    report = {
        "clips": list(labels.clips),
        "frames": len(known),
        "frames_with_face": int(known.sum()),
        "residual_mm": vars(labels.residual),
        "lip_gap_width_chin_correlation": [round(value, 4) if np.isfinite(value) else None for value in agreement],
        "mistakes": [{"asked": m.asked, "found": m.found, "remedy": m.remedy} for m in mistakes],
    }
    write_whole(path, json.dumps(report, indent=2) + "\n")


def _say_result(labels: Labels, mistakes: Sequence[AuEdgeError], out: Path) -> None:
    residual = labels.residual
    print(
        f"{len(labels.clips)} videos, {int(labels.is_valid.sum())} frames labelled in {out}; the fit leaves "
        f"{residual.face_mm:.2f} mm (face), {residual.lips_mm:.2f} mm (lips); a still face would leave "
        f"{residual.neutral_face_mm:.2f} and {residual.neutral_lips_mm:.2f} mm"
    )
    if mistakes:
        print(f"{len(mistakes)} could not be used:", *mistakes, sep="\n  ", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
