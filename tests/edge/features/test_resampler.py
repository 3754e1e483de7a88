"""The streaming resampler against the maths of sampling and against itself."""

from __future__ import annotations

import numpy as np
import pytest

from edge.contracts import Resampler as ResamplerContract
from edge.errors import ConfigurationError
from edge.features.resampler import Resampler

PAIRS = [
    (48000, 44100), (44100, 16000), (48000, 16000), (8000, 44100), (16000, 44100), (11025, 44100), (192000, 44100),
    (96000, 44100), (44100, 48000), (44101, 44100), (191999, 16000), (22050, 44100),
]  # fmt: skip


def resample(sound: np.ndarray, pair: tuple[int, int], chunks: list[int]) -> np.ndarray:
    resampler = Resampler(*pair)
    parts, at, turn, expected = [], 0, 0, 0
    while at < len(sound):
        size = chunks[turn % len(chunks)]
        part, start = resampler.process(sound[at : at + size], at)
        assert start == expected
        parts.append(part.copy())
        expected += len(part)
        at += size
        turn += 1
    part, start = resampler.finish()
    assert start == expected
    return np.concatenate([*parts, part])


def tone(rate_hz: int, frequency_hz: float, n: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(n) / rate_hz + 0.3).astype(np.float32)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("frequency_hz", [50.0, 1000.0, 2800.0])
def test_a_tone_keeps_its_phase_on_the_axis(pair: tuple[int, int], frequency_hz: float) -> None:
    source, output = pair
    found = resample(tone(source, frequency_hz, source // 2), pair, [source // 100])
    expected = tone(output, frequency_hz, len(found))
    inner = slice(output // 100, -output // 100)
    assert np.abs(found[inner] - expected[inner]).max() < 4e-3  # the ripple of a 60 dB filter


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_number_of_samples_is_exact(pair: tuple[int, int]) -> None:
    for n in (1, 999, 12345):
        assert len(resample(np.zeros(n, np.float32), pair, [500])) == -(-n * pair[1] // pair[0])


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_output_does_not_depend_on_the_chunks(pair: tuple[int, int]) -> None:
    sound = np.random.default_rng(5).standard_normal(40_000).astype(np.float32)
    whole = resample(sound, pair, [40_000])
    for chunks in ([441], [1000, 1, 0, 37, 5000]):
        # Only the order of float32 sums may differ.
        np.testing.assert_allclose(resample(sound, pair, chunks), whole, atol=3e-6)


@pytest.mark.parametrize("pair", [(48000, 16000), (192000, 44100), (96000, 16000), (44100, 8000), (191999, 16000)])
def test_what_cannot_be_represented_is_attenuated_by_55_db(pair: tuple[int, int]) -> None:
    source, output = pair
    for frequency_hz in np.linspace(output / 2 + 400, source / 2 - 100, 7):
        found = resample(tone(source, frequency_hz, source // 4), pair, [source // 100])
        inner = found[output // 50 : -output // 50]
        assert 20 * np.log10(np.sqrt(2 * np.mean(inner**2)) + 1e-12) < -55


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_the_delay_is_as_stated_and_below_2_ms(pair: tuple[int, int]) -> None:
    resampler = Resampler(*pair)
    assert resampler.delay_s < 0.002
    n_in = 5000
    out, start = resampler.process(np.zeros(n_in, np.float32), 0)
    newest = resampler.source_position(start + len(out) - 1)
    missing = resampler.source_position(start + len(out))
    assert int(newest) + resampler.delay_samples <= n_in - 1
    assert int(missing) + resampler.delay_samples > n_in - 1


def test_equal_rates_hand_the_sound_through() -> None:
    sound = np.ones(10, np.float32)
    resampler = Resampler(44100, 44100)
    out, start = resampler.process(sound, 70)
    assert out is sound
    assert start == 70
    assert resampler.delay_samples == 0
    assert isinstance(resampler, ResamplerContract)
    assert len(resampler.finish()[0]) == 0


def test_a_gap_jumps_on_the_output_axis_and_starts_from_silence() -> None:
    resampler = Resampler(48000, 44100)
    resampler.process(np.ones(4800, np.float32), 0)
    out, start = resampler.process(np.ones(4800, np.float32), 9600)
    assert start == 8820
    fresh, fresh_start = Resampler(48000, 44100).process(np.ones(4800, np.float32), 9600)
    assert fresh_start == start
    np.testing.assert_array_equal(out, fresh)


def test_sound_that_comes_again_is_refused() -> None:
    resampler = Resampler(48000, 44100)
    resampler.process(np.ones(10, np.float32), 0)
    with pytest.raises(ValueError, match="comes again"):
        resampler.process(np.ones(10, np.float32), 5)


@pytest.mark.parametrize("pair", [(4000, 44100), (44100, 7999), (384000, 44100)])
def test_rates_outside_are_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="outside 8000 to 192000"):
        Resampler(*pair)


def test_an_hour_later_the_position_is_still_exact() -> None:
    resampler = Resampler(48000, 44100)
    start_index = 48000 * 3600 * 1000 + 160 * 7
    out, start = resampler.process(tone(48000, 1000, 4800), start_index)
    assert start * 48000 == start_index * 44100
    np.testing.assert_allclose(out[400:-400], tone(44100, 1000, len(out))[400:-400], atol=4e-3)
