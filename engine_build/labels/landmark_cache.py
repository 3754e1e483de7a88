"""Keep the landmarks and the sound of each video, so that a labelling run that was stopped goes on where it was.

Files appear complete or not at all. A kept video counts while the file is the same (size and time of change) and the
frame rate is the one asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edge.errors import ConfigurationError
from engine_build.labels.blendshape_face import blendshape_face
from engine_build.labels.fit import LandmarkClip
from engine_build.labels.video import Sound


def _places(out: Path, name: str) -> tuple[Path, Path]:
    return out / "landmarks" / f"{name}.npz", out / "audio" / f"{name}.flac"


def _stamp(video: Path) -> tuple[int, int]:
    status = video.stat()
    return status.st_size, status.st_mtime_ns


def recall(out: Path, name: str, video: Path, fps: float | None) -> LandmarkClip | None:
    """Return what was kept of a video, or None where it has to be looked at.

    Args:
        out: The folder of labels.
        name: The clip's name.
        video: The file it came from.
        fps: Frames per second asked for; None: any.
    """
    landmarks, sound = _places(out, name)
    if not (landmarks.is_file() and sound.is_file() and video.is_file()):
        return None
    try:
        with np.load(landmarks) as kept:
            is_same = tuple(kept["stamp"]) == _stamp(video) and fps in (None, float(kept["fps"]))
            is_same &= np.array_equal(kept["mediapipe_index"], blendshape_face().landmarks)
            if not is_same:
                return None
            return LandmarkClip(name, kept["points"].astype(np.float64), kept["is_found"], float(kept["fps"]))
    except (OSError, ValueError, KeyError, EOFError):
        return None  # of another version or cut short: look again


def remember(out: Path, clip: LandmarkClip, video: Path, sound: Sound) -> None:
    """Keep a video's landmarks and its sound (FLAC, 16 bit).

    Raises:
        OSError: The disk is full or the folder cannot be written.
        ConfigurationError: The library that writes sound is missing.
    """
    try:
        import soundfile
    except ImportError as error:
        raise ConfigurationError(
            "to write sound", "soundfile is not installed", "Install it: pip install soundfile"
        ) from error
    landmarks, flac = _places(out, clip.name)
    landmarks.parent.mkdir(parents=True, exist_ok=True)
    flac.parent.mkdir(parents=True, exist_ok=True)
    part_sound = flac.with_name(f".{clip.name}.part.flac")
    part = landmarks.with_name(f".{clip.name}.part.npz")
    try:
        try:
            soundfile.write(part_sound, np.clip(sound.samples, -1, 1), sound.rate_hz, subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise OSError(f"{part_sound}: {error}") from error
        np.savez_compressed(
            part,
            points=clip.points.astype(np.float32),
            is_found=clip.is_found,
            fps=clip.fps,
            stamp=np.array(_stamp(video)),
            mediapipe_index=blendshape_face().landmarks,
        )
        os.replace(part_sound, flac)
        os.replace(part, landmarks)
    finally:
        part.unlink(missing_ok=True)
        part_sound.unlink(missing_ok=True)
