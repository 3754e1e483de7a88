"""Make the pictures of the README from the shipped recording: `python -m tests.benchmarks.readme_pictures`.

docs/images/face.webp is the face of the display head while it speaks the first sentences, drawn by the page itself in
Chromium; the block of text in README.md is what the terminal shows at one moment of them. Needs chromium, ffmpeg and
Pillow.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from edge.app import choose_backend, find_manifest, protocol_options
from edge.commands.render import render_file
from edge.config.reading import load_settings
from edge.config.settings import Settings
from edge.exit_status import exit_status
from edge.frames import Float32Array, State
from edge.head.video import Film, render_video
from edge.manifest import Manifest
from edge.watch.screen import Shown, Style, compose

RECORDING = Path("edge/demo/speech.flac")
SPAN_S = (0.4, 5.2)  # two sentences, from rest to rest
PICTURES_A_SECOND = 15
MOMENT_S = 1.0  # of the span: the moment that the terminal shows
TERMINAL = (72, 20)  # columns, rows
SIZE = (360, 360)
MAX_BYTES = 1_500_000
QUALITY = 60


def main() -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.readme_pictures")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--terminal-only", action="store_true", help="leave the film as it is")
    parser.add_argument("--quality", choices=("high", "low"), default="high", help="low where no GPU draws")
    arguments = parser.parse_args()
    folder = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    settings = load_settings(protocol_options(), None, ["life.enabled=yes"])
    manifest = find_manifest(settings.model.path)
    session = choose_backend(settings, manifest).backend.open(manifest)
    try:
        table = render_file(RECORDING, settings, manifest, session)
    finally:
        session.close()
    times_s = np.arange(SPAN_S[0], SPAN_S[1], 1.0 / PICTURES_A_SECOND)
    values = np.stack([np.interp(times_s, table.times_s, column) for column in table.values.T], axis=1)
    write_terminal(Path("README.md"), values[round(MOMENT_S * PICTURES_A_SECOND)], manifest)
    if not arguments.terminal_only:
        write_film(folder / "face.webp", values.astype(np.float32), settings, manifest, arguments.quality)
    return 0


def write_terminal(path: Path, values: Float32Array, manifest: Manifest) -> None:
    """Write what the terminal shows at one moment, without its colours, into the first block of text of the README.

    Args:
        path: The README.
        values: float32 [n_channels + 3].
        manifest: Names the channels.
    """
    channels = list(manifest.channels)
    known = dict(zip(channels, values.tolist(), strict=False))
    sound, rate_hz = soundfile.read(RECORDING, start=0, dtype="float32")
    end = round((SPAN_S[0] + MOMENT_S) * rate_hz)
    level_dbfs = 10 * np.log10(np.mean(sound[end - round(rate_hz / float(manifest.frame_rate)) : end] ** 2))
    facts = (f"{float(manifest.frame_rate):.1f} frames/s", f"level {level_dbfs:.0f} dBFS")
    shown = Shown(known, values[len(channels) :].tolist(), State.LIVE, "au-edge run", facts)
    lines = compose(shown, *TERMINAL, Style(is_unicode=True, is_coloured=False))
    block = "```text\n" + "".join(line.rstrip(" \u2800") + "\n" for line in lines) + "```"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"```text\n.*?```", lambda _: block, text, count=1, flags=re.DOTALL), encoding="utf-8")


def write_film(path: Path, values: Float32Array, settings: Settings, manifest: Manifest, quality: str) -> None:
    """Write the moving picture.

    Args:
        path: The .webp.
        values: float32 [n_pictures, n_channels + 3], as a `FrameTable` has them.
        settings: For the face.
        manifest: Names the channels.
        quality: high or low, see `edge.head.video.Film`.
    """
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="au-edge-readme-") as name:
        film = Path(name) / "face.mp4"
        render_video(
            manifest.channels, values, PICTURES_A_SECOND, RECORDING, film, settings=settings.head,
            film=Film(size=SIZE, quality=quality), on_frame=lambda n: print(f"{n} of {len(values)}", file=sys.stderr),
        )  # fmt: skip
        command = ["ffmpeg", "-loglevel", "error", "-i", str(film), "-an", "-f", "image2pipe", "-c:v", "png", "-"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
    mark = b"\x89PNG\r\n"
    pictures = [Image.open(io.BytesIO(mark + part)).convert("RGB") for part in raw.split(mark)[1:]][: len(values)]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=round(1000 / PICTURES_A_SECOND), loop=0,
        quality=QUALITY, method=6,
    )  # fmt: skip
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{path} has {size} bytes, more than {MAX_BYTES}: lower QUALITY or SIZE")
    print(f"{path}: {len(pictures)} pictures, {size} bytes")


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.readme_pictures", main))
