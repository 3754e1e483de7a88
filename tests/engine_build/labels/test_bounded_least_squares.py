"""The solver against SciPy's, one frame at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from engine_build.labels.bounded_least_squares import solve_bounded


def problem(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    design = random.normal(size=(30, 8))
    design[:, 1] = design[:, 0] + 0.3 * design[:, 1]  # correlated columns, as neighbouring shapes are
    return design, random.uniform(-0.5, 1.5, (20, 8)) @ design.T + random.normal(0, 0.3, (20, 30))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agrees_with_scipys_bounded_least_squares(seed: int) -> None:
    design, rows = problem(seed)
    ridge = np.full(8, 0.7)
    ours = solve_bounded(design.T @ design, rows @ design, ridge, np.zeros(8))
    stacked = np.vstack([design, np.diag(np.sqrt(ridge))])
    for frame, row in enumerate(rows):
        theirs = lsq_linear(stacked, np.concatenate([row, np.zeros(8)]), bounds=(0, 1), tol=1e-12).x
        np.testing.assert_allclose(ours[frame], theirs, atol=5e-3)  # ten times the solver's own stopping step


def test_the_pull_to_zero_agrees_with_a_general_minimiser() -> None:
    design, rows = problem(3)
    sparsity = np.full(8, 4.0)
    ours = solve_bounded(design.T @ design, rows @ design, np.zeros(8), sparsity)
    for frame, row in enumerate(rows[:5]):
        theirs = minimize(
            lambda x, row=row: 0.5 * np.sum((design @ x - row) ** 2) + sparsity @ x,
            np.full(8, 0.5),
            jac=lambda x, row=row: design.T @ (design @ x - row) + sparsity,
            bounds=[(0, 1)] * 8,
            options={"ftol": 1e-14, "gtol": 1e-10, "maxiter": 1000},
        ).x
        np.testing.assert_allclose(ours[frame], theirs, atol=5e-3)


def test_what_nothing_informs_stays_zero() -> None:
    design, rows = problem(4)
    design[:, 5] = 0
    assert (solve_bounded(design.T @ design, rows @ design, np.ones(8), np.ones(8))[:, 5] == 0).all()


def test_no_frames_give_no_frames() -> None:
    assert solve_bounded(np.eye(3), np.zeros((0, 3)), np.ones(3), np.ones(3)).shape == (0, 3)
