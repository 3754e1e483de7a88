"""Fit a sum of measures that puts utterances of one speaker in order: pairs, weights of known sign, drawn to a prior.

Only pairs of one speaker are compared, since what is heard is relative to the speaker; a pair counts by how far the sum
puts it right, so that the axis is one of more and less, and not of two heaps. Physics gives the signs: a raised voice
is higher, louder and brighter in every language.

Source: Joachims, "Optimizing search engines using clickthrough data", KDD 2002, with the logistic loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError

Array = NDArray[np.float64]


def pairs(ranks: Array, speakers: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which utterances are above which: indices of the upper and of the lower.

    Args:
        ranks: [n], higher is more; nan is not compared.
        speakers: [n], whose.
    """
    names = np.array(speakers)
    upper, lower = np.nonzero((ranks[:, None] > ranks[None, :]) & (names[:, None] == names[None, :]))
    return upper, lower


def fit_order(
    measures: Array, ranks: Array, speakers: Sequence[str], signs: Sequence[int], prior: Array, strength: float
) -> Array:
    """Return weights, one a measure.

    Args:
        measures: [n, n_measures], comparable in scale.
        ranks: [n], higher is more.
        speakers: [n], whose; every speaker counts alike.
        signs: Of each weight: 1 (not below 0), -1 (not above 0), or 0: the weight is 0.
        prior: [n_measures], where weights are drawn to: what physics says before a corpus is heard.
        strength: Of that, against one mean over all pairs.

    Raises:
        InputError: No speaker has two utterances of different rank.
    """
    from scipy.optimize import minimize

    upper, lower = pairs(ranks, speakers)
    if not len(upper):
        raise InputError("order of utterances", "no speaker has two that differ", "Give recordings of both kinds")
    differences = measures[upper] - measures[lower]
    names = np.array(speakers)[upper]
    counts = {name: int((names == name).sum()) for name in set(names.tolist())}
    share = np.array([1.0 / (len(counts) * counts[name]) for name in names.tolist()])

    def loss(weights: Array) -> tuple[float, Array]:
        margin = differences @ weights
        wrong = 0.5 * (1.0 - np.tanh(0.5 * margin))  # logistic of -margin
        apart = weights - prior
        value = float(share @ np.logaddexp(0.0, -margin) + strength * apart @ apart)
        return value, -(share * wrong) @ differences + 2.0 * strength * apart

    bounds = [(0.0, None) if sign > 0 else (None, 0.0) if sign < 0 else (0.0, 0.0) for sign in signs]
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: Array = found.x
    return weights


def ordered_share(values: Array, ranks: Array, speakers: Sequence[str]) -> float:
    """Return in which share of a speaker's pairs the higher rank has the higher value; ties count half (an AUC)."""
    upper, lower = pairs(ranks, speakers)
    if not len(upper):
        return float("nan")
    return float(np.mean((values[upper] > values[lower]) + 0.5 * (values[upper] == values[lower])))
