"""Record representative speech from the microphone that the face will listen to.

One WAV file a call, named by its time. Speak as people will speak to the device: near and far, several voices. A
minute is enough; the sound is written as the microphone gave it, without any processing.

    python -m calibration record --out recordings/ --seconds 60 --device "USB PnP"
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.command_line import positive
from calibration.speech import MIN_PEAK
from edge.contracts import AudioSource
from edge.errors import DeviceError, InputError
from edge.frames import Float32Array
from edge.machine.whole_file import unwritable, write_whole

_READ_TIMEOUT_S = 0.5
_MAX_SILENT_READS = 20  # ten seconds without a sample: the microphone is gone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write into; made where it is missing")
    parser.add_argument("--seconds", type=positive, default=60.0, help="how long (default: 60)")
    parser.add_argument("--device", default="", help="microphone, as in audio.device (default: the system's)")


def run(args: argparse.Namespace) -> int:
    """Record as the command line says."""
    from edge.app import find_manifest, make_source, protocol_options
    from edge.config.reading import load_settings
    from edge.machine.clock import SystemClock

    settings = load_settings(protocol_options())
    audio = replace(settings.audio, source="microphone", device=args.device or settings.audio.device)
    source = make_source(replace(settings, audio=audio), find_manifest(settings.model.path), SystemClock())
    path = args.out / time.strftime("speech-%Y%m%d-%H%M%S.wav")
    print(f"recording {args.seconds:g} s; speak now", file=sys.stderr)
    peak, n_lost = record(source, args.seconds, path)
    print(f"{path}: written, peak {20 * np.log10(max(peak, 1e-10)):.0f} dBFS", file=sys.stderr)
    if n_lost:
        print(f"{n_lost} samples were lost on the way (the machine was busy) and are silence in it", file=sys.stderr)
    return 0


def record(source: AudioSource, seconds: float, path: Path) -> tuple[float, int]:
    """Write what a source hears.

    Args:
        source: A closed source; it is opened and closed here.
        seconds: How much sound; less where the source ends before.
        path: WAV file to write, 16 bits.

    Returns:
        The largest magnitude, and how many samples were lost: they are silence in the file.

    Raises:
        DeviceError: No sound comes.
        InputError: It is silent, or the file cannot be written.
    """
    import soundfile

    parts: list[Float32Array] = []
    source.open()
    try:
        rate_hz, n_missing, n_silent_reads = source.rate_hz, round(seconds * source.rate_hz), 0
        end_index, n_lost = -1, 0
        while n_missing > 0:
            chunk = source.read(_READ_TIMEOUT_S)
            n_silent_reads = n_silent_reads + 1 if chunk is None else 0
            if n_silent_reads >= _MAX_SILENT_READS:
                raise DeviceError(f"recording from {source.description}", "no sound comes", "`au-edge devices`")
            if chunk is not None:
                n_gap = min(max(chunk.start_index - end_index, 0), n_missing) if end_index >= 0 else 0
                parts += [np.zeros(n_gap, np.float32), chunk.samples[: n_missing - n_gap].copy()]
                n_missing -= n_gap + len(chunk.samples)
                n_lost, end_index = n_lost + n_gap, chunk.end_index
                n_missing = 0 if chunk.is_last else n_missing
        description = source.description
    finally:
        source.close()
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < MIN_PEAK:
        raise InputError(f"recording from {description}", "it is silent", "Unmute the microphone (`alsamixer`)")
    content = io.BytesIO()  # libsndfile does not pass on why it could not write to a file
    soundfile.write(content, samples, rate_hz, subtype="PCM_16", format="WAV")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise unwritable(path.parent, err, "--out") from err
    write_whole(path, content.getvalue(), "--out")
    return peak, n_lost
