"""Hear a session as the program does: the silence gate and the measures of a voice, frame by frame.

What arrives is not always a studio: each session is heard plain and once more through a room, a narrow band or noise,
so that no weight rests on what these take away.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.config.settings import SilenceSettings
from edge.frames import AUFrame, Float32Array
from edge.machine.whole_file import unwritable, whole_file
from edge.postprocess.effort import Effort
from edge.postprocess.effort_weights import N_MEASURES, EffortWeights
from edge.postprocess.silence import SilenceGate
from edge.postprocess.voice import Voicing
from edge.postprocess.voice_measures import VoiceMeasures
from engine_build.effort.sessions import Session

RATE_HZ = 44_100  # of the shipped networks
FRAME_RATE = 30
CONDITIONS = ("plain", "room", "band", "noise")
BAND_HZ = 3600.0  # a telephone
NOISE_DB = -15.0  # against the voice
ROOM_T60_S, ROOM_GAIN = 0.5, 0.08
VERSION = 1  # of what a cached file holds

Array = NDArray[np.float64]


def heard(session: Session, condition: str, cache: Path | None = None) -> Array:
    """Return float64 [n_frames, 7], the measures of each frame; nan where no voice is heard.

    Args:
        session: At RATE_HZ.
        condition: One of CONDITIONS.
        cache: Folder in which what was heard is kept; None keeps nothing.

    Raises:
        InputError: It cannot be written.
    """
    if cache is None:
        return _hear(changed(session.samples, condition))
    digest = hashlib.sha256(session.samples.tobytes() + f"{condition} {VERSION}".encode()).hexdigest()[:16]
    path = cache / f"{session.speaker}-{condition}-{digest}.npy"
    if path.exists():
        stored: Array = np.load(path, allow_pickle=False)
        return stored
    measures = _hear(changed(session.samples, condition))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with whole_file(path, "wb") as file:  # the next fit would read half of one
            np.save(file, measures)
    except OSError as err:
        raise unwritable(path, err, "--cache") from err
    return measures


def changed(samples: Float32Array, condition: str) -> Float32Array:
    """Return a session as it arrives from elsewhere; the same every time.

    Args:
        samples: float32 [n] at RATE_HZ.
        condition: One of CONDITIONS.
    """
    from scipy.signal import butter, fftconvolve, sosfilt

    random = np.random.default_rng(len(samples))
    if condition == "room":
        times = np.arange(round(ROOM_T60_S * RATE_HZ)) / RATE_HZ
        response = ROOM_GAIN * random.standard_normal(len(times)) * np.exp(-6.9 * times / ROOM_T60_S)
        response *= np.sqrt(16_000 / RATE_HZ)  # as much power at every rate
        response[0] = 1.0
        return np.asarray(fftconvolve(samples, response)[: len(samples)], np.float32)
    if condition == "band":
        return np.asarray(sosfilt(butter(6, BAND_HZ, fs=RATE_HZ, output="sos"), samples), np.float32)
    if condition == "noise":
        rms = float(np.sqrt(np.mean(np.square(samples[np.abs(samples) > 1e-3]))))
        noise = random.standard_normal(len(samples), np.float32)
        return np.asarray(samples + np.float32(rms * 10.0 ** (NOISE_DB / 20.0)) * noise, np.float32)
    return samples


def _hear(samples: Float32Array) -> Array:
    period_s = 1.0 / FRAME_RATE
    voicing = Voicing(RATE_HZ)
    gate = SilenceGate(SilenceSettings(), period_s, RATE_HZ, 0.0, voicing)
    voice = VoiceMeasures(voicing, RATE_HZ, period_s)
    frame = AUFrame.neutral(1)
    n = len(samples) * FRAME_RATE // RATE_HZ
    found = np.full((n, N_MEASURES), np.nan)
    step = RATE_HZ // FRAME_RATE
    for i in range(n):
        newest = samples[i * step : (i + 1) * step]
        gate.listen(frame, newest)
        measures = voice.hear(frame, newest)
        if measures is not None:
            found[i] = measures
    return found


def followed(measures: Array, weights: EffortWeights) -> tuple[Array, Array]:
    """Return what effort makes of a session.

    Args:
        measures: As `heard` returns them.
        weights: What each counts for.

    Returns:
        float64 [n_frames, 7], deviations from the speaker's averages over the window; float64 [n_frames, 5], drives.
    """
    effort = Effort(weights, 1.0 / FRAME_RATE)
    now, drives = np.empty_like(measures), np.empty((len(measures), len(effort.drives)))
    is_voiced = ~np.isnan(measures[:, 0])
    for i, row in enumerate(measures):
        if is_voiced[i]:
            effort.hear(row)
        else:
            effort.pause()
        now[i], drives[i] = effort.now, effort.drives
    return now, drives
