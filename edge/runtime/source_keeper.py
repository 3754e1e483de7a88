"""Keep a source alive: when it is gone, open it again in the background while the loop sends held frames.

Opening a device can take a second or hang for many: never on the engine thread once frames flow.
"""

from __future__ import annotations

import logging
import threading
import time

from edge.contracts import AudioSource, Clock
from edge.errors import AuEdgeError, BackendError, DeviceError
from edge.frames import AudioChunk

FIRST_WAIT_S = 0.2  # a card that was replugged is back within a second: the first tries are quick
FIRST_GRACE_S = 0.5  # most devices open within this; then the first frame is one with sound
LONGEST_WAIT_S = 0.7  # sound flows again within a second of the device's return; a look for a missing card is cheap
_log = logging.getLogger("au-edge.source")


class SourceKeeper:
    """A source that comes back.

    Args:
        source: The source; opened on a thread of its own.
        clock: For the back-off.
    """

    def __init__(self, source: AudioSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._opener: threading.Thread | None = None
        self._opener_error: Exception | None = None
        self._is_open = False
        self._is_closing = False
        self._wait_s = FIRST_WAIT_S
        self._tried_s = 0.0
        self._next_try_s = 0.0
        self._is_loss_said = False
        self.losses = 0

    @property
    def source(self) -> AudioSource:
        """Return the source itself."""
        return self._source

    @property
    def is_open(self) -> bool:
        """Return whether sound can be read now."""
        return self._is_open

    def open(self, wait: bool = False, stop: threading.Event | None = None) -> None:
        """Open the source for the first time.

        Args:
            wait: Where it cannot be had, or not soon, go on trying in the background instead of failing.
            stop: Return, with the source not open, as soon as this is set: an opening can hang for seconds.

        Raises:
            AuEdgeError: It cannot be had, and `wait` is False or trying again would not help.
        """
        if stop is not None and stop.is_set():
            return
        opener = self._start_opener()
        ends_s = time.monotonic() + FIRST_GRACE_S if wait else float("inf")
        while opener.is_alive() and not (stop is not None and stop.is_set()):
            opener.join(0.02)
            if time.monotonic() > ends_s:  # frames, neutral ones, are due by now
                self._is_loss_said = True
                _log.warning("the source does not open yet; frames go on without sound")
                return
        if opener.is_alive():
            return
        self._opener = None
        error = self._opener_error
        if isinstance(error, DeviceError) and wait:
            self._lose(error)
        elif error is not None:
            raise error
        else:
            self._is_open = True

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None where none came within the time or the source is away."""
        if self._is_open:
            try:
                chunk = self._source.read(timeout_s)
            except DeviceError as err:
                self.losses += not self._is_loss_said
                self._lose(err)
                return None
            if chunk is not None and self._is_loss_said:
                self._is_loss_said = False
                _log.warning("sound is back: %s", self._source.description)
            return chunk
        self._continue_opening()
        if not self._is_open:
            self._clock.sleep_until(self._clock.monotonic_s() + timeout_s)
        return None

    def close(self) -> None:
        """Close the source; an opening that hangs is left behind (its thread is a daemon)."""
        self._is_closing = True
        self._is_open = False
        if self._opener is None or not self._opener.is_alive():
            self._source.close()

    def _lose(self, error: AuEdgeError) -> None:
        self._is_open = False
        if self._is_loss_said:  # it was opened again and gave nothing: a try that failed, however it looked
            self._fail_try(error, self._tried_s)
            return
        self._is_loss_said = True
        _log.warning("%s; frames go on without sound while it is opened again", error)
        self._wait_s = FIRST_WAIT_S
        self._next_try_s = self._clock.monotonic_s()

    def _fail_try(self, error: Exception, from_s: float) -> None:
        """Plan the next try, a little later each time."""
        _log.debug("still no sound: %s", error)
        self._next_try_s = from_s + self._wait_s
        self._wait_s = min(self._wait_s * 1.6, LONGEST_WAIT_S)

    def _continue_opening(self) -> None:
        """Start a try when one is due, and look at how the last one ended."""
        if self._opener is None:
            if self._clock.monotonic_s() >= self._next_try_s:
                self._start_opener()
            return
        if self._opener.is_alive():
            return
        self._opener = None
        if isinstance(self._opener_error, BackendError):
            raise self._opener_error  # a sound library that is stuck for ever: only a new process helps
        if self._opener_error is None:
            self._is_open = True
            return
        self._fail_try(self._opener_error, self._clock.monotonic_s())

    def _start_opener(self) -> threading.Thread:
        self._tried_s = self._clock.monotonic_s()
        opener = self._opener = threading.Thread(target=self._try_open, name="source-opener", daemon=True)
        opener.start()
        return opener

    def _try_open(self) -> None:
        self._opener_error = None
        try:
            self._source.close()
            self._source.open()
        except Exception as err:  # whatever a sound library raises must not pass for an open source
            self._opener_error = err
        else:
            if self._is_closing:
                self._source.close()
