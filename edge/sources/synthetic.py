"""Sound that is computed: silence, a tone, noise. For trying outputs without a microphone, and for tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from edge.contracts import Clock
from edge.errors import ConfigurationError, DeviceError
from edge.frames import AudioChunk, Float32Array
from edge.sources.pace import REALTIME, Pace

NOISE_PERIOD_SAMPLES = 1 << 18  # 6 s at 44.1 kHz, then the same again: longer than anything a network remembers
PINK_FLOOR_HZ = 20.0  # below it pink noise is flat, or a few slow waves would hold all its power
DEFAULT_RATE_HZ = 44_100

Wave = Callable[[int, Float32Array], None]


class SyntheticSource:
    """A computed wave, paced like a microphone or as fast as it is read.

    The sound depends on nothing but the sample index, so that how it is cut into chunks cannot matter.

    Args:
        kind: "silence", "tone", "noise" (white) or "pink".
        clock: The time.
        rate_hz: Samples a second.
        level_dbfs: Level, 20 log10 of the root mean square; a tone ends at amplitude 1 (-3 dB), noise is limited to
            full scale.
        tone_hz: Frequency of the tone.
        seed: Of the noise; the same seed gives the same noise.
        duration_s: Length; 0 for no end.
        pace: "realtime" or "fast".
        chunk_samples: Most samples per `read`; 0 for what suits the pace.

    Raises:
        ConfigurationError: The kind or the pace is not one, or the tone is beyond half the rate.
    """

    def __init__(
        self,
        kind: str,
        *,
        clock: Clock,
        rate_hz: int = DEFAULT_RATE_HZ,
        level_dbfs: float = -20.0,
        tone_hz: float = 220.0,
        seed: int = 1,
        duration_s: float = 0.0,
        pace: str = REALTIME,
        chunk_samples: int = 0,
    ) -> None:
        self._kind = kind
        self._rate_hz = rate_hz
        self._level_dbfs = level_dbfs
        self._wave = _wave(kind, rate_hz, 10.0 ** (level_dbfs / 20.0), tone_hz, seed)
        self._detail = f" {tone_hz:g} Hz" if kind == "tone" else ""
        self._end_index = round(duration_s * rate_hz) if duration_s > 0 else None
        self._pace = Pace(clock, pace)
        self._samples = np.zeros(chunk_samples or self._pace.chunk_samples, np.float32)
        self._next_index = 0
        self._n_opened = 0
        self._is_open = False

    @property
    def rate_hz(self) -> int:
        """Return the rate of the samples."""
        return self._rate_hz

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard."""
        level = "" if self._kind == "silence" else f", {self._level_dbfs:g} dBFS"
        return f"synthetic {self._kind}{self._detail}{level}, {self._rate_hz} Hz"

    def open(self) -> None:
        """Begin, or go on where the sound was closed."""
        self._is_open = True
        self._n_opened += 1
        self._pace.start(self._rate_hz, self._next_index)

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None when it is not to be heard yet.

        Args:
            timeout_s: Longest wait.

        Returns:
            A chunk whose samples are overwritten by the next call.

        Raises:
            DeviceError: The source is closed.
        """
        if not self._is_open:
            raise DeviceError(f"synthetic {self._kind}", "the source is closed", "Open it again")
        start_index, n_samples = self._next_index, len(self._samples)
        if self._end_index is not None:
            n_samples = max(0, min(n_samples, self._end_index - start_index))
        end_time_s = self._pace.wait(start_index + n_samples, timeout_s)
        if end_time_s is None:
            return None
        samples = self._samples[:n_samples]
        self._wave(start_index, samples)
        self._next_index = start_index + n_samples
        return AudioChunk(samples, start_index, end_time_s, self._next_index == self._end_index)

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (always 0) and reopened."""
        return {"lost_samples": 0, "reopened": max(0, self._n_opened - 1)}

    def warnings(self) -> list[str]:
        """Return nothing: a computed sound is what it should be."""
        return []

    def close(self) -> None:
        """Stop; may be called twice."""
        self._is_open = False


def _wave(kind: str, rate_hz: int, rms: float, tone_hz: float, seed: int) -> Wave:
    if kind == "silence":
        return lambda start, out: out.fill(0.0)
    if kind == "tone":
        if not 0 < tone_hz < rate_hz / 2:
            raise ConfigurationError(
                f"a tone of {tone_hz:g} Hz", f"the rate is {rate_hz} Hz", f"Give a frequency below {rate_hz / 2:g} Hz"
            )
        return _tone(tone_hz / rate_hz, min(1.0, rms * math.sqrt(2.0)))
    if kind in ("noise", "pink"):
        return _repeated(_noise(kind == "pink", rate_hz, rms, seed))
    raise ConfigurationError(f"synthetic sound {kind!r}", "no such sound", "Give silence, tone, noise or pink")


def _tone(cycles_per_sample: float, amplitude: float) -> Wave:
    def write(start: int, out: Float32Array) -> None:
        # Of the index alone, reduced to one cycle before it is a sine: after a day it is still right to 1e-8 cycles.
        phase = np.fmod((start + np.arange(len(out))) * cycles_per_sample, 1.0)
        np.multiply(np.sin(2.0 * np.pi * phase), amplitude, out=out, casting="unsafe")

    return write


def _noise(is_pink: bool, rate_hz: int, rms: float, seed: int) -> Float32Array:
    """Return one period of noise of the given root mean square, float32 [NOISE_PERIOD_SAMPLES]."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(NOISE_PERIOD_SAMPLES))
    spectrum[0] = 0.0
    if is_pink:
        hz = np.fft.rfftfreq(NOISE_PERIOD_SAMPLES, 1.0 / rate_hz)
        spectrum /= np.sqrt(np.maximum(hz, PINK_FLOOR_HZ))
    noise = np.fft.irfft(spectrum, NOISE_PERIOD_SAMPLES)
    noise *= rms / np.sqrt(np.mean(np.square(noise)))
    return np.clip(noise, -1.0, 1.0).astype(np.float32)


def _repeated(period: Float32Array) -> Wave:
    def write(start: int, out: Float32Array) -> None:
        position = start % len(period)
        n_first = min(len(out), len(period) - position)
        out[:n_first] = period[position : position + n_first]
        out[n_first:] = period[: len(out) - n_first]

    return write
