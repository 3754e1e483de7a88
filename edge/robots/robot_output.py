"""A robot as a receiver of frames: a thread of its own commands the actuators at a fixed rate, whatever the frames do.

The thread is the watchdog of the frame loop: where the loop hangs or dies, no frame comes, and the robot goes to its
safe pose. Two commands are never less than a tick apart, so that a velocity is a velocity.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence

from edge.contracts import Clock
from edge.errors import AuEdgeError, ConfigurationError
from edge.frames import AUFrame
from edge.robots.actuator_map import ActuatorMap
from edge.robots.controller import Controller
from edge.robots.driver import Driver

_LOG = logging.getLogger(__name__)
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
RECOVERED_AFTER_S = 2.0  # of commands taken; a device that opens and takes none would fill the log
_JOIN_MARGIN_S = 0.5
_OPEN_WAIT_S = 0.2  # for a device that is there; what is said at the start is then true


class RobotOutput:
    """The actuators of one map.

    Args:
        name: As in the configuration.
        actuator_map: What there is and what it may do.
        channels: Of the manifest.
        driver: Moves the actuators.
        clock: Time.

    Raises:
        ConfigurationMistakesError: A mix names what is no channel.
    """

    def __init__(
        self, name: str, actuator_map: ActuatorMap, channels: Sequence[str], driver: Driver, clock: Clock
    ) -> None:
        self.name = name
        self._map = actuator_map
        self._driver = driver
        self._clock = clock
        self._controller = Controller(actuator_map, channels)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._has_tried = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_open = False
        self._is_dead = False
        self._in_outage = False
        self._opened_at_s = 0.0
        self._retry_at_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._counts = {"sent": 0, "failed": 0, "lost_input": 0, "reopened": 0, "late_ticks": 0}

    @property
    def description(self) -> str:
        """Return one line for a person."""
        n_actuators = len(self._map.actuators)
        return f"{self.name}: {n_actuators} actuators, {self._driver.description} ({self.state})"

    @property
    def state(self) -> str:
        """Return "up" while the device is open, and what the way to it says where that is a network."""
        if not self._is_open:
            return "down"
        return str(getattr(self._driver, "state", "up"))

    def open(self) -> None:
        """Begin to command; the device is opened by the thread, now or as soon as it is there."""
        if self._thread is None:
            self._stop.clear()
            self._controller.is_stopping = False
            self._thread = threading.Thread(target=self._run, name=f"au-edge-robot-{self.name}", daemon=True)
            self._thread.start()
            self._has_tried.wait(_OPEN_WAIT_S)

    def send(self, frame: AUFrame) -> None:
        """Take a face; costs a copy of it."""
        with self._lock:
            self._controller.take(frame, self._clock.monotonic_s())
            self._counts["sent" if self._is_open else "failed"] += 1

    def pump(self) -> None:
        """Do nothing: the thread keeps the time."""

    def change(self, actuator_map: ActuatorMap) -> None:
        """Take a map that was read again, without a gap; see `Controller.change`."""
        with self._lock:
            self._controller.change(actuator_map)
            self._map = actuator_map

    def adopt(self, newer: RobotOutput) -> bool:
        """Go on, without a gap, with the map of a robot that was made from a newer configuration and is not open.

        Args:
            newer: Of the same name; not to be opened where this returns True.

        Returns:
            False where the maps are too different (other actuators, driver or tick): close this one and open that one.
        """
        try:
            self.change(newer._map)
        except (ValueError, ConfigurationError):
            return False
        return True

    def counters(self) -> Mapping[str, int]:
        """Return counts since the start: frames sent and failed, ticks without input, ticks late, reopened."""
        return dict(self._counts)

    def close(self) -> None:
        """Lead to the safe pose, switch off, release; may be called twice."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(self._map.stop_s + _JOIN_MARGIN_S)
            self._thread = None

    def _run(self) -> None:
        """Tick until told to stop, then until the safe pose is reached."""
        next_s = self._clock.monotonic_s()
        while not self._stop.is_set():
            self._clock.sleep_until(next_s)
            started_s = self._clock.monotonic_s()
            self._counts["late_ticks"] += started_s - next_s > self._map.tick_s
            self.tick()
            self._has_tried.set()
            next_s = started_s + self._map.tick_s
        with self._lock:
            self._controller.is_stopping = True
        end_s = self._clock.monotonic_s() + self._map.stop_s
        while self._is_open and self._clock.monotonic_s() < end_s and not self._controller.is_safe():
            self._clock.sleep_until(next_s)
            next_s = self._clock.monotonic_s() + self._map.tick_s
            self.tick()
        if self._is_open:
            try:
                if self._map.release:
                    self._driver.release()
            except Exception as err:  # as in `tick`
                _LOG.warning("robot %s: it could not be switched off: %s", self.name, _reason(err))
            self._close_driver()

    def tick(self) -> None:
        """Command every actuator once; the thread's work, callable from a test without one."""
        now_s = self._clock.monotonic_s()
        if not self._is_open and not self._reopen(now_s):
            return
        with self._lock:
            positions = self._controller.advance(now_s)
            self._counts["lost_input"] += self._controller.is_lost
        try:
            self._driver.write(positions)
        except Exception as err:  # of any kind: this thread is the watchdog, and must not end in silence
            self._fail(_reason(err))
            self._close_driver()
            self._retry_later(now_s)
        else:
            self._note_recovery(now_s)

    def _reopen(self, now_s: float) -> bool:
        """Open the device if it is time to, and begin from where its actuators are."""
        if self._is_dead or now_s < self._retry_at_s or self._stop.is_set():
            return False
        try:
            self._driver.open()
            positions = self._driver.read_positions()
        except Exception as err:  # as above
            self._is_dead = isinstance(err, ConfigurationError)
            self._fail(_reason(err) + (" (it stays off until the configuration changes)" if self._is_dead else ""))
            self._close_driver()
            self._retry_later(now_s)
            return False
        with self._lock:
            self._controller.begin(positions)
        self._is_open = True
        self._opened_at_s = now_s
        return True

    def _note_recovery(self, now_s: float) -> None:
        """Say the end of an outage once commands have been taken for a while."""
        if self._in_outage and now_s - self._opened_at_s >= RECOVERED_AFTER_S:
            self._in_outage = False
            self._retry_s = FIRST_RETRY_S
            self._counts["reopened"] += 1
            _LOG.info("robot %s: %s is back", self.name, self._driver.description)

    def _close_driver(self) -> None:
        """Release the device as far as it lets us."""
        self._is_open = False
        with contextlib.suppress(Exception):
            self._driver.close()

    def _fail(self, reason: str) -> None:
        """Say the first failure of an outage."""
        if not self._in_outage:
            self._in_outage = True
            _LOG.warning("robot %s: %s: %s", self.name, self._driver.description, reason)

    def _retry_later(self, now_s: float) -> None:
        self._retry_at_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)


def _reason(failure: Exception) -> str:
    """Return what was found and what to do; the kind of a failure that no driver should have."""
    if isinstance(failure, AuEdgeError):
        return f"{failure.found}. {failure.remedy}"
    return str(failure) if isinstance(failure, OSError) else f"{type(failure).__name__}: {failure}"
