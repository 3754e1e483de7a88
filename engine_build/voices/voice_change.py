"""Change the voice of a recording without moving anything in time.

In: mono speech. Out: the same words at the same instants from another larynx and another vocal tract, so labels that
were measured on the recording hold for the result to the frame. Rests on the WORLD vocoder (Morise, Yokomori, Ozawa,
IEICE Trans. 2016): pitch, spectral envelope and aperiodicity are changed separately and the speech is synthesised anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_PERIOD_MS = 5.0  # WORLD's usual step; the lips move an order of magnitude slower
F0_FLOOR_HZ, F0_CEIL_HZ = 60.0, 500.0
SYNTHESIS_F0_RANGE_HZ = (55.0, 620.0)  # no larynx speaks outside it
WARP_KNOTS_HZ = (600.0, 1700.0, 2800.0)  # usual places of the first three formants of an adult


@dataclass(frozen=True)
class VoiceChange:
    """What is done to a voice; the defaults change nothing."""

    f0_scale: float = 1.0  # multiplies the pitch
    f0_range: float = 1.0  # multiplies the excursions of the pitch about its mean, in log pitch
    tract_scale: float = 1.0  # multiplies every resonance: above 1 a shorter vocal tract
    formant_jitter: tuple[float, float, float] = (1.0, 1.0, 1.0)  # further factors at the first three formants
    tilt_db_per_octave: float = 0.0  # about 1 kHz
    sharpness: float = 1.0  # exponent of the envelope's detail: above 1 narrower resonances
    breathiness: float = 0.0  # 0 as recorded .. 1 whispered


@dataclass(frozen=True)
class VoiceKind:
    """The range from which one family of voices is drawn."""

    name: str
    f0_scale: tuple[float, float]
    tract_scale: tuple[float, float]
    breathiness: tuple[float, float] = (0.0, 0.25)


# For a man's recording (mean pitch 100 to 130 Hz). Pitch and tract are drawn together, as bodies have them.
KINDS_FROM_MALE: tuple[VoiceKind, ...] = (
    VoiceKind("bass", (0.72, 0.92), (0.82, 0.97)),
    VoiceKind("tenor", (1.05, 1.45), (0.92, 1.10)),
    VoiceKind("alto", (1.40, 1.75), (1.04, 1.18)),
    VoiceKind("mezzo", (1.60, 2.00), (1.08, 1.22)),
    VoiceKind("soprano", (1.80, 2.25), (1.12, 1.28)),
    VoiceKind("child", (2.00, 2.60), (1.20, 1.38)),
    VoiceKind("any", (0.75, 2.25), (0.80, 1.30)),
    VoiceKind("hoarse", (0.75, 1.80), (0.88, 1.20), (0.35, 0.9)),
)


@dataclass(frozen=True)
class VoiceAnalysis:
    """A recording taken apart.

    Attributes: f0_hz [n_columns] (0 where unvoiced), envelope and aperiodicity [n_columns, n_bins], rate_hz, n_samples,
    rms (full scale 1).
    """

    f0_hz: NDArray[np.float64]
    envelope: NDArray[np.float64]
    aperiodicity: NDArray[np.float64]
    rate_hz: int
    n_samples: int
    rms: float


def _world() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package imports pkg_resources, which warns of its own end
        import pyworld
    return pyworld


def draw_voice_change(kind: VoiceKind, rng: np.random.Generator) -> VoiceChange:
    """Draw one voice of a kind.

    Args:
        kind: the family of voices.
        rng: source of chance.

    Returns:
        The drawn change.
    """
    jitter = rng.uniform(0.93, 1.07, size=3)
    return VoiceChange(
        f0_scale=float(np.exp(rng.uniform(*np.log(kind.f0_scale)))),
        f0_range=float(rng.uniform(0.5, 1.7)),
        tract_scale=float(np.exp(rng.uniform(*np.log(kind.tract_scale)))),
        formant_jitter=(float(jitter[0]), float(jitter[1]), float(jitter[2])),
        tilt_db_per_octave=float(rng.uniform(-3.0, 3.0)),
        sharpness=float(rng.uniform(0.85, 1.2)),
        breathiness=float(rng.uniform(*kind.breathiness)),
    )


def analyse(wave: NDArray[np.float32], rate_hz: int) -> VoiceAnalysis:
    """Take a recording apart into pitch, envelope and aperiodicity.

    Args:
        wave: [n_samples], full scale +-1.
        rate_hz: its sample rate, 16000 or more.

    Returns:
        The parts, owned by the caller.

    Source: dio + stonemask for the pitch (a fifth of harvest's time), cheaptrick and d4c for the rest.
    """
    world = _world()
    samples = np.ascontiguousarray(wave, dtype=np.float64)
    coarse, times = world.dio(samples, rate_hz, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=FRAME_PERIOD_MS)
    f0 = world.stonemask(samples, coarse, times, rate_hz)
    envelope = world.cheaptrick(samples, f0, times, rate_hz)
    aperiodicity = world.d4c(samples, f0, times, rate_hz)
    rms = float(np.sqrt(np.mean(samples**2)))
    return VoiceAnalysis(f0, envelope, aperiodicity, rate_hz, len(samples), rms)


def warp_frequency(
    power: NDArray[np.float64], rate_hz: int, tract_scale: float, formant_jitter: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Move the resonances of a spectral envelope.

    Args:
        power: [n_columns, n_bins], bins from 0 to half the sample rate.
        rate_hz: sample rate of the recording.
        tract_scale: factor on every frequency.
        formant_jitter: further factors at the first three formants.

    Returns:
        [n_columns, n_bins]; beyond the highest known frequency the last value holds.
    """
    n_bins = power.shape[1]
    nyquist_hz = rate_hz / 2
    source = np.array([0.0, *WARP_KNOTS_HZ, nyquist_hz])
    target = source * tract_scale * np.array([1.0, *formant_jitter, 1.0])
    target = np.maximum.accumulate(target + np.arange(len(target)) * 1e-6)
    wanted_hz = np.linspace(0.0, nyquist_hz, n_bins)
    position = np.interp(wanted_hz, target, source) / nyquist_hz * (n_bins - 1)
    low = np.clip(np.floor(position).astype(np.int64), 0, n_bins - 2)
    share = np.clip(position - low, 0.0, 1.0)
    mixed: NDArray[np.float64] = power[:, low] * (1.0 - share) + power[:, low + 1] * share
    return mixed


def _sharpen(log_power: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    """Scale the detail of a log envelope about its own slow course over frequency, [n_columns, n_bins]."""
    from scipy.ndimage import uniform_filter1d

    slow = uniform_filter1d(log_power, size=max(3, log_power.shape[1] // 12), axis=1, mode="nearest")
    result: NDArray[np.float64] = slow + (log_power - slow) * sharpness
    return result


def resynthesise(parts: VoiceAnalysis, change: VoiceChange) -> NDArray[np.float32]:
    """Speak the analysed recording with a changed voice.

    Args:
        parts: result of `analyse`.
        change: what to change.

    Returns:
        [n_samples] float32, as long as the recording, at the recording's level, peak at most 0.99.
    """
    world = _world()
    voiced = parts.f0_hz > 0
    f0 = parts.f0_hz.copy()
    if voiced.any():
        log_f0 = np.log(f0[voiced])
        centre = log_f0.mean()
        moved = np.exp(centre + (log_f0 - centre) * change.f0_range) * change.f0_scale
        f0[voiced] = np.clip(moved, *SYNTHESIS_F0_RANGE_HZ)
    envelope = warp_frequency(parts.envelope, parts.rate_hz, change.tract_scale, change.formant_jitter)
    aperiodicity = warp_frequency(parts.aperiodicity, parts.rate_hz, change.tract_scale, (1.0, 1.0, 1.0))
    log_power = np.log(envelope + 1e-16)
    if change.sharpness != 1.0:
        log_power = _sharpen(log_power, change.sharpness)
    octave = np.log2(np.maximum(np.linspace(0, parts.rate_hz / 2, envelope.shape[1]), 60.0) / 1000.0)
    log_power += (change.tilt_db_per_octave * np.log(10.0) / 10.0) * octave
    aperiodicity = np.clip(aperiodicity + (1.0 - aperiodicity) * change.breathiness, 0.0, 1.0)
    wave = world.synthesize(
        f0,
        np.ascontiguousarray(np.exp(log_power)),
        np.ascontiguousarray(aperiodicity),
        parts.rate_hz,
        frame_period=FRAME_PERIOD_MS,
    )
    result = np.zeros(parts.n_samples, dtype=np.float64)
    n_shared = min(parts.n_samples, len(wave))
    result[:n_shared] = wave[:n_shared]
    result *= parts.rms / max(1e-9, float(np.sqrt(np.mean(result**2))))
    peak = float(np.abs(result).max(initial=0.0))
    if peak > 0.99:
        result *= 0.99 / peak
    return result.astype(np.float32)


def describe(change: VoiceChange) -> dict[str, Any]:
    """Return the parameters of a change as plain values for JSON."""
    return asdict(change)
