"""Follow the face through one video and bring its landmarks to a constant frame rate.

In: a video and a finder of faces. Out: the landmarks at multiples of 1 / fps from the start of the sound, which of
them show a face, and the sound. A video without a face, with two or without sound is an error that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from engine_build.labels.face_finder import FaceFinder
from engine_build.labels.fit import LandmarkClip
from engine_build.labels.video import Sound, pictures, read_sound

Float64 = NDArray[np.float64]

LOOK_FOR_TWO_EVERY = 10  # pictures
TWO_FACES_SHARE = 0.2  # of the pictures looked at; MediaPipe sees a face in a curtain now and then
LEAST_FOUND_SHARE = 0.5
LONGEST_GAP_S = 0.25  # between found pictures: over more, what lies between is not known


@dataclass(frozen=True)
class Track:
    """A face over time, as the pictures came.

    Attributes:
        times_s: float64 [n_pictures], rising.
        points: float64 [n_pictures, n_landmarks, 3], pixels; zeros where no face was found.
        is_found: bool [n_pictures].
    """

    times_s: Float64
    points: Float64
    is_found: NDArray[np.bool_]


def follow_face(path: Path, start_s: float, finder: FaceFinder, n_landmarks: int) -> Track:
    """Find the face in every picture.

    Raises:
        InputError: No face, a face in less than half of the pictures, or two faces.
    """
    times: list[float] = []
    found: list[Float64 | None] = []
    looked = doubled = 0
    for picture in pictures(path, start_s):
        if times and picture.time_s <= times[-1]:
            continue  # a picture shown at the time of the one before adds nothing
        if len(times) % LOOK_FOR_TWO_EVERY == 0:
            looked += 1
            doubled += finder.count(picture.rgb) > 1
        times.append(picture.time_s)
        found.append(finder.find(picture.rgb, picture.time_s))
    asked = f"one face in {path}"
    n_found = sum(points is not None for points in found)
    if not n_found:
        raise InputError(
            asked, f"none in {len(times)} pictures", "Give a video of a speaking face, seen from the front"
        )
    if doubled >= max(2, TWO_FACES_SHARE * looked):
        raise InputError(asked, f"two in {doubled} of {looked} pictures", "Crop the video to the speaker's face")
    if n_found < LEAST_FOUND_SHARE * len(times):
        share = 100 * n_found / len(times)
        raise InputError(asked, f"a face in only {share:.0f} % of the pictures", "Cut the parts without it")
    points = np.zeros((len(times), n_landmarks, 3))
    for row, landmarks in enumerate(found):
        if landmarks is not None:
            points[row] = landmarks
    return Track(np.array(times), points, np.array([landmarks is not None for landmarks in found]))


def frame_rate(times_s: Float64) -> float:
    """Return the frame rate that most pictures keep, rounded to a thousandth."""
    return round(1.0 / float(np.median(np.diff(times_s))), 3) if len(times_s) > 1 else 25.0


def at_constant_rate(name: str, track: Track, fps: float, duration_s: float) -> LandmarkClip:
    """Interpolate the landmarks at 0, 1 / fps, 2 / fps, ... seconds of the sound.

    Args:
        name: What the clip is to be called.
        track: The face as the pictures came.
        fps: Frames per second.
        duration_s: Length of the sound.
    """
    grid = np.arange(max(1, int(duration_s * fps))) / fps
    times = track.times_s[track.is_found]
    flat = track.points[track.is_found].reshape(len(times), -1)
    after = np.clip(np.searchsorted(times, grid), 0, len(times) - 1)
    before = np.clip(np.searchsorted(times, grid, side="right") - 1, 0, len(times) - 1)
    span = times[after] - times[before]
    share = np.where(span > 0, (grid - times[before]) / np.where(span > 0, span, 1.0), 0.0)[:, None]
    points = flat[before] * (1 - share) + flat[after] * share
    away = np.minimum(np.abs(grid - times[before]), np.abs(grid - times[after]))
    is_known = (span <= LONGEST_GAP_S) & (away <= LONGEST_GAP_S / 2)
    return LandmarkClip(name, points.reshape(len(grid), -1, 3), is_known, fps)


def track_video(path: Path, finder: FaceFinder, n_landmarks: int, fps: float | None) -> tuple[LandmarkClip, Sound]:
    """Follow the face of a video; return its landmarks at a constant rate, and its sound.

    Args:
        path: The video.
        finder: What finds faces; new for each video.
        n_landmarks: How many points it finds.
        fps: Frames per second wanted; None: the video's own.

    Raises:
        InputError: The video has no sound, no face or two, or cannot be read.
    """
    sound = read_sound(path)
    track = follow_face(path, sound.start_s, finder, n_landmarks)
    rate = fps or frame_rate(track.times_s)
    return at_constant_rate(path.stem, track, rate, len(sound.samples) / sound.rate_hz), sound
