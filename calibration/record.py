"""Record representative speech from the microphone that the face will listen to.

One WAV file a call, named by its time. Speak as people will speak to the device: near and far, several voices. A
minute is enough; the sound is written as the microphone gave it, without any processing.

    python -m calibration record --out recordings/ --seconds 60 --device "USB PnP"
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.speech import MIN_PEAK
from edge.contracts import AudioSource
from edge.errors import DeviceError, InputError
from edge.frames import Float32Array

_READ_TIMEOUT_S = 0.5
_MAX_SILENT_READS = 20  # ten seconds without a sample: the microphone is gone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write into; made where it is missing")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--device", default="", help="microphone, as in audio.device (default: the system's)")


def run(args: argparse.Namespace) -> int:
    """Record as the command line says."""
    from edge.app import find_manifest, make_source, protocol_options
    from edge.clock import SystemClock
    from edge.configuration import load_settings

    settings = load_settings(protocol_options())
    audio = replace(settings.audio, source="microphone", device=args.device or settings.audio.device)
    source = make_source(replace(settings, audio=audio), find_manifest(settings.model.path), SystemClock())
    path = args.out / time.strftime("speech-%Y%m%d-%H%M%S.wav")
    print(f"recording {args.seconds:g} s; speak now", file=sys.stderr)
    peak = record(source, args.seconds, path)
    print(f"{path}: written, peak {20 * np.log10(max(peak, 1e-10)):.0f} dBFS", file=sys.stderr)
    return 0


def record(source: AudioSource, seconds: float, path: Path) -> float:
    """Write what a source hears.

    Args:
        source: A closed source; it is opened and closed here.
        seconds: How much sound; less where the source ends before.
        path: WAV file to write, 16 bits.

    Returns:
        The largest magnitude.

    Raises:
        DeviceError: No sound comes.
        InputError: It is silent, or the file cannot be written.
    """
    import soundfile

    parts: list[Float32Array] = []
    source.open()
    try:
        rate_hz, n_missing, n_silent_reads = source.rate_hz, round(seconds * source.rate_hz), 0
        while n_missing > 0:
            chunk = source.read(_READ_TIMEOUT_S)
            n_silent_reads = n_silent_reads + 1 if chunk is None else 0
            if n_silent_reads >= _MAX_SILENT_READS:
                raise DeviceError(f"recording from {source.description}", "no sound comes", "`au-edge devices`")
            if chunk is not None:
                parts.append(chunk.samples[:n_missing].copy())
                n_missing -= len(chunk.samples)
                n_missing = 0 if chunk.is_last else n_missing
        description = source.description
    finally:
        source.close()
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < MIN_PEAK:
        raise InputError(f"recording from {description}", "it is silent", "Unmute the microphone (`alsamixer`)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(str(path), samples, rate_hz, subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as err:
        raise InputError(f"writing {path}", str(err), "Choose a folder that can be written to") from err
    return peak
