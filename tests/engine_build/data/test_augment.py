"""What is done to log-mel columns in training has the size it says, and leaves alone what it should."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from engine_build.data.augment import (
    FLOOR,
    MOST_SOFTER_DB,
    UNIT_DB,
    AugmentSpec,
    add_levels,
    augment,
    softer,
    warp_bands,
)

BAND_HZ = np.linspace(100.0, 7500.0, 80).astype(np.float32)
COLUMNS_HZ = 90.0
NOTHING = AugmentSpec(
    warp=0.0, tilt_db=0.0, ripple_db=0.0, gain_db=0.0, band_limit=0.0, noise=0.0, babble=0.0, echo=0.0, mask_bands=0,
    mask_columns=0, clean=0.0,
)  # fmt: skip


@pytest.fixture
def levels() -> Any:
    return np.random.default_rng(1).uniform(-1.0, 0.0, (40, 80, 60)).astype(np.float32)


def changed(levels: Any, spec: AugmentSpec, seed: int = 2) -> Any:
    return augment(levels.copy(), spec, np.random.default_rng(seed), BAND_HZ, COLUMNS_HZ)


def test_everything_off_changes_nothing(levels: Any) -> None:
    np.testing.assert_allclose(changed(levels, NOTHING), levels, atol=1e-6)


def test_clean_sequences_keep_all_but_their_level(levels: Any) -> None:
    out = changed(levels, dataclasses.replace(AugmentSpec(), clean=0.5)) - levels
    same = np.ptp(out.reshape(len(out), -1), axis=1) < 1e-5
    assert 8 < same.sum() < 32  # half of 40
    gains_db = out[same, 0, 0] * UNIT_DB
    assert np.abs(gains_db).max() <= AugmentSpec().gain_db
    assert np.ptp(gains_db) > 5.0


def test_all_clean_and_none(levels: Any) -> None:
    spread = np.ptp((changed(levels, AugmentSpec(clean=1.0)) - levels).reshape(40, -1), axis=1)
    assert spread.max() < 1e-5
    spread = np.ptp((changed(levels, AugmentSpec(clean=0.0)) - levels).reshape(40, -1), axis=1)
    assert spread.min() > 0.05


def test_the_same_seed_draws_the_same_change(levels: Any) -> None:
    np.testing.assert_array_equal(changed(levels, AugmentSpec()), changed(levels, AugmentSpec()))
    assert (changed(levels, AugmentSpec()) != changed(levels, AugmentSpec(), seed=3)).any()


def test_nothing_falls_below_the_floor(levels: Any) -> None:
    assert changed(levels - 5.0, AugmentSpec()).min() >= FLOOR - 1e-5


def test_a_softer_sequence_is_softer_by_one_number_each_down_to_the_floor(levels: Any) -> None:
    levels[:, :, 0] = FLOOR + 0.01
    heard = softer(levels, np.random.default_rng(3))
    assert heard.min() >= FLOOR
    drops_db = (levels - heard)[:, 0, 1:] * UNIT_DB
    np.testing.assert_allclose(drops_db, np.repeat(drops_db[:, :1], drops_db.shape[1], axis=1), atol=1e-3)
    assert 0.0 <= drops_db.min() < 3.0
    assert MOST_SOFTER_DB - 3.0 < drops_db.max() <= MOST_SOFTER_DB


def test_two_sounds_together_have_the_sum_of_their_powers() -> None:
    one, other = np.float32([-20.0, -40.0, 0.0]), np.float32([-20.0, -10.0, -80.0])
    wanted = 10.0 * np.log10(10.0 ** (one / 10.0) + 10.0 ** (other / 10.0))
    np.testing.assert_allclose(add_levels(one / UNIT_DB, other / UNIT_DB) * UNIT_DB, wanted, atol=1e-3)


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_a_warp_moves_a_resonance(factor: float) -> None:
    centre_hz = 1500.0
    peak = np.exp(-(((BAND_HZ - centre_hz) / 300.0) ** 2)).astype(np.float32)
    warped = warp_bands(np.tile(peak[None, :, None], (1, 1, 4)), np.float32([factor]), BAND_HZ)
    found_hz = BAND_HZ[warped[0, :, 0].argmax()]
    assert found_hz == pytest.approx(centre_hz * factor, abs=100.0)
