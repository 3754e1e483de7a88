"""No command is outside its limits, faster than its velocity or harder than its acceleration, whatever is asked."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigurationError
from edge.robots.motion import Motion, MotionLimits

TICK_S = 0.02
ROUNDING = 1e-9  # part of the range, for floating point


@st.composite
def limits(draw: st.DrawFn) -> MotionLimits:
    low = draw(st.floats(-2000, 2000))
    span = draw(st.floats(1e-3, 2000))
    velocity = draw(st.floats(1e-3, 50)) * span
    return MotionLimits(low, low + span, velocity, velocity * draw(st.floats(0.1, 100)))


TARGETS = st.lists(
    st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-3000, 5000)), min_size=1, max_size=50
)


def check(path: list[float], speed_before: float, allowed: MotionLimits, tick_s: float = TICK_S) -> float:
    """Assert the laws for successive commands under the same limits, and return the last velocity."""
    slack = ROUNDING * (abs(allowed.minimum) + abs(allowed.maximum) + 1) / tick_s
    for before, after in itertools.pairwise(path):
        speed = (after - before) / tick_s
        assert allowed.minimum <= after <= allowed.maximum
        assert abs(speed) <= allowed.velocity + slack
        assert abs(speed - speed_before) <= allowed.acceleration * tick_s + 2 * slack
        speed_before = speed
    return speed_before


@settings(max_examples=150, deadline=None)
@given(limits(), st.floats(-3000, 5000), TARGETS)
def test_any_targets_give_commands_within_all_limits(allowed: MotionLimits, start: float, targets: list[float]) -> None:
    motion = Motion(allowed, start, TICK_S)
    check([motion.position, *(motion.advance(target) for target in targets)], 0.0, allowed)


@settings(max_examples=100, deadline=None)
@given(limits(), st.floats(0, 1), st.floats(0, 1))
def test_a_target_that_stays_is_reached_exactly_and_without_overshoot(
    allowed: MotionLimits, start: float, end: float
) -> None:
    span = allowed.maximum - allowed.minimum
    motion = Motion(allowed, allowed.minimum + start * span, TICK_S)
    target = allowed.minimum + end * span
    side = math.copysign(1.0, target - motion.position)
    seconds = span / allowed.velocity + 4 * math.sqrt(span / allowed.acceleration) + 10 * TICK_S
    for _ in range(math.ceil(2 * seconds / TICK_S)):
        motion.advance(target)
        assert side * (motion.position - target) <= ROUNDING * (abs(target) + span + 1)
    assert motion.position == pytest.approx(target, abs=ROUNDING * (abs(target) + span + 1))


@settings(max_examples=100, deadline=None)
@given(limits(), limits(), TARGETS, TARGETS)
def test_new_limits_hold_from_the_moment_they_are_in_force_and_the_old_until_then(
    old: MotionLimits, new: MotionLimits, before: list[float], after: list[float]
) -> None:
    motion = Motion(old, 0.0, TICK_S)
    speed = check([motion.position, *(motion.advance(target) for target in before)], 0.0, old)
    try:
        motion.change(new)
    except ConfigurationError:
        assert new.minimum > old.maximum or new.maximum < old.minimum
    for target in after:
        start = motion.position
        motion.advance(target)
        speed = check([start, motion.position], speed, motion.limits)


def test_narrower_limits_are_reached_and_then_in_force() -> None:
    motion = Motion(MotionLimits(0, 100, 200, 2000), 90.0, TICK_S)
    narrow = MotionLimits(0, 50, 100, 1000)
    motion.change(narrow)
    positions = [motion.advance(90.0) for _ in range(100)]
    assert motion.limits == narrow
    assert positions[-1] == pytest.approx(50.0)


def test_not_a_number_brakes_to_a_stand() -> None:
    motion = Motion(MotionLimits(0, 1000, 500, 2500), 0.0, TICK_S)
    for _ in range(20):
        motion.advance(1000.0)
    assert motion.velocity > 300
    positions = [motion.advance(math.nan) for _ in range(20)]
    assert motion.velocity == 0
    assert positions[-1] == positions[-2]


def test_a_slow_start_is_slow() -> None:
    motion = Motion(MotionLimits(0, 1000, 5000, 100_000), 0.0, TICK_S)
    steps = [motion.advance(1000.0, 50.0) for _ in range(50)]
    assert steps[-1] == pytest.approx(50.0)


@pytest.mark.parametrize(
    "numbers", [(0, 0, 1, 1), (1, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, -1), (0, math.nan, 1, 1), (0, 1, math.inf, 1)]
)
def test_limits_that_allow_nothing_are_refused(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigurationError):
        MotionLimits(*numbers)
