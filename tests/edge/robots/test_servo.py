"""By hand, one actuator moves, slowly, while a key is held, and never beyond its limits."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import pytest

from edge.errors import ConfigurationError
from edge.robots.actuator_map import Actuator
from edge.robots.motion import MotionLimits
from edge.robots.servo import HOLD_S, HandControl, calibration_limits, jog, sweep
from tests.edge.outputs.faces import FakeClock
from tests.edge.robots.robot_parts import JAW_LIMITS, TICK_S, BreakableDriver, jaw_and_brow
from tests.edge.robots.test_motion import check


def control_of(driver: BreakableDriver, limits: MotionLimits | None = None) -> HandControl:
    made_for: list[Actuator] = []

    def make(actuator: Actuator) -> BreakableDriver:
        made_for.append(actuator)
        return driver

    control = HandControl(jaw_and_brow(), "jaw", make, FakeClock(), limits)
    assert [actuator.name for actuator in made_for] == ["jaw"]
    return control


def keys(presses: Sequence[str]) -> Callable[[], str]:
    remaining = iter([*presses, "q"])
    return lambda: next(remaining)


def test_nothing_moves_without_a_key() -> None:
    driver = BreakableDriver()
    jog(control_of(driver), keys([""] * 100), io.StringIO())
    assert driver.commands == []
    assert driver.n_released == 1


def test_a_servo_that_is_off_jumps_at_the_first_key_only_and_that_is_said_before() -> None:
    driver, screen = BreakableDriver(), io.StringIO()
    driver.device_positions = [math.nan]
    jog(control_of(driver), keys(["", "", "+", ""]), screen)
    assert driver.commands[0][0] == pytest.approx(1120, abs=150 * TICK_S)
    assert len(driver.commands) == 2
    assert "not known" in screen.getvalue()


@pytest.mark.parametrize("action", [jog, sweep])
def test_a_servo_that_stands_outside_its_limits_is_led_in_slowly_and_by_a_key_only(
    action: Callable[..., object],
) -> None:
    driver = BreakableDriver()
    driver.device_positions = [2300.0]
    action(control_of(driver), keys(["", *(["0", " "] * 100)]), io.StringIO())
    path = [command[0] for command in driver.commands]
    assert path[0] == pytest.approx(2300, abs=150 * TICK_S)
    check([2300.0, *path], 0.0, MotionLimits(1000, 2300, 150, 40_000))
    assert path[-1] < 2000.1


def test_a_press_moves_slowly_and_only_for_a_moment() -> None:
    driver = BreakableDriver()
    jog(control_of(driver), keys(["+", *[""] * 100]), io.StringIO())
    path = [command[0] for command in driver.commands]
    assert path[-1] == path[-50]
    assert 0 < path[-1] - 1120 <= 150 * (HOLD_S + 2 * TICK_S)
    check([1120.0, *path], 0.0, MotionLimits(1000, 2000, 150, 40_000))


def test_a_key_that_is_held_goes_to_the_limit_and_no_further() -> None:
    driver = BreakableDriver()
    jog(control_of(driver), keys(["+"] * 400), io.StringIO())
    assert driver.commands[-1][0] == pytest.approx(JAW_LIMITS.maximum)
    assert max(command[0] for command in driver.commands) <= JAW_LIMITS.maximum


def test_it_begins_where_the_servo_is() -> None:
    driver = BreakableDriver()
    driver.device_positions = [1800.0]
    jog(control_of(driver), keys(["+", ""]), io.StringIO())
    assert driver.commands[0] == pytest.approx([1800.0], abs=150 * TICK_S)


def test_noted_positions_are_lines_for_the_map() -> None:
    driver, screen = BreakableDriver(), io.StringIO()
    found = jog(control_of(driver), keys(["n", *"+" * 50, *[""] * 30, "c", *"+" * 50, *[""] * 30, "x"]), screen)
    assert found is not None
    assert found.minimum == pytest.approx(1120)
    assert found.minimum < found.neutral < found.maximum
    assert f"[actuator.jaw]\nminimum = {found.minimum:g}\nmaximum = {found.maximum:g}\n" in screen.getvalue()


def test_positions_that_make_no_sense_are_not_noted() -> None:
    screen = io.StringIO()
    assert jog(control_of(BreakableDriver()), keys(["n", "x", "c"]), screen) is None
    assert "nothing is written" in screen.getvalue()


def test_a_sweep_goes_from_end_to_end_while_the_space_bar_is_held() -> None:
    driver = BreakableDriver()
    n_reached = sweep(control_of(driver), keys([" "] * 1100), io.StringIO())
    path = [command[0] for command in driver.commands]
    assert n_reached >= 2
    assert (min(path), max(path)) == (pytest.approx(1000), pytest.approx(2000))


def test_a_device_that_goes_in_the_middle_is_released() -> None:
    driver = BreakableDriver()

    def press() -> str:
        if len(driver.commands) > 5:
            driver.failure = OSError("gone")
        return "+"

    with pytest.raises(OSError, match="gone"):
        jog(control_of(driver), press, io.StringIO())
    assert driver.n_closed == 1


def test_limits_for_finding_limits_are_the_devices_own() -> None:
    limits = calibration_limits(jaw_and_brow().actuators[0], 500, 2500)
    driver = BreakableDriver()
    jog(control_of(driver, limits), keys(["-"] * 500), io.StringIO())
    assert driver.commands[-1][0] == pytest.approx(500.0)


def test_an_unknown_actuator_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'brow'"):
        HandControl(jaw_and_brow(), "brows", lambda actuator: BreakableDriver(), FakeClock())
