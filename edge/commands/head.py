"""`au-edge head`: a page with a face that shows the frames that arrive, from this machine or another."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import threading
from typing import TYPE_CHECKING

from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings

if TYPE_CHECKING:
    from edge.head.server import HeadServer
    from edge.head.wire import Drive

_log = logging.getLogger("au-edge.head")
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_REPEAT_S = 1.0 / 30.0  # a page sends as often as it draws, and a robot rests 100 ms after the last face
_HELD_S = 0.5  # a page that says nothing for so long is gone, or the hand off the sliders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge head                              frames on UDP 9001, the page on http://127.0.0.1:8930/\n"
        "  au-edge head --open                       and open it in the browser\n"
        "  au-edge head -o head.host=0.0.0.0 -o head.allowed_hosts=kiosk.local      for other machines\n"
        "  au-edge head --drive -o output.json.enabled=no    what the page's sliders set goes to the other outputs\n"
        "  au-edge head -o control.osc=9010          moods, looks, gestures for au-edge run -o control.osc=9010\n"
        "Add ?kiosk to the address for a full-screen face without controls."
    )
    add_configuration_arguments(parser)
    parser.add_argument("--open", action="store_true", help="open the page where there is a display")
    parser.add_argument("--drive", action="store_true", help="let the page's sliders move the configured outputs")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from edge.head.running import open_in_browser, run_head
    from edge.outputs.receiving import StreamDecoder

    settings = settings_from(arguments)

    def say(server: HeadServer) -> None:
        head = settings.head
        _log.info("frames: udp://%s:%d    page: %s", head.frames_host, server.frames_port, server.address)
        if arguments.open:
            open_in_browser(server.address, os.environ)

    with contextlib.ExitStack() as closing:
        driver = Driver(settings) if arguments.drive else None
        if driver is not None:
            closing.callback(driver.close)
        face = None
        if settings.control.osc:  # where a running program listens
            from edge.control.osc_remote import OscRemote

            face = OscRemote(settings.control.osc)
            closing.callback(face.close)
        return run_head(settings.head, lambda: StreamDecoder().read, driver.send if driver else None, say, face)


class Driver:
    """Sends faces that are set by hand on the page to the configured outputs, each 30 times a second.

    Args:
        settings: Whose outputs; one that leads back to the page itself is left out.
    """

    def __init__(self, settings: Settings) -> None:
        from edge.app import find_manifest, make_outputs
        from edge.frames import AUFrame, State
        from edge.machine.clock import SystemClock

        self._manifest = find_manifest(settings.model.path)
        self._clock = SystemClock()
        own = [o for o in settings.outputs if not (o.host in _THIS_MACHINE and o.port == settings.head.frames_port)]
        self._outputs = make_outputs(dataclasses.replace(settings, outputs=tuple(own)), self._manifest, self._clock)
        self._frame = AUFrame.neutral(self._manifest.n_channels)
        self._frame.state = State.LIVE
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._set_s = self._sent_s = float("-inf")
        for output in self._outputs:
            output.open()
            _log.info("sliders drive %s", output.description)
        self._repeating = threading.Thread(target=self._repeat, name="sliders", daemon=True)
        self._repeating.start()

    def send(self, drive: Drive) -> None:
        """Send a face: channels that the page does not name are at rest."""
        with self._lock:
            for i, name in enumerate(self._manifest.channels):
                self._frame.activations[i] = drive.au.get(name, 0.0)
            self._frame.head_deg[:] = drive.head_deg
            self._set_s = self._clock.monotonic_s()
            self._send_now()

    def _send_now(self) -> None:
        frame = self._frame
        frame.index = frame.sequence = frame.sequence + 1
        frame.capture_time_s = self._sent_s = self._clock.monotonic_s()
        frame.capture_unix_s = self._clock.unix_s()
        for output in self._outputs:
            output.send(frame)

    def _repeat(self) -> None:
        while not self._closed.wait(_REPEAT_S / 2):
            with self._lock:
                now_s = self._clock.monotonic_s()
                if now_s - self._set_s < _HELD_S and now_s - self._sent_s >= _REPEAT_S:
                    self._send_now()

    def close(self) -> None:
        """Stop sending and release the outputs."""
        self._closed.set()
        self._repeating.join()
        for output in self._outputs:
            output.close()
