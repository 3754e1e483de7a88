"""The page tells how old a sound is by the server's clock, though its questions and answers may be held up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.edge.head.page_module import run_module

SCRIPT = """
const told = given.map((exchanges) => {
  const clock = new module.ServerClock();
  return exchanges.map(([trip, server, now]) => { clock.learn(trip, server, now); return clock.skewS; });
});
console.log(JSON.stringify(told));
"""
Exchange = tuple[float, float, float]


def skews(runs: list[list[Exchange]]) -> list[list[float]]:
    told: list[Any] = run_module("clock", SCRIPT, runs)
    return told


def exchanges(skew_s: float, seed: int, longest_s: float = 0.2) -> list[Exchange]:
    """Return trips whose ways there and back differ as they like, in the page's milliseconds."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(30):
        there, back = rng.uniform(0.0, longest_s, 2)
        asked = 1e9 + 2.0 * k
        made.append((float(there + back), asked + there + skew_s, float(np.floor((asked + there + back) * 1e3) / 1e3)))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_page_does_not_invent_a_second_clock(seed: int) -> None:
    """Half of a trip held up on the way back looked like a clock that stands behind: faces came before their sound."""
    assert set(skews([exchanges(0.0, seed)])[0]) == {0.0}


@pytest.mark.parametrize("skew_s", [-3600.0, -0.5, 0.5, 7.25])
def test_another_clock_is_known_to_half_of_the_shortest_trip(skew_s: float) -> None:
    made = exchanges(skew_s, 4)
    told = np.array(skews([made])[0])
    assert np.abs(told - skew_s).max() <= max(trip for trip, _, _ in made) / 2 + 0.001
    assert abs(told[-1] - skew_s) <= min(trip for trip, _, _ in made) * 1.1**30 / 2
    shortest = skews([exchanges(skew_s, 4, longest_s=0.004)])[0]
    assert abs(shortest[-1] - skew_s) < 0.003
