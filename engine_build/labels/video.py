"""Read a video: its pictures with their times, and its sound, on one time axis.

In: a file that FFmpeg reads (through PyAV). Out: pictures one by one with the second at which each is shown, counted
from the start of the sound; the sound as mono samples. Times come from the container's time stamps, so a variable frame
rate and a late start are no matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigurationError, InputError

REMEDY_PYAV = "Install it: pip install av"


@dataclass(frozen=True)
class Picture:
    """One picture of a video.

    Attributes:
        rgb: uint8 [height, width, 3].
        time_s: When it is shown, from the start of the sound; negative where the sound starts later.
    """

    rgb: NDArray[np.uint8]
    time_s: float


@dataclass(frozen=True)
class Sound:
    """The sound of a video.

    Attributes:
        samples: float32 [n], mono, full scale 1.0.
        rate_hz: Samples per second.
        start_s: The container's time of the first sample.
    """

    samples: NDArray[np.float32]
    rate_hz: int
    start_s: float


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ConfigurationError("to decode videos", "the library PyAV is not installed", REMEDY_PYAV) from error
    return av


def _reason(error: Exception) -> str:
    """Return what is wrong without the last line of FFmpeg's log: PyAV adds it or not, as other decoders let it."""
    return str(getattr(error, "strerror", None) or error)


def _opened(path: Path) -> Any:
    av = _av()
    if not path.is_file():
        raise InputError(f"video {path}", "there is no such file", "Check the path")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"video {path}", f"it cannot be read ({_reason(error)})", "Convert it, e.g. ffmpeg -i IN out.mp4"
        ) from error


def read_sound(path: Path) -> Sound:
    """Decode the sound.

    Raises:
        InputError: The file cannot be read or has no sound.
    """
    av = _av()
    with _opened(path) as container:
        if not container.streams.audio:
            raise InputError(f"sound of {path}", "the video has none", "Give a recording with its sound")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono")
        pieces: list[NDArray[np.float32]] = []
        start_s: float | None = None
        try:
            for frame in container.decode(stream):
                if start_s is None:
                    start_s = float(frame.time or 0.0)
                pieces += [piece.to_ndarray().ravel() for piece in resampler.resample(frame)]
            pieces += [piece.to_ndarray().ravel() for piece in resampler.resample(None)]
        except av.FFmpegError as error:
            raise InputError(
                f"sound of {path}", f"it is damaged ({_reason(error)})", "Convert the video again"
            ) from error
        if not pieces:
            raise InputError(f"sound of {path}", "the sound track is empty", "Give a recording with its sound")
        return Sound(np.concatenate(pieces).astype(np.float32), int(stream.rate), start_s or 0.0)


def pictures(path: Path, start_s: float) -> Iterator[Picture]:
    """Decode the pictures in the order of time.

    Args:
        path: The video.
        start_s: The container's time that counts as 0.

    Raises:
        InputError: The file cannot be read, has no pictures, or a picture has no time stamp.
    """
    av = _av()
    with _opened(path) as container:
        if not container.streams.video:
            raise InputError(f"pictures of {path}", "the file has none", "Give a video")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        try:
            for frame in container.decode(stream):
                if frame.time is None:
                    raise InputError(f"pictures of {path}", "one has no time stamp", "Convert it to .mp4 or .mkv")
                yield Picture(frame.to_ndarray(format="rgb24"), float(frame.time) - start_s)
        except av.FFmpegError as error:
            raise InputError(
                f"pictures of {path}", f"they are damaged ({_reason(error)})", "Convert the video again"
            ) from error
