"""An output keeps its rate and delay, survives its receiver, says each outage once, and never holds up the loop."""

from __future__ import annotations

import errno
import itertools
import logging
import threading
import time

import pytest

from edge.contracts import FrameOutput
from edge.errors import ConfigurationError, DeviceError
from edge.frames import State
from edge.outputs.json_udp import JsonCodec, decode
from edge.outputs.link_state import LinkError, LinkState
from edge.outputs.osc import OscCodec
from edge.outputs.sender import LAST_RETRY_S, Output
from tests.edge.outputs.faces import FakeClock, frame_with, manifest_with
from tests.pace import Pace

MANIFEST = manifest_with(["jawOpen"])


class Recorder:
    """A transport that keeps what it is given and fails when told."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.n_opened = 0
        self.n_closed = 0
        self.open_error: Exception | None = None
        self.send_error: OSError | None = None
        self.gate: threading.Event | None = None
        self.state = LinkState.UP

    @property
    def description(self) -> str:
        return "udp://recorder"

    def open(self) -> None:
        if self.gate is not None:
            self.gate.wait(120.0)
        if self.open_error is not None:
            raise self.open_error
        self.n_opened += 1

    def send(self, datagram: bytes | bytearray | memoryview) -> None:
        if self.send_error is not None:
            raise self.send_error
        self.datagrams.append(bytes(datagram))

    def close(self) -> None:
        self.n_closed += 1


def output_to(recorder: Recorder, clock: FakeClock, **keys: float) -> Output:
    return Output("test", JsonCodec(MANIFEST, {}), recorder, clock, **keys)


def play(output: Output, clock: FakeClock, n_frames: int, rate_hz: float = 30.0, first: int = 0) -> None:
    """Send frames of a stream, its clock running with them."""
    start_s = clock.now_s
    for index in range(n_frames):
        clock.now_s = start_s + index / rate_hz
        frame = frame_with([0.5])
        frame.sequence = first + index
        frame.capture_time_s = clock.now_s - 0.01
        frame.capture_unix_s = clock.unix_s() - 0.01
        output.send(frame)
    clock.now_s = start_s + n_frames / rate_hz


def sequences(recorder: Recorder) -> list[int]:
    return [decode(datagram).sequence for datagram in recorder.datagrams]


def capture_times(recorder: Recorder) -> list[float]:
    return [decode(datagram).capture_unix_s for datagram in recorder.datagrams]


def test_it_is_what_the_loop_expects() -> None:
    assert isinstance(output_to(Recorder(), FakeClock()), FrameOutput)


@pytest.mark.parametrize(("rate_hz", "expected"), [(0, 300), (10, 100), (15, 150), (25, 250), (30, 300), (60, 300)])
def test_a_rate_thins_the_frames_out_evenly(rate_hz: float, expected: int) -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock, rate_hz=rate_hz)
    output.open()
    play(output, clock, 300)
    assert len(recorder.datagrams) == expected
    gaps = {round((b - a) * 30) for a, b in itertools.pairwise(capture_times(recorder))}
    assert max(gaps) - min(gaps) <= 1
    assert sequences(recorder) == list(range(expected)), "a lower rate looks like loss"
    assert output.counters()["sent"] + output.counters()["skipped"] == 300


def test_the_last_frames_of_the_program_pass_any_rate() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock, rate_hz=1)
    output.open()
    play(output, clock, 2)
    output.send(frame_with([0.0], state=State.STOPPING))
    assert decode(recorder.datagrams[-1]).state == State.STOPPING


def test_a_rate_goes_on_after_a_jump_of_the_stream_in_either_direction() -> None:
    recorder, clock = Recorder(), FakeClock(1000.0)
    output = output_to(recorder, clock, rate_hz=10)
    output.open()
    for jump_s in (0.0, 500.0, -900.0):
        clock.now_s += jump_s
        before = len(recorder.datagrams)
        play(output, clock, 30)
        assert 9 <= len(recorder.datagrams) - before <= 11


def test_names_are_announced_at_the_start_and_every_two_seconds() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = Output("test", OscCodec(MANIFEST, {}), recorder, clock)
    output.open()
    play(output, clock, 300)
    announced = [i for i, datagram in enumerate(recorder.datagrams) if datagram.startswith(b"/face/names")]
    assert announced == [0, 61, 122, 183, 244]


def test_a_delay_sends_every_face_later_by_exactly_that_and_in_order() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock, delay_ms=50.0)
    output.open()
    start_s, sent_at = clock.now_s, {}
    for millisecond in range(1000):
        clock.now_s = start_s + millisecond / 1000
        if millisecond % 25 == 0:
            frame = frame_with([0.5])
            frame.sequence = millisecond
            output.send(frame)
        output.pump()
        for sequence in sequences(recorder)[len(sent_at) :]:
            sent_at[sequence] = millisecond
    assert sent_at
    assert all(at - sequence == pytest.approx(50, abs=1) for sequence, at in sent_at.items())
    assert list(sent_at) == sorted(sent_at)


def test_closing_sends_what_a_delay_kept_back() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock, delay_ms=500.0)
    output.open()
    play(output, clock, 3)
    output.close()
    output.close()
    assert sequences(recorder) == [0, 1, 2]
    assert recorder.n_closed == 1


def test_an_output_that_is_off_does_nothing() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock, enabled=False)
    output.open()
    play(output, clock, 3)
    assert (recorder.n_opened, recorder.datagrams) == (0, [])
    assert "off" in output.description


def test_an_outage_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock)
    output.open()
    with caplog.at_level(logging.INFO):
        play(output, clock, 30)
        recorder.send_error = OSError(errno.ENETUNREACH, "Network is unreachable")
        play(output, clock, 300, first=30)
        assert len(caplog.records) == 1
        assert "unreachable" in caplog.text
        recorder.send_error = None
        for _ in range(200):
            play(output, clock, 30, first=330)
            if len(caplog.records) == 2:
                break
            time.sleep(0.001)  # the opening thread gets its turn
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "is back" in caplog.text
    assert output.counters()["reopened"] >= 1


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no route"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route"),
        (OSError(errno.ENODEV, "No such device"), "no such interface yet"),
        (OSError(errno.EPERM, "Operation not permitted"), "not permitted"),
        (OSError(errno.EIO, "Input/output error"), "down"),
    ],
)
def test_the_state_is_what_went_wrong_until_it_went_well_for_a_while(failure: OSError, state: str) -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock)
    output.open()
    assert output.state == "nothing sent yet", "a UDP socket that is open says nothing about the way"
    play(output, clock, 1)
    assert output.state == "up"
    recorder.send_error = failure
    play(output, clock, 3)
    assert output.state == state
    assert output.description.endswith(f"({state})")
    recorder.send_error = None
    for _ in range(200):
        play(output, clock, 30)
        if output.state == "up":
            break
        assert output.state == state
        time.sleep(0.001)  # the opening thread gets its turn
    assert output.state == "up"


def test_an_address_that_is_not_permitted_says_where_to_look(caplog: pytest.LogCaptureFixture) -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock)
    output.open()
    recorder.send_error = OSError(errno.EPERM, "Operation not permitted")
    play(output, clock, 3)
    assert "IPAddressAllow" in caplog.text


def test_a_name_that_nobody_knows_yet_is_a_state_of_its_own() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.open_error = LinkError(LinkState.NO_NAME, "udp://nobody", "cannot be resolved", "Correct it")
    output = output_to(recorder, clock)
    output.open()
    assert output.state == "no such name yet"


def test_a_receiver_that_refuses_is_said_once_and_its_return_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock)
    output.open()
    with caplog.at_level(logging.INFO):
        recorder.state = LinkState.REFUSED
        play(output, clock, 30)
        assert (output.state, caplog.records) == ("refused", [])  # a receiver that is being restarted
        play(output, clock, 300)
        assert ["refuses: nobody listens" in record.message for record in caplog.records] == [True]
        recorder.state = LinkState.UP
        play(output, clock, 300)
        assert ["no longer refuses" in record.message for record in caplog.records] == [False, True]
    assert output.state == "up"
    assert output.counters()["sent"] == 630


def test_a_full_send_buffer_loses_frames_but_not_the_socket() -> None:
    recorder, clock = Recorder(), FakeClock()
    output = output_to(recorder, clock)
    output.open()
    recorder.send_error = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    play(output, clock, 3)
    recorder.send_error = None
    play(output, clock, 3, first=3)
    assert sequences(recorder) == [3, 4, 5]
    assert (recorder.n_opened, recorder.n_closed) == (1, 0)
    assert output.counters()["failed"] == 3


def test_a_name_server_that_does_not_answer_holds_nothing_up() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.gate = threading.Event()
    output = output_to(recorder, clock)
    with Pace() as pace:
        start_s = time.monotonic()
        output.open()
        play(output, clock, 100)
        took_s = time.monotonic() - start_s
    assert took_s < pace.allowed(1.0)
    assert output.counters()["failed"] == 100
    recorder.gate.set()
    for _ in range(200):
        if recorder.n_opened:
            break
        time.sleep(0.005)
    time.sleep(0.01)
    play(output, clock, 10)
    assert output.counters()["sent"] == 10


def test_closing_while_it_opens_leaves_nothing_open() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.gate = threading.Event()
    output = output_to(recorder, clock)
    output.open()
    output.close()
    recorder.gate.set()
    for _ in range(200):
        if recorder.n_closed:
            break
        time.sleep(0.005)
    assert (recorder.n_opened, recorder.n_closed) == (1, 1)


def test_opening_is_tried_again_ever_more_slowly() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.open_error = DeviceError("x", "cannot be resolved", "Correct it")
    output = output_to(recorder, clock)
    output.open()
    attempts: list[float] = []
    opened = recorder.open

    def counted_open() -> None:
        attempts.append(clock.now_s)
        opened()

    recorder.open = counted_open  # type: ignore[method-assign]
    for _ in range(600):
        play(output, clock, 3)
        if output._opener is not None:
            output._opener.done.wait(120.0)
    gaps = [b - a for a, b in itertools.pairwise(attempts)]
    assert gaps[0] >= 0.5
    assert all(b >= a - 0.2 for a, b in itertools.pairwise(gaps))
    assert LAST_RETRY_S <= max(gaps) <= LAST_RETRY_S + 1


def test_what_can_never_be_had_is_not_tried_again() -> None:
    recorder, clock = Recorder(), FakeClock()
    recorder.open_error = ConfigurationError("interface 'eth77'", "there is none", "Correct it")
    output = output_to(recorder, clock)
    output.open()
    recorder.open_error = None
    for _ in range(50):
        play(output, clock, 30)
        time.sleep(0.0005)
    assert recorder.n_opened == 0
