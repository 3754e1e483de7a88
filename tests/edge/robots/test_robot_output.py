"""A robot keeps its limits across random faces, lost input, restart, reload and a device that vanishes."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.contracts import FrameOutput
from edge.errors import ConfigurationError, DeviceError
from edge.frames import AUFrame, State
from edge.machine.clock import SystemClock
from edge.robots.controller import Controller
from edge.robots.driver import Driver
from edge.robots.motion import MotionLimits
from edge.robots.robot_output import RobotOutput
from tests.edge.outputs.faces import FakeClock
from tests.edge.robots.robot_parts import BROW_LIMITS, CHANNELS, JAW_LIMITS, TICK_S, BreakableDriver, jaw_and_brow
from tests.edge.robots.test_motion import check
from tests.pace import Pace


def face(jaw_open: float = 0.0, brow: float = 0.0, yaw: float = 0.0, state: State = State.LIVE) -> AUFrame:
    frame = AUFrame.neutral(2)
    frame.activations[:] = (jaw_open, brow)
    frame.head_deg[1] = yaw
    frame.state = state
    return frame


def check_all(commands: list[list[float]], start: tuple[float, ...] = (1120.0, 1500.0)) -> None:
    """Assert the limits for all commands of a robot that stood at a start; from outside it only ever comes nearer."""
    for index, allowed in enumerate((JAW_LIMITS, BROW_LIMITS)):
        path = [start[index], *(command[index] for command in commands)]
        outside = [max(allowed.minimum - position, position - allowed.maximum, 0.0) for position in path]
        assert all(after <= before + 1e-6 for before, after in itertools.pairwise(outside))
        found = dataclasses.replace(
            allowed, minimum=min(allowed.minimum, start[index]), maximum=max(allowed.maximum, start[index])
        )
        check(path, 0.0, found, TICK_S)


def robot_with(driver: BreakableDriver, clock: FakeClock) -> RobotOutput:
    return RobotOutput("head", jaw_and_brow(), CHANNELS, driver, clock)


def play(robot: RobotOutput, clock: FakeClock, n_ticks: int, frame: AUFrame | None) -> None:
    for _ in range(n_ticks):
        if frame is not None:
            robot.send(frame)
        robot.tick()
        clock.now_s += TICK_S


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("face"),
            st.floats(width=32),
            st.floats(width=32),
            st.floats(width=32),
            st.sampled_from(list(State)),
            st.integers(1, 8),
        ),
        st.tuples(st.just("nothing"), st.integers(1, 30)),
        st.tuples(st.just("begin again")),
        st.tuples(st.just("stop"), st.booleans()),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.tuples(st.floats(500, 2500), st.floats(500, 2500)))
def test_whatever_happens_every_command_keeps_every_limit(events: list[tuple], start: tuple[float, float]) -> None:  # type: ignore[type-arg]
    controller = Controller(jaw_and_brow(), CHANNELS)
    controller.begin(start)
    now_s = 0.0
    commands: list[list[float]] = []
    for event in events:
        n_ticks = 3
        if event[0] == "face":
            _, jaw_open, brow, yaw, state, n_ticks = event
            controller.take(face(jaw_open, brow, yaw, state), now_s)
        elif event[0] == "nothing":
            n_ticks = event[1]
        elif event[0] == "begin again":  # the device was gone and is back: it stands where it was told to be
            check_all(commands, start)
            start = tuple(commands[-1]) if commands else start
            controller.begin(start)
            commands = []
        else:
            controller.is_stopping = event[1]
        for _ in range(n_ticks):
            commands.append(controller.advance(now_s))
            now_s += TICK_S
    check_all(commands, start)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=10), st.floats(1001, 1900), st.floats(0.1, 1))
def test_limits_that_change_while_it_runs_are_kept_from_then_on(
    jaw_opens: list[float], maximum: float, part: float
) -> None:
    controller = Controller(jaw_and_brow(), CHANNELS)
    narrow = MotionLimits(1000.0, max(maximum, 1150.0), part * 2000, 40_000.0)
    commands = []
    faces = [jaw_open for jaw_open in jaw_opens * 4 for _ in range(20)]
    for index, jaw_open in enumerate(faces):
        if index == len(faces) // 4:
            controller.change(jaw_and_brow(jaw=narrow))
        controller.take(face(jaw_open), index * TICK_S)
        commands.append(controller.advance(index * TICK_S))
    check_all(commands)
    assert all(command[0] <= narrow.maximum for command in commands[-len(jaw_opens) :])


def test_it_is_what_the_loop_expects_and_the_driver_is_a_driver() -> None:
    assert isinstance(robot_with(BreakableDriver(), FakeClock()), FrameOutput)
    assert isinstance(BreakableDriver(), Driver)


def test_a_restart_goes_on_from_where_the_device_is_and_slowly() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    driver.device_positions = [1700.0, 1300.0]
    robot = robot_with(driver, clock)
    play(robot, clock, 10, face(jaw_open=1.0))
    assert driver.commands[0] == pytest.approx([1700.0, 1300.0], abs=150 * TICK_S)
    assert driver.commands[-1][0] - 1700 == pytest.approx(10 * 150 * TICK_S, rel=0.01)
    check_all(driver.commands, (1700.0, 1300.0))


def test_a_device_that_cannot_say_where_it_is_begins_in_the_safe_pose() -> None:
    driver, clock = BreakableDriver(is_readable=False), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 1, None)
    assert driver.commands == [[1120.0, 1500.0]]


def test_a_face_is_followed_at_full_speed_after_the_slow_start() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 50, face())
    play(robot, clock, 30, face(jaw_open=1.0))
    jaw = [command[0] for command in driver.commands]
    assert jaw[-1] == pytest.approx(2000.0)
    assert max(np.diff(jaw)) == pytest.approx(2000 * TICK_S)
    check_all(driver.commands)


def test_lost_input_leads_to_the_safe_pose_and_a_face_back_again() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 50, face())
    play(robot, clock, 100, face(jaw_open=1.0, yaw=20))
    held = driver.commands[-1]
    play(robot, clock, 12, None)
    assert driver.commands[-1] == held, "it holds for a moment"
    play(robot, clock, 100, None)
    assert driver.commands[-1] == [1120.0, 1500.0]
    play(robot, clock, 100, face(jaw_open=1.0))
    assert driver.commands[-1][0] == pytest.approx(2000.0)
    check_all(driver.commands)
    assert robot.counters()["lost_input"] > 90


@pytest.mark.parametrize(("state", "position"), [(State.SILENCE, 1120.0), (State.LIVE, 2000.0)])
def test_silence_is_the_safe_pose_where_that_is_asked_for(state: State, position: float) -> None:
    controller = Controller(jaw_and_brow(safe_in_silence=True), CHANNELS)
    for index in range(400):
        controller.take(face(jaw_open=1.0, state=state), index * TICK_S)
        command = controller.advance(index * TICK_S)
    assert command[0] == pytest.approx(position)


def test_a_dead_band_keeps_a_servo_from_humming() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 100, face(brow=0.5))
    before = driver.commands[-1][1]
    for index in range(50):
        play(robot, clock, 1, face(brow=0.5 + 0.002 * (-1) ** index))
    assert {command[1] for command in driver.commands[-50:]} == {before}


def test_a_device_that_vanishes_is_said_once_and_goes_on_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    with caplog.at_level(logging.INFO):
        play(robot, clock, 50, face(jaw_open=0.5))
        driver.failure = OSError("the port is gone")
        play(robot, clock, 1500, face(jaw_open=0.5))
        assert len(caplog.records) == 1
        driver.failure = None
        play(robot, clock, 600, face(jaw_open=0.5))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert robot.counters()["reopened"] == 1
    assert driver.commands[-1][0] == pytest.approx(1550.0)


@pytest.mark.parametrize("call", ["open", "read_positions", "write"])
def test_a_driver_that_breaks_in_an_unheard_of_way_is_said_once_and_the_thread_lives(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 5, face())
    broken = True
    real = getattr(driver, call)

    def breaking(*arguments: object) -> object:
        if broken:
            raise IndexError("list index out of range")
        return real(*arguments)

    setattr(driver, call, breaking)
    driver.failure = OSError("gone")
    play(robot, clock, 1, face())
    driver.failure = None
    play(robot, clock, 300, face())
    broken = False
    play(robot, clock, 600, face(jaw_open=0.5))
    assert driver.commands[-1][0] == pytest.approx(1550.0)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


@pytest.mark.parametrize(
    ("failure", "is_tried_again"),
    [(DeviceError("a", "b", "c"), True), (ConfigurationError("a", "b", "c"), False)],
    ids=["device", "configuration"],
)
def test_a_device_that_cannot_be_had_now_is_tried_again(failure: Exception, is_tried_again: bool) -> None:
    driver, clock = BreakableDriver(), FakeClock()
    driver.failure = failure
    robot = robot_with(driver, clock)
    play(robot, clock, 10, face())
    driver.failure = None
    play(robot, clock, 600, face())
    assert bool(driver.commands) == is_tried_again


def test_the_end_of_the_program_leads_to_the_safe_pose_in_time_and_switches_off() -> None:
    driver = BreakableDriver()
    driver.device_positions = [1120.0, 1500.0]
    robot = RobotOutput("head", jaw_and_brow(), CHANNELS, driver, SystemClock())
    robot.open()
    for _ in range(20):
        robot.send(face(jaw_open=0.08))
        time.sleep(TICK_S)
    with Pace() as pace:
        start_s = time.monotonic()
        robot.close()
        robot.close()
        took_s = time.monotonic() - start_s
    assert took_s < pace.allowed(1.0)
    assert driver.commands[-1] == pytest.approx([1120.0, 1500.0])
    assert (driver.n_released, driver.n_closed) == (1, 1)
    check_all(driver.commands)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("au-edge-robot")]


def test_two_commands_are_never_less_than_a_tick_apart() -> None:
    times: list[float] = []

    class Timed(BreakableDriver):
        def write(self, positions):  # type: ignore[no-untyped-def]
            times.append(time.monotonic())
            if len(times) % 10 == 5:
                time.sleep(1.7 * TICK_S)
            super().write(positions)

    robot = RobotOutput("head", jaw_and_brow(), CHANNELS, Timed(), SystemClock())
    robot.open()
    ends_s = time.monotonic() + 60.0
    while len(times) <= 20 and time.monotonic() < ends_s:
        time.sleep(0.05)
    robot.close()
    assert len(times) > 15
    assert min(np.diff(times[:-3])) >= TICK_S - 0.002


def test_a_loop_that_hangs_does_not_keep_the_jaw_open() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 50, face())
    play(robot, clock, 50, face(jaw_open=1.0))
    assert driver.commands[-1][0] == pytest.approx(2000.0)
    play(robot, clock, 200, None)
    assert driver.commands[-1][0] == 1120.0


def test_a_newer_map_is_adopted_without_a_gap_where_the_actuators_are_the_same() -> None:
    driver, clock = BreakableDriver(), FakeClock()
    robot = robot_with(driver, clock)
    play(robot, clock, 100, face(jaw_open=0.5))
    narrow = jaw_and_brow(jaw=MotionLimits(1000.0, 1300.0, 500.0, 10_000.0))
    assert robot.adopt(RobotOutput("head", narrow, CHANNELS, BreakableDriver(), clock))
    play(robot, clock, 100, face(jaw_open=1.0))
    assert driver.commands[-1][0] == pytest.approx(1300.0)
    assert (driver.n_opened, driver.n_released) == (1, 0)
    check_all(driver.commands)
    other = dataclasses.replace(narrow, actuators=narrow.actuators[:1])
    assert not robot.adopt(RobotOutput("head", other, CHANNELS, BreakableDriver(), clock))
    far = jaw_and_brow(jaw=MotionLimits(5000.0, 6000.0, 500.0, 10_000.0))
    assert not robot.adopt(RobotOutput("head", far, CHANNELS, BreakableDriver(), clock))
    play(robot, clock, 10, face(jaw_open=1.0))
    assert driver.commands[-1][0] == pytest.approx(1300.0)


def test_a_map_with_other_actuators_is_no_reload() -> None:
    controller = Controller(jaw_and_brow(), CHANNELS)
    other = jaw_and_brow()
    with pytest.raises(ValueError, match="other actuators"):
        controller.change(type(other)(**{**other.__dict__, "actuators": other.actuators[:1]}))


def test_a_face_that_comes_while_a_tick_is_under_way_is_no_lost_input() -> None:
    controller = Controller(jaw_and_brow(), CHANNELS)
    controller.begin([2000.0, 1500.0])
    for index in range(50):
        tick_began_s = index * TICK_S
        controller.take(face(jaw_open=1.0), tick_began_s + 0.0001)
        assert controller.advance(tick_began_s)[0] == 2000.0
        assert not controller.is_lost


def test_an_actuator_that_is_found_outside_its_limits_is_led_in_slowly() -> None:
    controller = Controller(jaw_and_brow(), CHANNELS)
    controller.begin([2100.0, 900.0])
    commands = []
    for index in range(400):
        controller.take(face(jaw_open=1.0), index * TICK_S)
        commands.append(controller.advance(index * TICK_S))
    check_all(commands, (2100.0, 900.0))
    assert 2100 - commands[9][0] <= 10 * 150 * TICK_S
    assert commands[9][1] - 900 <= 10 * 100 * TICK_S
    assert commands[-1] == pytest.approx([2000.0, 1500.0])


# An actuator that is off: nobody knows where it stands, and its first pulse makes it jump.


def started(n_ticks: int, positions: list[float], state: State = State.LIVE, **keys: object) -> list[list[float]]:
    controller = Controller(dataclasses.replace(jaw_and_brow(), **keys), CHANNELS)  # type: ignore[arg-type]
    controller.begin(positions)
    commands = []
    for index in range(n_ticks):
        controller.take(face(jaw_open=1.0, state=state), index * TICK_S)
        commands.append(controller.advance(index * TICK_S))
    return commands


def test_actuators_that_are_off_get_their_first_pulse_one_after_the_other_at_the_safe_position() -> None:
    commands = started(60, [math.nan, math.nan], start_gap_s=0.5)
    first = [next(tick for tick, command in enumerate(commands) if not math.isnan(command[i])) for i in (0, 1)]
    assert first == [0, round(0.5 / TICK_S)]
    assert [commands[first[i]][i] for i in (0, 1)] == [1120.0, 1500.0]
    assert len({command[0] for command in commands[: first[1]]}) == 1, "it stands until all have arrived"
    jaw = [command[0] for command in commands]
    check(jaw, 0.0, JAW_LIMITS, TICK_S)
    assert jaw[-1] - 1120 == pytest.approx(150 * TICK_S * (60 - first[1] - 1), rel=0.1), "then slowly to the face"


def test_one_that_is_known_goes_on_at_once_and_does_not_wait_for_one_that_is_off() -> None:
    commands = started(60, [1700.0, math.nan], start_gap_s=0.5)
    assert commands[0][1] == 1500.0
    assert commands[1][0] > commands[0][0] >= 1700.0


def test_it_stays_off_until_someone_speaks_where_that_is_asked_for() -> None:
    silent = started(60, [math.nan, 1500.0], State.SILENCE, starts_on_speech=True)
    assert all(math.isnan(command[0]) and command[1] == 1500.0 for command in silent)
    assert started(60, [math.nan, 1500.0], State.LIVE, starts_on_speech=True)[0][0] == 1120.0


def test_one_that_is_off_is_not_switched_on_to_end_the_program() -> None:
    controller = Controller(dataclasses.replace(jaw_and_brow(), starts_on_speech=True), CHANNELS)
    controller.begin([math.nan, 1500.0])
    controller.is_stopping = True
    assert math.isnan(controller.advance(0.0)[0])
    assert controller.is_safe()


def test_a_board_that_lost_power_while_we_ran_begins_again_where_it_was_left() -> None:
    """Its servos are limp and near to where they were: a nearer guess than the safe pose."""
    controller = Controller(jaw_and_brow(), CHANNELS)
    controller.begin([1700.0, 1500.0])
    for index in range(20):
        controller.take(face(jaw_open=1.0), index * TICK_S)
        last = controller.advance(index * TICK_S)[0]
    controller.begin([math.nan, math.nan])
    assert controller.advance(0.4)[0] == pytest.approx(last, abs=150 * TICK_S)


def test_positions_that_are_no_numbers_are_not_begun_from() -> None:
    controller = Controller(jaw_and_brow(), CHANNELS)
    controller.begin([math.inf, -math.inf])
    assert controller.advance(0.0)[0] == 1120.0
