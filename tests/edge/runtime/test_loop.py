"""The frame loop: sound is the clock; lost sound, late sound, no sound, the end."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from edge.config.settings import LossSettings
from edge.contracts import FrameStage
from edge.errors import BackendError
from edge.frames import AUFrame, State
from edge.metrics.counters import Metrics
from edge.runtime.loop import FrameLoop, stopping_frames
from edge.runtime.source_keeper import SourceKeeper
from tests.edge.runtime.doubles import Collector, CountingSession, ManualClock, ScriptedSource, manifest, pipeline

PERIOD_S = 1 / 30
STOP_FRAMES = sum(stopping_frames(PERIOD_S))


def run(
    script: list[tuple],
    *,
    is_live: bool = True,
    open_failures: int = 0,
    stop_after_s: float = 1e9,
    last_stages: tuple[FrameStage, ...] = (),
    frame_rate: int = 30,
):
    clock = ManualClock()
    source = ScriptedSource(clock, script, open_failures)
    keeper = SourceKeeper(source, clock)
    keeper.open()
    metrics = Metrics()
    session = CountingSession()
    output = Collector()
    stop = threading.Event()
    ends_s = clock.now_s + stop_after_s

    def on_sleep() -> None:
        if clock.now_s >= ends_s:
            stop.set()

    clock.on_sleep = on_sleep
    made = pipeline(session, metrics, frame_rate=frame_rate)
    loop = FrameLoop(keeper, made, last_stages, [output], LossSettings(), clock, metrics, is_live=is_live)
    loop.run(stop)
    return output.frames, metrics, session, source


def test_a_frame_leaves_with_its_last_sample() -> None:
    frames, _, _, _ = run([("sound", 735)] * 20 + [("end", 0)])
    live = [f for f in frames if f.state is not State.STOPPING]
    assert [f.index for f in live] == list(range(10))
    assert [f.end_sample_index for f in live] == [1470 * (i + 1) for i in range(10)]
    np.testing.assert_allclose([f.capture_time_s for f in live], 1000 + PERIOD_S * np.arange(1, 11), atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 64, 128, 1000, 1470, 1471, 44100])
def test_frames_do_not_depend_on_how_sound_is_cut(chunk: int) -> None:
    n = 44_100
    script = [("sound", chunk)] * (n // chunk) + [("end", n % chunk)]
    frames, _, _, _ = run(script, is_live=False)
    values = np.array([f.activations for f in frames if f.state is not State.STOPPING])
    reference, _, _, _ = run([("end", n)], is_live=False)
    np.testing.assert_array_equal(values, [f.activations for f in reference if f.state is not State.STOPPING])
    assert len(values) == 30


def test_sequence_has_no_gaps_and_capture_times_never_go_back() -> None:
    frames, _, _, _ = run([("sound", 441)] * 50 + [("wait",)] * 40 + [("sound", 441)] * 50 + [("end", 0)])
    assert [f.sequence for f in frames] == list(range(len(frames)))
    assert all(b.capture_time_s >= a.capture_time_s for a, b in itertools.pairwise(frames))


def test_lost_sound_resets_the_network_and_leaves_frame_numbers_out() -> None:
    frames, metrics, session, _ = run([("sound", 1470)] * 5 + [("gap", 14_700), ("sound", 1470), ("end", 1470)])
    live = [f for f in frames if f.state is not State.STOPPING]
    assert [f.index for f in live] == [0, 1, 2, 3, 4, 15, 16]
    assert session.n_resets == 1
    assert metrics.skipped_frames == 10
    assert live[5].activations[0] == pytest.approx(0.001)


def test_late_frames_are_counted_and_never_sent() -> None:
    frames, metrics, _, _ = run([("sound", 1470), ("lag", 0.5), ("sound", 1470), ("lag", 0.0), ("end", 1470)])
    assert [f.index for f in frames if f.state is not State.STOPPING] == [0, 2]
    assert metrics.late_frames == 1


def test_a_machine_that_is_always_late_goes_on_sending_and_leaves_out_the_sound_that_waits() -> None:
    late = [("lag", 0.5)] + [("sound", 441)] * 300 + [("lag", 0.0)]
    frames, metrics, session, _ = run([("sound", 441)] * 50 + late + [("sound", 441)] * 50 + [("end", 0)])
    frames = [f for f in frames if f.state is not State.STOPPING]
    without = [f for f in frames if f.state in (State.HELD, State.NEUTRAL)]
    assert without[0].state is State.HELD
    assert without[-1].state is State.NEUTRAL
    assert len(without) == pytest.approx(3.0 / PERIOD_S, abs=5)
    assert np.diff([f.capture_time_s for f in frames]).max() < 0.1 + 2 * PERIOD_S
    assert 28 <= metrics.late_frames <= 34  # of the first second; the rest of the sound is left out
    assert metrics.skipped_frames == pytest.approx(2.0 / PERIOD_S, abs=4)
    assert session.n_resets == 1
    assert [f.state for f in frames[-14:]] == [State.LIVE] * 14


def test_what_a_hold_left_behind_is_heard_to_its_end() -> None:
    behind = [("lag", 0.6)] + [("sound", 441)] * 60 + [("lag", 0.0)]
    _, metrics, session, _ = run([("sound", 441)] * 50 + behind + [("sound", 441)] * 10 + [("end", 0)])
    assert (metrics.skipped_frames, session.n_resets) == (0, 0)


def test_a_file_is_never_late() -> None:
    _, metrics, _, _ = run([("lag", 5.0), ("sound", 14_700), ("end", 0)], is_live=False)
    assert metrics.late_frames == 0


@pytest.mark.parametrize("rate_hz", [30, 60])
def test_without_sound_the_face_is_held_then_eased_then_neutral_at_the_frame_rate(rate_hz: int) -> None:
    frames, _, _, _ = run([("sound", 44_100 // rate_hz)] * 5, stop_after_s=2.0, frame_rate=rate_hz)
    without = [f for f in frames if f.state in (State.HELD, State.NEUTRAL)]
    held = [f for f in without if f.state is State.HELD]
    assert held[0].activations[1] == pytest.approx(frames[4].activations[1])
    sizes = [f.activations.max() for f in without]
    assert all(b <= a for a, b in itertools.pairwise(sizes))
    assert without[-1].state is State.NEUTRAL
    assert without[-1].activations.max() == 0
    steps = np.diff([f.capture_time_s for f in without])
    assert np.median(steps) == pytest.approx(1 / rate_hz, rel=0.05)
    loss = LossSettings()
    neutral_from_s = next(f.capture_time_s for f in without if f.state is State.NEUTRAL) - frames[4].capture_time_s
    assert neutral_from_s == pytest.approx((loss.hold_ms + loss.ease_ms) / 1000, abs=2 / rate_hz)


def test_behind_the_end_of_what_is_said_nothing_is_held_and_nothing_was_lost() -> None:
    pause = [("wait",)] * 30 + [("gap", 44_100)]
    script = [("sound", 1470)] * 5 + [("over", 2940), ("over", 0), *pause, ("sound", 1470), ("sound", 1470), ("end", 0)]
    frames, metrics, session, _ = run(script)
    frames = [f for f in frames if f.state is not State.STOPPING]
    assert {f.state for f in frames} == {State.LIVE, State.SILENCE}
    assert [f.is_over for f in frames[:7]] == [False] * 5 + [True] * 2
    assert frames[8].activations.max() < 1e-6
    assert np.diff([f.capture_time_s for f in frames]).max() < 1.5 * PERIOD_S  # and frames go on
    assert metrics.skipped_frames == 0
    assert session.n_resets == 1  # what is said next is another sentence
    assert metrics.frames["held"] == 0


def test_a_word_that_clears_is_seen_at_once_and_the_face_is_at_rest_in_three_frames() -> None:
    script = [("sound", 1470)] * 5 + [("sound", 200), ("clear",)] + [("wait",)] * 5
    frames, metrics, _, _ = run([*script, ("gap", 5000), ("sound", 1470), ("sound", 1470), ("end", 0)])
    frames = [f for f in frames if f.state is not State.STOPPING]
    after = frames[5:]
    assert after[0].capture_time_s - frames[4].capture_time_s == pytest.approx(200 / 44_100, abs=1e-6)
    assert 0 < after[0].activations.max() < frames[4].activations.max()
    assert after[2].activations.max() == 0
    assert {f.state for f in after[:5]} == {State.SILENCE}
    assert metrics.skipped_frames == 0


def test_where_sound_is_played_each_face_is_sent_when_its_sound_leaves_or_by_its_lead_before() -> None:
    clock = ManualClock()
    script = [("lag", -0.3), *[("sound", 1470)] * 30, ("over", 2940), ("over", 0), *[("wait",)] * 20, ("end", 0)]
    keeper = SourceKeeper(ScriptedSource(clock, script), clock)
    keeper.open()
    metrics = Metrics()
    early, late = Collector(), Collector()
    early.name = "early"
    sent: dict[str, list[float]] = {"early": [], "collector": []}
    for output in (early, late):
        output.send = lambda frame, o=output: (o.frames.append(frame.copy()), sent[o.name].append(clock.now_s))
    loop = FrameLoop(
        keeper, pipeline(CountingSession(), metrics), [], [early, late], LossSettings(), clock, metrics,
        is_played=True, lead_s=lambda name: 0.08 if name == "early" else 0.0,
    )  # fmt: skip
    loop.run(threading.Event())
    for name, output, lead_s in (("early", early, 0.08), ("collector", late, 0.0)):
        live = [i for i, f in enumerate(output.frames) if f.state is State.LIVE]
        assert [output.frames[i].index for i in live] == list(range(32))
        due_s = np.array([output.frames[i].capture_time_s for i in live]) - lead_s
        late_s = np.array([sent[name][i] for i in live]) - due_s
        assert late_s.min() >= -1e-9
        assert late_s.max() < 2940 / 44_100 + 1e-6  # the longest step in which the script does not look up
        assert [f.sequence for f in output.frames] == list(range(len(output.frames)))
    assert metrics.late_frames == 0
    assert metrics.frames["held"] == 0
    assert metrics.frames["live"] == 32
    assert max(np.diff(sent["collector"])) < 2.1 * PERIOD_S


def test_a_program_that_ends_in_silence_does_not_show_the_last_sentence_again() -> None:
    frames, _, _, _ = run([("sound", 1470)] * 5 + [("over", 0)], stop_after_s=3.0)
    assert max(f.activations.max() for f in frames[-STOP_FRAMES:]) == 0
    frames, _, _, _ = run([("sound", 1470)] * 5, stop_after_s=3.0)  # nor one whose sound was lost
    assert max(f.activations.max() for f in frames[-STOP_FRAMES:]) == 0


def test_a_lost_device_is_opened_again_while_frames_go_on() -> None:
    script = [("sound", 1470)] * 3 + [("lost",)] + [("sound", 1470)] * 10 + [("end", 0)]
    frames, metrics, _, source = run(script, open_failures=2)
    assert metrics.source_losses == 1
    assert source.n_opened == 4  # the first, two that fail, one that works
    states = [f.state for f in frames]
    assert State.HELD in states
    # After the return, live again.
    assert [f.index for f in frames if f.state not in (State.HELD, State.STOPPING)][-1] == 12


def test_whatever_a_failed_opening_raises_the_source_does_not_pass_for_open() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, [("lost",)], open_failures=2)
    source.open_error = ValueError("a sound library's own")
    keeper = SourceKeeper(source, clock)
    keeper.open()
    keeper.read(PERIOD_S)
    while source.n_opened < 3:  # the first, and two that fail
        assert keeper.read(PERIOD_S) is None
        assert not keeper.is_open
    ends_s = time.monotonic() + 60.0
    while not keeper.is_open and time.monotonic() < ends_s:
        keeper.read(PERIOD_S)
    assert keeper.is_open
    assert source.n_opened == 4


@pytest.mark.parametrize("rate_hz", [30, 60])
def test_stopping_sends_neutral_frames_last(rate_hz: int) -> None:
    frames, _, _, _ = run([("sound", 44_100 // rate_hz)] * 60, stop_after_s=0.5, frame_rate=rate_hz)
    last = [f for f in frames if f.state is State.STOPPING]
    assert len(last) / rate_hz == pytest.approx(0.2)
    assert [f.state for f in frames[-len(last) :]] == [State.STOPPING] * len(last)
    assert last[-1].activations.max() == 0
    assert last[-2].activations.max() == 0  # the neutral face is sent twice: one datagram may be lost
    assert last[0].activations.max() > 0  # and it is eased to, not thrown


class MoodAndLimit:
    """A last stage as those that are real: it adds to one channel and bounds the other."""

    def apply(self, frame: AUFrame, newest: np.ndarray) -> None:
        frame.activations[0] = 0.8
        frame.activations[1] = min(frame.activations[1], 0.1)

    def reset(self) -> None: ...


@pytest.mark.parametrize("sound", [[("sound", 1470)] * 30, []], ids=["in speech", "in silence"])
def test_stopping_eases_from_the_face_that_was_shown(sound: list[tuple]) -> None:
    frames, _, _, _ = run(sound, stop_after_s=0.5, last_stages=(MoodAndLimit(),))
    shown = np.array([f.activations for f in frames[-STOP_FRAMES - 1 :]])
    assert shown[0, 0] == np.float32(0.8), "a mood was shown"
    assert np.all(np.diff(shown[:, 0]) <= 0)
    assert np.abs(np.diff(shown[:, 0])).max() <= 0.8 / (STOP_FRAMES - 2) + 1e-6, "it is not dropped at once"
    assert shown[:, 1].max() <= 0.1 + 1e-6, "the limit of a rig holds to the end"


def test_a_change_is_made_between_frames_and_loses_none() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, [("sound", 1470)] * 10 + [("end", 0)])
    keeper = SourceKeeper(source, clock)
    keeper.open()
    metrics = Metrics()
    first, second = Collector(), Collector()
    loop = FrameLoop(keeper, pipeline(CountingSession(), metrics), [], [first], LossSettings(), clock, metrics)
    replaced: list[object] = []

    def on_sleep() -> None:
        if len(first.frames) == 5 and not replaced:
            loop.request(lambda that: replaced.extend(that.replace([], [], [second])))

    clock.on_sleep = on_sleep
    loop.run(threading.Event())
    assert replaced == [first]
    indices = [f.index for f in first.frames + second.frames if f.state is not State.STOPPING]
    assert indices == list(range(10))


def test_look_ahead_dates_the_face_back() -> None:
    clock = ManualClock()
    source = ScriptedSource(clock, [("end", 14_700)])
    keeper = SourceKeeper(source, clock)
    keeper.open()
    metrics = Metrics()
    output = Collector()
    made = pipeline(CountingSession(), metrics, lookahead_ms=100.0)
    FrameLoop(keeper, made, [], [output], LossSettings(), clock, metrics).run(threading.Event())
    assert manifest(100.0).lookahead_samples == 4410
    assert output.frames[9 - metrics.late_frames].capture_time_s == pytest.approx(1000 + 1 / 3 - 0.1)


def test_a_sound_library_that_is_stuck_for_ever_ends_the_loop() -> None:
    class Stuck(ScriptedSource):
        def open(self) -> None:
            self.n_opened += 1
            if self.n_opened > 1:
                raise BackendError("the audio system", "it hangs", "the service manager starts a new process")

    clock = ManualClock()
    keeper = SourceKeeper(Stuck(clock, [("sound", 1470), ("lost",)]), clock)
    keeper.open()
    metrics = Metrics()
    loop = FrameLoop(keeper, pipeline(CountingSession(), metrics), [], [Collector()], LossSettings(), clock, metrics)
    with pytest.raises(BackendError):
        loop.run(threading.Event())
