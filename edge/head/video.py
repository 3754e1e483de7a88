"""Film the face speaking a recording: pictures from a headless Chromium, joined with the sound by ffmpeg.

In: frames by time and the sound file. Out: an MP4 (H.264, AAC) that any player shows.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from edge.config.settings import HeadSettings
from edge.errors import BackendError, ConfigurationError, DeviceError, InputError
from edge.frames import Float32Array
from edge.head.chromium import Chromium, Page, find_browser
from edge.head.running import start_head_thread
from edge.outputs.received import ReceivedFrame

LOAD_TIMEOUT_S = 90.0
PICTURE_TIMEOUT_S = 60.0
_DATA_URL = "data:image/jpeg;base64,"


@dataclass(frozen=True)
class Film:
    """How the video looks.

    Attributes:
        size: Width and height, pixels, both even.
        background: A CSS colour.
        camera: face, bust, left or right.
        quality: high (shadows, reflections) or low (several times as fast without a GPU).
        has_gpu: Whether Chromium may draw on the GPU.
    """

    size: tuple[int, int] = (720, 720)
    background: str = "#20252c"
    camera: str = "face"
    quality: str = "high"
    has_gpu: bool = False


def missing_tools() -> list[str]:
    """Return what a video needs and is not installed, each with the remedy."""
    missing = []
    if find_browser() is None:
        missing.append("chromium (`sudo apt-get install chromium`)")
    if shutil.which("ffmpeg") is None:
        missing.append("ffmpeg (`sudo apt-get install ffmpeg`)")
    try:
        import websockets.sync.client  # noqa: F401
    except ImportError:
        missing.append('websockets (`pip install "au-edge[head]"`)')
    return missing


def render_video(
    channels: Sequence[str],
    values: Float32Array,
    frame_rate: float,
    audio_path: Path,
    out_path: Path,
    *,
    settings: HeadSettings,
    film: Film | None = None,
    on_frame: Callable[[int], None] | None = None,
) -> None:
    """Write the video.

    Args:
        channels: Names of the activations.
        values: float32 [n_frames, n_channels + 3]: activations, then pitch, yaw, roll in degrees; frame i is shown from
            i / frame_rate on.
        frame_rate: Frames a second.
        audio_path: The sound, as ffmpeg reads it.
        out_path: The .mp4 to write; replaced only when it is complete.
        settings: For the face; its addresses are not used.
        film: See `Film`.
        on_frame: Called with the number of frames done.

    Raises:
        ConfigurationError: A tool is missing; says which and how to get it.
        InputError: There is nothing to film.
        BackendError: The browser or ffmpeg failed.
    """
    film = film or Film()
    missing = missing_tools()
    if missing:
        raise ConfigurationError(f"the video {out_path}", "missing: " + ", ".join(missing), "Install it and try again")
    if len(values) == 0:
        raise InputError(f"the video {out_path}", "the recording has no frame", "Give a longer recording")
    local = replace(settings, host="127.0.0.1", port=0, frames_host="127.0.0.1", frames_port=0)
    query = urlencode({"render": "", "background": film.background, "camera": film.camera, "quality": film.quality})
    partial = out_path.with_name(f".{out_path.name}.partial.mp4")
    server = start_head_thread(local, lambda: _refuse)
    try:
        with Chromium(film.size, software_gl=not film.has_gpu) as browser:
            page = browser.page(f"{server.address}?{query}")
            page.wait_for("!!window.auEdgePicture", LOAD_TIMEOUT_S)
            _encode(_pictures(page, channels, values, on_frame), frame_rate, audio_path, partial)
            page.close()
        partial.replace(out_path)
    finally:
        server.close()
        partial.unlink(missing_ok=True)


def _refuse(datagram: bytes) -> ReceivedFrame | None:
    """Return nothing: the page of a video is not fed by datagrams."""
    return None


def _pictures(
    page: Page, channels: Sequence[str], values: Float32Array, on_frame: Callable[[int], None] | None
) -> Iterator[bytes]:
    """Return JPEG pictures, one per frame."""
    page.run(f"window.auEdgeNames = {json.dumps(list(channels))}; 0")
    n_channels = len(channels)
    for number, row in enumerate(values.tolist()):
        call = f"auEdgePicture(auEdgeNames, {json.dumps(row[:n_channels])}, {json.dumps(row[n_channels:])})"
        picture = page.run(call, PICTURE_TIMEOUT_S)
        if not isinstance(picture, str) or not picture.startswith(_DATA_URL):
            raise BackendError(f"picture {number} of the video", "the browser drew none", "Try `quality = low`")
        yield base64.b64decode(picture[len(_DATA_URL) :])
        if on_frame is not None:
            on_frame(number + 1)


def _encode(pictures: Iterator[bytes], frame_rate: float, audio_path: Path, out_path: Path) -> None:
    command = [
        "ffmpeg", "-hide_banner", "-loglevel", "error", "-y",
        "-f", "image2pipe", "-c:v", "mjpeg", "-framerate", f"{frame_rate:.6f}", "-i", "pipe:0",
        "-i", f"file:{audio_path.absolute()}", "-map", "0:v:0", "-map", "1:a:0",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p",
        "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", f"file:{out_path.absolute()}",
    ]  # fmt: skip
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as err:
        raise DeviceError("ffmpeg", str(err), "Install ffmpeg") from err
    with process:
        feed, complaints = process.stdin, process.stderr
        if feed is None or complaints is None:  # cannot be: both were asked for
            raise BackendError("ffmpeg", "it has no pipes", "Try again")
        try:
            for picture in pictures:
                feed.write(picture)
            feed.close()
        except BrokenPipeError:
            pass  # ffmpeg has ended; what it said follows
        except BaseException:
            process.kill()
            raise
        said = complaints.read().decode(errors="replace").strip()
    if process.returncode != 0:
        raise BackendError(f"ffmpeg writing {out_path}", said or f"exit {process.returncode}", "Look at what it says")
