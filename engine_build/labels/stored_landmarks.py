"""Label a corpus of filmed speakers whose landmarks were stored, each speaker by himself.

In: a folder with `landmarks.npz` (mediapipe_index [L]; delta_px16 [N, L, 3] int16: sixteenths of a pixel, the first
frame of each clip absolute, the others as differences; clips, n_frames) and `labels.npz` (fps, face_found [N]; speakers
[K], one person where it is missing). Out: a label file (see `label_file`) with confidence by speaker [N, 52] and the
further keys geometry_picture [N, 3], speakers [K], and amplitude, residual_mm_by_speaker and sound_lag as JSON; beside
it `audio/`, links to the recordings. A picture that is more than 10 ms off its sound is moved (see `sound_lag`). A
speaker whose face at rest cannot be learnt is named and left out, and so is a clip without sound.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge.errors import InputError
from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.fit import LandmarkClip, fit_clips
from engine_build.labels.gap_from_sound import MOST_CLIPS, speech_bands
from engine_build.labels.geometry import picture_geometry
from engine_build.labels.label_file import joined, masked, symmetrised, write_labels
from engine_build.labels.sound_lag import SoundLag, in_time, measure_lag

SUBPIXELS = 16
LEAST_CLIPS = 2  # one clip does not show what of a face is rest and what is speech
EXAMPLE = "example: python -m engine_build landmarks grid_s1 grid_more --out grid"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="with landmarks.npz, labels.npz and audio/"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="CORPUS", help="folder for labels.npz and audio/")
    parser.add_argument("--mask", nargs="*", default=[], metavar="PREFIX", help="channels not to learn, e.g. eyeBlink")
    parser.add_argument("--two-sided", action="store_true", help="keep differences of left and right")
    parser.add_argument(
        "--own-range", action="store_true", help="keep each speaker's own amplitude (default: a common talker's)"
    )
    parser.add_argument(
        "--own-time", action="store_true", help="keep each picture's own time (default: moved where its sound says so)"
    )
    parser.epilog = EXAMPLE


def read_clips(folder: Path) -> list[LandmarkClip]:
    """Read the landmarks of a corpus.

    Raises:
        InputError: A file is missing, or the stored points are not those of the blendshape face.
    """
    for name in ("landmarks.npz", "labels.npz"):
        if not (folder / name).is_file():
            raise InputError(f"landmarks in {folder}", f"there is no {name}", "Give the folder that holds both files")
    with np.load(folder / "landmarks.npz") as stored, np.load(folder / "labels.npz") as more:
        landmarks = blendshape_face().landmarks
        if not np.array_equal(stored["mediapipe_index"], landmarks):
            raise InputError(
                f"the {len(landmarks)} points of the blendshape face in {folder}",
                f"{len(stored['mediapipe_index'])} points, other ones or in another order",
                "Store the points that engine_build.labels.landmark_points.LANDMARKS names",
            )
        deltas, found, fps = stored["delta_px16"], more["face_found"], round(float(more["fps"]), 3)
        clips, start = [], 0
        for name, n_frames in zip(stored["clips"], stored["n_frames"], strict=True):
            span = slice(start, start + int(n_frames))
            points = np.cumsum(deltas[span].astype(np.int32), axis=0) / SUBPIXELS
            clips.append(LandmarkClip(str(name), points, found[span].astype(bool), fps))
            start = span.stop
    return clips


def read_speakers(folder: Path, clips: Sequence[LandmarkClip]) -> dict[str, list[LandmarkClip]]:
    """Return speaker -> clips with a face, in the order of the corpus; a corpus without `speakers` shows one person.

    Raises:
        InputError: There is not one speaker for each clip.
    """
    with np.load(folder / "labels.npz") as stored:
        names = [str(name) for name in stored["speakers"]] if "speakers" in stored.files else [""] * len(clips)
    if len(names) != len(clips):
        found = f"{len(names)} speakers for {len(clips)} clips"
        raise InputError(f"speakers in {folder}", found, "Name the speaker of every clip")
    groups: dict[str, list[LandmarkClip]] = {}
    for name, clip in zip(names, clips, strict=True):
        if clip.is_found.any():
            groups.setdefault(name, []).append(clip)
    return groups


def run(args: argparse.Namespace) -> int:
    """Label the corpora.

    Raises:
        InputError: A corpus cannot be read, or no speaker can be used.
    """
    groups: dict[str, list[LandmarkClip]] = {}
    for folder in args.folders:
        for name, clips in read_speakers(folder, read_clips(folder)).items():
            heard = [clip for clip in clips if _link_sound(folder, clip.name, args.out / "audio")]
            if len(heard) < len(clips):
                print(f"{folder}: {len(clips) - len(heard)} clips of {name or 'the speaker'} have no sound; left out")
            groups.setdefault(name or folder.resolve().name, []).extend(heard)
    kept = {name: clips for name, clips in groups.items() if len(clips) >= LEAST_CLIPS}
    for name in groups.keys() - kept.keys():
        print(f"speaker {name}: {len(groups[name])} clip does not show the face at rest; left out")
    if not kept:
        asked = f"speakers of {', '.join(map(str, args.folders))}"
        raise InputError(asked, "none has two clips with face and sound", "Give two sentences or more of each")
    lags: dict[str, SoundLag] = {}
    for name, clips in kept.items() if not args.own_time else ():
        measured = _measured_lag(name, clips, args.out / "audio")
        if measured is not None:
            kept[name], lags[name] = in_time(clips, measured)
    fitted = {name: fit_clips(clips, has_common_range=not args.own_range) for name, clips in kept.items()}
    for name, labels in fitted.items():
        one, factor = labels.residual, labels.amplitude
        print(
            f"{name}: {len(labels.clips)} clips, the fit leaves {one.face_mm:.2f} mm (face), {one.lips_mm:.2f} (lips) "
            f"of {one.neutral_lips_mm:.2f}; lips at rest {labels.neutral_gap_mm:.2f} mm apart; "
            f"range times {factor.vertical:.2f} (height), {factor.horizontal:.2f} (width){_said(lags.get(name))}",
            flush=True,
        )
    parts = [labels if args.two_sided else symmetrised(labels) for labels in fitted.values()]
    parts = [masked(labels, tuple(args.mask)) for labels in parts] if args.mask else parts
    picture = [picture_geometry(clip.points, blendshape_face().landmarks) for clips in kept.values() for clip in clips]
    more = {
        "geometry_picture": np.concatenate(picture).astype(np.float32),
        "confidence": np.concatenate([np.tile(part.confidence, (len(part.activations), 1)) for part in parts]),
        "speakers": np.array([name for name, labels in fitted.items() for _ in labels.clips]),
        "amplitude": _by_speaker({name: asdict(labels.amplitude) for name, labels in fitted.items()}),
        "sound_lag": _by_speaker({name: asdict(lag) for name, lag in lags.items()}),
        "residual_mm_by_speaker": _by_speaker({name: asdict(labels.residual) for name, labels in fitted.items()}),
    }
    write_labels(args.out / "labels.npz", joined(parts), more)
    return 0


def _link_sound(folder: Path, clip: str, audio: Path) -> bool:
    """Link a clip's recording into the corpus; return whether there is one."""
    recording = _recording(folder / "audio", clip)
    if not recording.exists():
        return False
    audio.mkdir(parents=True, exist_ok=True)
    link = audio / recording.name
    if not link.exists():
        link.symlink_to(recording.resolve())
    return True


def _recording(folder: Path, clip: str) -> Path:
    """Return a clip's recording, which may not be there."""
    flac = folder / f"{clip}.flac"
    return flac if flac.exists() else folder / f"{clip}.wav"


def _measured_lag(name: str, clips: Sequence[LandmarkClip], audio: Path) -> SoundLag | None:
    """Measure a speaker's picture against his sound; None where the sound cannot be read, and that is said."""
    import soundfile

    some = list(clips)[:: max(1, len(clips) // MOST_CLIPS)]
    bands = []
    try:
        for clip in some:
            sound, rate_hz = soundfile.read(_recording(audio, clip.name), dtype="float32", always_2d=True)
            bands.append(speech_bands(sound.mean(axis=1), rate_hz))
    except (OSError, RuntimeError) as err:
        print(f"{name}: sound against picture is not measured: {err}")
        return None
    return measure_lag(some, bands)


def _said(lag: SoundLag | None) -> str:
    if lag is None:
        return ""
    what = "taken away" if lag.is_corrected else "kept"
    found = f"{lag.lag_ms:+.0f} ms (+-{lag.error_ms:.0f}, r {lag.correlation:.2f})"
    return f"; picture against sound {found}, {what}"


def _by_speaker(numbers: Mapping[str, Mapping[str, float | bool]]) -> np.ndarray:
    return np.array(json.dumps(numbers))
