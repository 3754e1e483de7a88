"""The display head inside the running program: its own output, and the sound for the page's waveform."""

from __future__ import annotations

import dataclasses
import errno
import logging
from typing import TYPE_CHECKING

from edge.config.settings import HeadSettings, OutputSettings
from edge.contracts import Clock, Expressive
from edge.errors import DeviceError
from edge.frames import AUFrame, Float32Array

if TYPE_CHECKING:
    from edge.head.running import HeadThread

_log = logging.getLogger("au-edge")


class LiveHead:
    """A head on a thread of this program; frames reach it by UDP as they would from another machine.

    Args:
        settings: Of the page.
        sample_rate_hz: Of the sound that stages see.
        lookahead_s: How much older a frame's face is than its newest sound.
        clock: For the sound's time.
        face: Takes the moods, looks and gestures that the page asks for.
    """

    def __init__(
        self, settings: HeadSettings, sample_rate_hz: int, lookahead_s: float, clock: Clock, face: Expressive
    ) -> None:
        # Any free port: 9001 stays free for whoever else wants to watch the JSON output.
        self._settings = dataclasses.replace(settings, frames_host="127.0.0.1", frames_port=0)
        self._rate_hz = sample_rate_hz
        self._lookahead_s = lookahead_s
        self._clock = clock
        self._face = face
        self._thread: HeadThread | None = None

    def open(self, n_ports: int = 1) -> None:
        """Serve the page.

        Args:
            n_ports: Where the port is taken, as by another run of this program, so many are tried, each one higher.

        Raises:
            AuEdgeError: It cannot be served.
        """
        from edge.head.running import start_head_thread
        from edge.outputs.receiving import StreamDecoder

        first = self._settings.port
        for port in range(first, min(first + n_ports, 65_536)):
            settings = dataclasses.replace(self._settings, port=port)
            try:
                self._thread = start_head_thread(settings, lambda: StreamDecoder().read, face=self._face)
            except DeviceError as err:
                is_taken = isinstance(err.__cause__, OSError) and err.__cause__.errno == errno.EADDRINUSE
                if not is_taken or port == first + n_ports - 1:
                    raise
            else:
                break
        if port != first:
            _log.warning("port %d is taken (another run?): the page is at %d", first, port)

    @property
    def address(self) -> str:
        """Return the page's address; valid after `open`."""
        return self._thread.address if self._thread is not None else ""

    def output(self) -> OutputSettings:
        """Return the output that feeds the page."""
        port = self._thread.server.frames_port if self._thread is not None else 0
        return OutputSettings(name="head", protocol="json", host="127.0.0.1", port=port)

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Hand a frame's sound to the page where one listens; as a stage, it leaves the face as it is."""
        if self._thread is not None and len(newest):
            age_s = self._clock.monotonic_s() - frame.capture_time_s - self._lookahead_s
            end_unix_s = self._clock.unix_s() - age_s
            self._thread.server.push_sound(newest, self._rate_hz, end_unix_s)

    def reset(self) -> None:
        """Do nothing: there is no state."""

    def close(self) -> None:
        """Stop serving; may be called twice."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
