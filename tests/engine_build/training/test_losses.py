"""Laws of single terms of the loss."""

from __future__ import annotations

import numpy as np
import pytest

from tests.requirements import need_module

torch = need_module("torch")

from engine_build.training.losses import SPREAD_FRAMES, SPREAD_KEPT, too_still  # noqa: E402


def movements(n_frames: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Return movements [2, n_frames, 3] that differ in size, and counts of the same shape."""
    rng = np.random.default_rng(2)
    made = rng.normal(0.0, (0.5, 1.0, 2.0), (2, n_frames, 3)) + 4.0
    return torch.from_numpy(made.astype(np.float32)), torch.ones(2, n_frames, 3)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0, 1.5])
def test_what_moves_less_costs_the_square_of_what_is_missing(share: float) -> None:
    """NumPy's standard deviation is the oracle; where it moves, about which mean, and how much too far cost nothing."""
    wanted, counts = movements()
    told = (wanted - 4.0).roll(5, dims=1) * share - 7.0
    value, weight = too_still(told, wanted, counts)
    std = wanted.numpy().std(axis=1)
    missing = np.maximum(SPREAD_KEPT * std - np.float32(share) * std, 0.0)
    assert float(value / weight) == pytest.approx(np.square(missing).mean(), rel=0.05, abs=1e-4)


def test_what_does_not_count_changes_nothing() -> None:
    wanted, counts = movements()
    counts[:, 30:] = 0.0
    told = wanted * 0.5
    value, _ = too_still(told, wanted, counts)
    told[:, 30:], wanted[:, 30:] = 100.0, -50.0
    assert float(too_still(told, wanted, counts)[0]) == pytest.approx(float(value))
    counts[:, SPREAD_FRAMES - 1 :] = 0.0  # too few to tell
    assert [float(x) for x in too_still(told, wanted, counts)] == [0.0, 0.0]


def test_a_still_face_is_told_which_way_to_go() -> None:
    """No slope would be left at the mean itself; a hair beside it there is one, and no gradient is ever undefined."""
    wanted, counts = movements()
    for start in (torch.zeros_like(wanted), wanted * 0.01):
        told = start.clone().requires_grad_()
        too_still(told, wanted, counts)[0].backward()
        assert told.grad is not None
        assert torch.isfinite(told.grad).all()
    assert told.grad.abs().max() > 0
    assert float((told.grad * (wanted - 4.0)).sum()) < 0  # along the wanted movement the cost falls
