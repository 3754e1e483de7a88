"""Let recorded speech sound as other rooms, microphones and lines would have it, during training.

In: a wave and a random generator. Out: the changed wave and by how much it was sped up, so that the labels can be
stretched alike. All linear changes (speed, tilt, microphone, band, room) are one product between one forward and one
inverse Fourier transform: about 10 ms for 3 s at 44.1 kHz. Nothing is delayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine_build.voices.nonspeech import GENERATORS, unit

Wave = NDArray[np.float32]
NOISE_S = 20.0  # length of each noise in the bank; a random stretch of it is used


@dataclass(frozen=True)
class AugmentSettings:
    """How often and how strongly speech is changed; chances in [0, 1]."""

    speed_range: float = 0.15
    gain_db: float = 20.0
    tilt_db_per_octave: float = 3.0
    microphone_db: float = 4.0  # standard deviation of the response at each knot
    chance_speed: float = 0.7
    chance_microphone: float = 0.7
    chance_band: float = 0.4
    chance_room: float = 0.4
    chance_noise: float = 0.7
    chance_codec: float = 0.1
    chance_clip: float = 0.08
    snr_db: tuple[float, float] = (0.0, 40.0)
    low_pass_hz: tuple[float, float] = (4000.0, 16000.0)


@dataclass(frozen=True)
class NoiseBank:
    """Noises to lay under speech, each [NOISE_S * rate_hz] with unit root mean square."""

    rate_hz: int
    waves: tuple[Wave, ...] = field(repr=False)


def make_noise_bank(rate_hz: int, seed: int = 0, speech: Sequence[Wave] = ()) -> NoiseBank:
    """Make the noises that are laid under speech.

    Args:
        rate_hz: sample rate of all waves.
        seed: chance.
        speech: recordings [n_samples] from which babble is mixed; none, no babble.

    Returns:
        The bank: two of each kind of non-speech, and six babbles of three to eight voices.
    """
    rng = np.random.default_rng(seed)
    n_samples = int(NOISE_S * rate_hz)
    waves = [make(n_samples, rate_hz, rng) for make in GENERATORS.values() for _ in range(2)]
    for _ in range(6 if len(speech) else 0):
        babble = np.zeros(n_samples, dtype=np.float32)
        for _ in range(int(rng.integers(3, 9))):
            talk = np.concatenate([unit(speech[int(i)]) for i in rng.integers(0, len(speech), size=8)])
            babble += np.roll(np.resize(talk, n_samples), int(rng.integers(n_samples))) * rng.uniform(0.4, 1.0)
        waves.append(unit(babble))
    return NoiseBank(rate_hz, tuple(waves))


@lru_cache(maxsize=2)
def _default_noise(rate_hz: int) -> NoiseBank:
    return make_noise_bank(rate_hz)


def augment(
    wave: Wave,
    rate_hz: int,
    rng: np.random.Generator,
    *,
    settings: AugmentSettings | None = None,
    rooms: NDArray[np.float32] | None = None,
    noise: NoiseBank | None = None,
) -> tuple[Wave, float]:
    """Change speech as rooms, microphones, lines and talkers' pace do.

    Args:
        wave: [n_samples], full scale +-1; not changed.
        rate_hz: sample rate.
        rng: source of chance; the result is a function of wave, settings, banks and its state.
        settings: how often and how strongly; None takes the defaults.
        rooms: [n_rooms, n_taps] impulse responses with the direct sound first; None leaves rooms out.
        noise: noises of the same rate; None takes a bank of non-speech that is made once per rate.

    Returns:
        The changed wave, about n_samples / speed long, within +-1, and the speed: what was at t is now at t / speed.

    Raises:
        ValueError: the noises have another sample rate.
    """
    how = settings if settings is not None else AugmentSettings()
    bank = noise if noise is not None else _default_noise(rate_hz)
    if bank.rate_hz != rate_hz:
        raise ValueError(
            f"noise of {bank.rate_hz} Hz under speech of {rate_hz} Hz: make the bank with rate_hz={rate_hz}"
        )
    if len(wave) == 0:
        return wave.copy(), 1.0
    mixed = wave
    if rng.random() < how.chance_noise:
        mixed = _add_noise(wave, bank, float(rng.uniform(*how.snr_db)), rng)
    speed = 1.0
    if rng.random() < how.chance_speed:
        speed = float(1.0 + rng.uniform(-how.speed_range, how.speed_range))
    gain_db = draw_response(how, rate_hz, rng)
    room = None
    if rooms is not None and rng.random() < how.chance_room:
        room = rooms[int(rng.integers(len(rooms)))]
    changed, speed = filter_and_resample(mixed, rate_hz, gain_db, speed, room)
    changed = _set_level(changed, wave, float(rng.uniform(-how.gain_db, how.gain_db)))
    if rng.random() < how.chance_clip:
        changed *= np.float32(rng.uniform(1.0, 1.6) / max(1e-9, float(np.abs(changed).max())))
        np.clip(changed, -1.0, 1.0, out=changed)
        changed *= np.float32(10.0 ** rng.uniform(-1.5, 0.0))
    if rng.random() < how.chance_codec:
        changed = requantise(changed, int(rng.integers(7, 13)), is_mu_law=bool(rng.random() < 0.5))
    return changed, speed


def _add_noise(wave: Wave, bank: NoiseBank, snr_db: float, rng: np.random.Generator) -> Wave:
    """Lay a random stretch of a random noise under a wave, [n_samples]."""
    source = bank.waves[int(rng.integers(len(bank.waves)))]
    level = float(np.sqrt(np.mean(wave * wave))) * 10.0 ** (-snr_db / 20.0)
    first = int(rng.integers(len(source)))
    stretch = source[first : first + len(wave)]
    if len(stretch) < len(wave):
        stretch = np.resize(np.roll(source, -first), len(wave))
    mixed: Wave = wave + np.float32(level) * stretch
    return mixed


def _set_level(changed: Wave, original: Wave, gain_db: float) -> Wave:
    """Bring a wave to the original's level plus a gain, but never beyond full scale."""
    before = float(np.sqrt(np.mean(original * original)))
    after = float(np.sqrt(np.mean(changed * changed)))
    if after <= 0.0:
        return changed
    factor = before / after * 10.0 ** (gain_db / 20.0)
    peak = float(np.abs(changed).max()) * factor
    if peak > 0.99:
        factor *= 0.99 / peak
    changed *= np.float32(factor)
    return changed


def draw_response(how: AugmentSettings, rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the response of a microphone and a line.

    Args:
        how: strengths and chances.
        rate_hz: sample rate.
        rng: source of chance.

    Returns:
        [2, n_knots]: frequencies in Hz, ascending, and gains in dB.
    """
    frequency_hz = np.geomspace(20.0, max(40.0, rate_hz / 2), 160)
    gain_db = np.zeros(160)
    if rng.random() < how.chance_microphone:
        gain_db += rng.uniform(-how.tilt_db_per_octave, how.tilt_db_per_octave) * np.log2(frequency_hz / 1000.0)
        knots = np.sort(rng.uniform(np.log(50.0), np.log(rate_hz / 2), size=7))
        gain_db += np.interp(np.log(frequency_hz), knots, rng.normal(0.0, how.microphone_db, size=7))
        edge_hz = float(np.exp(rng.uniform(np.log(30.0), np.log(250.0))))
        gain_db -= 10.0 * np.log10(1.0 + (edge_hz / frequency_hz) ** float(rng.choice([2.0, 4.0, 8.0])))
    if rng.random() < how.chance_band:
        edge_hz = float(np.exp(rng.uniform(*np.log(how.low_pass_hz))))
        gain_db -= 10.0 * np.log10(1.0 + (frequency_hz / edge_hz) ** float(rng.choice([8.0, 16.0, 40.0])))
    return np.stack([frequency_hz, np.clip(gain_db, -80.0, 30.0)]).astype(np.float32)


def filter_and_resample(
    wave: Wave, rate_hz: int, response_db: NDArray[np.float32], speed: float, room: Wave | None = None
) -> tuple[Wave, float]:
    """Apply a response, a room and a change of speed in one pass through the spectrum.

    Args:
        wave: [n_samples].
        rate_hz: sample rate.
        response_db: [2, n_knots], frequencies in Hz and gains in dB, without phase.
        speed: wanted speed, above 1 shorter and higher.
        room: [n_taps] impulse response, the direct sound first.

    Returns:
        The wave, round(n_samples / speed) long, and the exact speed (lengths of fast transforms are not dense).
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n_pad = len(room) if room is not None else int(0.02 * rate_hz)
    n_before = int(next_fast_len(len(wave) + n_pad, real=True))
    n_after = n_before
    if speed != 1.0:  # lengths with larger prime factors too: they are denser, so the speed comes out nearer
        n_after = int(next_fast_len(round(n_before / speed), real=False))
    exact = n_before / n_after
    spectrum = rfft(wave, n_before)
    if room is not None:
        spectrum *= rfft(room, n_before)
    n_kept = min(n_before, n_after) // 2 + 1
    bins_hz = np.arange(n_kept, dtype=np.float32) * np.float32(rate_hz / n_before)
    knots_hz, gain_db = response_db
    amplitude = np.interp(bins_hz, knots_hz, 10.0 ** (gain_db / 20.0)).astype(np.float32)
    kept = spectrum[:n_kept] * amplitude
    if n_after > n_before:
        kept = np.concatenate([kept, np.zeros(n_after // 2 + 1 - n_kept, dtype=kept.dtype)])
    result = irfft(kept, n_after)[: round(len(wave) / exact)] * np.float32(n_after / n_before)
    return np.ascontiguousarray(result, dtype=np.float32), exact


def requantise(wave: Wave, n_bits: int, *, is_mu_law: bool) -> Wave:
    """Round a wave to few bits, on a linear or a mu-law scale.

    Args:
        wave: [n_samples] within +-1.
        n_bits: 2 to 16.
        is_mu_law: compress by mu = 255 before rounding (ITU-T G.711).

    Returns:
        [n_samples].
    """
    steps = np.float32(2 ** (n_bits - 1) - 1)
    if not is_mu_law:
        linear: Wave = np.round(wave * steps) / steps
        return linear
    mu = np.float32(255.0)
    compressed = np.sign(wave) * np.log1p(mu * np.abs(wave)) / np.log1p(mu)
    rounded = np.round(compressed * steps) / steps
    expanded: Wave = np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(mu)) / mu
    return expanded.astype(np.float32)
