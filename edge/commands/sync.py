"""`au-edge sync`: find the delay that brings the face together with the sound, by eye or with a second microphone.

By eye: a clap at the microphone opens the mouth of every receiver at once; keys shift the face until both are one. With
a second microphone where the audience is: the time that the sound takes from the first to the second is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings
from edge.contracts import AudioSource, Clock
from edge.errors import ArgumentsError
from edge.frames import AUFrame, State
from edge.machine.clock import SystemClock
from edge.sources.onsets import Lag, OnsetDetector, lag_between

if TYPE_CHECKING:
    from edge.outputs.later import LaterOutput
    from edge.outputs.sender import Output

OPEN_S = 0.2  # how long the mouth stays open after a clap
STEP_MS = 10.0
LARGEST_DELAY_MS = 5000.0  # of `delay_ms`
SENT_MS = 5.0  # from the end of a frame to its datagram, as `au-edge bench` measures it
HELP = "clap at the microphone (or hear the ticks); + face later, - face earlier, q ends"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n"
        "  au-edge sync                             clap, watch the face, press + and -\n"
        "  au-edge sync --output head               only this receiver\n"
        "  au-edge sync --second 'USB PnP'          measure with a second microphone where the audience is\n"
        "  au-edge sync --speaker 'USB Audio'       the loudspeaker ticks instead: for audio.play = yes\n"
        "A positive delay_ms brings the face later. Stop `au-edge run` first."
    )
    add_configuration_arguments(parser)
    parser.add_argument("--output", metavar="NAME", help="the receiver to set; without it all get the same")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--speaker", metavar="DEVICE", help="tick through this loudspeaker, named as play.device is")
    way.add_argument("--second", metavar="DEVICE", help="microphone at the audience, named as audio.device is")
    parser.add_argument("--duration", type=float, default=20.0, metavar="SECONDS", help="with --second (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print the key to set."""
    from edge.app import find_manifest, make_outputs, make_source
    from edge.outputs.later import LaterOutput
    from edge.outputs.sender import Output

    settings = settings_from(arguments)
    clock = SystemClock()
    manifest = find_manifest(settings.model.path)
    source = _ticks(settings, arguments.speaker, clock) if arguments.speaker is not None else None
    source = source or make_source(settings, manifest, clock)
    if arguments.second is not None:
        audio = dataclasses.replace(settings.audio, source="microphone", device=arguments.second)
        second = make_source(dataclasses.replace(settings, audio=audio), manifest, clock)
        return measure(source, second, arguments.duration, pipeline_ms(manifest.frame_period_s), sys.stdout)
    chosen = tuple(o for o in settings.outputs if o.enabled and arguments.output in (None, o.name))
    outputs = make_outputs(dataclasses.replace(settings, outputs=chosen), manifest, clock)
    shifted = [output for output in outputs if isinstance(output, Output | LaterOutput)]
    if not shifted:
        names = ", ".join(output.name for output in settings.outputs if output.enabled)
        raise ArgumentsError(
            f"--output {arguments.output or ''}".rstrip(), "no such receiver has a delay", f"There are {names}"
        )
    from edge.robots.keyboard import Keyboard

    start_ms = chosen[0].delay_ms
    with Keyboard() as keyboard:
        by_eye = ByEye(source, shifted, manifest.channels, manifest.frame_period_s, start_ms, clock)
        delay_ms = by_eye.run(keyboard.read_each, sys.stdout)
    for output in shifted:
        print(f"[output.{output.name}]\ndelay_ms = {delay_ms:g}")
    return 0


def _ticks(settings: Settings, speaker: str, clock: Clock) -> AudioSource:
    """Return the loudspeaker that ticks."""
    from edge.app import make_player
    from edge.playback.ticks import Ticks

    audio, play = dataclasses.replace(settings.audio, play=True), dataclasses.replace(settings.play, device=speaker)
    return Ticks(make_player(dataclasses.replace(settings, audio=audio, play=play), clock), clock)


class ByEye:
    """The clap and the face.

    Args:
        source: Hears the clap.
        outputs: Show the face.
        channels: Of the manifest.
        frame_period_s: Time between two frames.
        delay_ms: To begin with.
        clock: Time.
    """

    def __init__(
        self,
        source: AudioSource,
        outputs: Sequence[Output | LaterOutput],
        channels: Sequence[str],
        frame_period_s: float,
        delay_ms: float,
        clock: Clock,
    ) -> None:
        self._source = source
        self._outputs = list(outputs)
        self._jaw = list(channels).index("jawOpen")
        self._period_s = frame_period_s
        self._delay_ms = delay_ms
        self._clock = clock
        self._frame = AUFrame.neutral(len(channels))
        self._open_until_s = -1.0

    def run(self, read_key: Callable[[], str], stream: TextIO) -> float:
        """Show claps until q is pressed.

        Args:
            read_key: The keyboard.
            stream: Where the delay is shown.

        Returns:
            The delay that was found, in ms.
        """
        self._source.open()
        for output in self._outputs:
            output.open()
            output.delay_ms = self._delay_ms
        stream.write(f"{HELP}\n")
        detector: OnsetDetector | None = None
        next_s = self._clock.monotonic_s()
        try:
            while (key := read_key()) != "q":
                if key in ("+", "=", "-"):
                    self._shift(STEP_MS if key != "-" else -STEP_MS, stream)
                chunk = self._source.read(self._period_s / 4)
                detector = detector or OnsetDetector(self._source.rate_hz)
                if chunk is not None and detector.take(chunk):
                    self._open_until_s = self._clock.monotonic_s() + OPEN_S
                    next_s = self._clock.monotonic_s()  # at once: a frame's wait is no part of the delay
                if self._clock.monotonic_s() >= next_s:
                    next_s = self._clock.monotonic_s() + self._period_s
                    self._send()
                for output in self._outputs:
                    output.pump()
                if chunk is not None and chunk.is_last:
                    break
        finally:
            self._source.close()
            self._frame.activations[:] = 0.0
            self._frame.state = State.STOPPING
            for output in self._outputs:
                output.send(self._frame)
                output.close()
        stream.write("\n")
        return self._delay_ms

    def _shift(self, step_ms: float, stream: TextIO) -> None:
        wanted_ms = self._delay_ms + step_ms
        self._delay_ms = min(max(wanted_ms, 0.0), LARGEST_DELAY_MS)
        for output in self._outputs:
            output.delay_ms = self._delay_ms
        note = "  the face cannot come earlier: delay the loudspeaker" if wanted_ms < 0 else ""
        stream.write(f"\rdelay_ms = {self._delay_ms:5.0f}{note:<55}")
        stream.flush()

    def _send(self) -> None:
        now_s = self._clock.monotonic_s()
        is_open = now_s < self._open_until_s
        self._frame.activations[self._jaw] = 1.0 if is_open else 0.0
        self._frame.state = State.LIVE if is_open else State.SILENCE
        self._frame.sequence += 1
        self._frame.capture_time_s = now_s
        self._frame.capture_unix_s = self._clock.unix_s()
        for output in self._outputs:
            output.send(self._frame)


def pipeline_ms(frame_period_s: float) -> float:
    """Return how much later than a sound its face is sent: on average half a frame, until its end; then the sending.

    Args:
        frame_period_s: Time between two frames.
    """
    return 1000 * frame_period_s / 2 + SENT_MS


def measure(first: AudioSource, second: AudioSource, duration_s: float, face_later_ms: float, stream: TextIO) -> int:
    """Listen with both microphones and print the delay.

    Args:
        first: The one that au-edge listens to.
        second: The one at the audience.
        duration_s: How long.
        face_later_ms: By how much the face is later than its sound at the first.
        stream: Where to print.

    Returns:
        0, or 1 with too few claps.
    """
    onsets: dict[int, list[float]] = {0: [], 1: []}
    failures: list[BaseException] = []
    stop = threading.Event()

    def listen(which: int, source: AudioSource) -> None:
        try:
            detector = OnsetDetector(source.rate_hz)
            while not stop.is_set():
                chunk = source.read(0.1)
                if chunk is None:
                    continue
                onsets[which] += detector.take(chunk)
                if chunk.is_last:
                    return
        except BaseException as err:  # handed on to the main thread below
            failures.append(err)

    threads = [threading.Thread(target=listen, args=pair, daemon=True) for pair in enumerate((first, second))]
    try:
        for source in (first, second):  # one after the other: PortAudio does not bear two openings at once
            source.open()
        # Only now: nobody claps for a microphone that is not there.
        stream.write(f"clap at the first microphone, once a second, for {duration_s:g} s\n")
        stream.flush()
        for thread in threads:
            thread.start()
        end_s = time.monotonic() + duration_s
        while any(thread.is_alive() for thread in threads) and time.monotonic() < end_s and not failures:
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(2.0)
    finally:
        for source in (first, second):
            source.close()
    if failures:
        raise failures[0]
    lag = lag_between(onsets[0], onsets[1])
    stream.write(report(lag, len(onsets[0]), len(onsets[1]), face_later_ms))
    return 0 if lag is not None else 1


def report(lag: Lag | None, n_first: int, n_second: int, face_later_ms: float) -> str:
    """Return what was found, for a person.

    Args:
        lag: Of the second microphone.
        n_first: Claps at the first.
        n_second: Claps at the second.
        face_later_ms: As `measure` takes it.
    """
    if lag is None:
        return f"too few claps: {n_first} at the first microphone, {n_second} at the second\n"
    found = (
        f"the sound is {1000 * lag.median_s:.0f} ms later at the second microphone "
        f"(+-{1000 * lag.spread_s:.0f} ms, {lag.n_pairs} claps)\n"
    )
    delay_ms = 1000 * lag.median_s - face_later_ms
    if delay_ms < 0:
        return found + f"the face is {-delay_ms:.0f} ms later than the sound there: delay the loudspeaker by that\n"
    return found + f"delay_ms = {delay_ms:.0f}    # less what the receiver itself needs to show a face\n"
