"""What must not become slower, as ratios and counts: never wall time, so that a busy machine changes nothing.

Programs take turns, each is charged its own thread's processor time, and the median of the rounds' ratios counts. The
bounds are well below what docs/performance.md shows, and well above what a careless change would leave.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge.app import choose_backend, find_manifest, make_every_stage, make_features, make_pipeline, protocol_options
from edge.app.receivers import make_output
from edge.bench.lanes import load_speech
from edge.config.reading import load_settings
from edge.config.settings import OutputSettings
from edge.contracts import FrameOutput
from edge.features.resampler import Resampler
from edge.features.spectrogram import PaperSpectrogram
from edge.frames import AudioChunk, AUFrame, State
from edge.machine.clock import SystemClock
from edge.metrics.counters import Metrics
from tests.benchmarks.straightforward import WINDOW_SAMPLES, librosa_features

N_ROUNDS = 9
SETTINGS = load_settings(protocol_options(), None, ["model.backend=onnxruntime"])
MANIFEST = find_manifest(SETTINGS.model.path)


def cpu_s(work: Callable[[], object], n: int) -> float:
    """Return processor time of this thread for one of n calls."""
    began_s = time.thread_time()
    for _ in range(n):
        work()
    return (time.thread_time() - began_s) / n


def times_less(slow: Callable[[], object], fast: Callable[[], object], n_slow: int, n_fast: int) -> float:
    """Return how many times less processor time `fast` takes: the median over interleaved rounds."""
    slow(), fast()
    return statistics.median(cpu_s(slow, n_slow) / cpu_s(fast, n_fast) for _ in range(N_ROUNDS))


@pytest.fixture
def speech() -> np.ndarray:
    return load_speech(44_100)


@pytest.fixture
def receivers(request: pytest.FixtureRequest) -> Iterator[Callable[[int], list[FrameOutput]]]:
    import socket

    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    made: list[FrameOutput] = []

    def make(n: int) -> list[FrameOutput]:
        wanted = OutputSettings(name="o", protocol="osc", host="127.0.0.1", port=sink.getsockname()[1])
        outputs = [make_output(wanted, MANIFEST, SystemClock()) for _ in range(n)]
        for output in outputs:
            output.open()
        made.extend(outputs)
        return outputs

    yield make
    for output in made:
        output.close()
    sink.close()


def a_frame() -> AUFrame:
    frame = AUFrame.neutral(MANIFEST.n_channels)
    frame.state = State.LIVE
    frame.activations[:] = np.linspace(0, 1, MANIFEST.n_channels)
    return frame


def test_the_spectrogram_takes_a_quarter_of_librosas_time_at_most(speech: np.ndarray) -> None:
    window = speech[30_000 : 30_000 + WINDOW_SAMPLES]
    ours = PaperSpectrogram()
    out = np.zeros(ours.shape, np.float32)
    assert np.isfinite(librosa_features(window)).all()
    assert times_less(lambda: librosa_features(window), lambda: ours.compute(window, out), 20, 100) >= 4.0


def test_ten_milliseconds_resampled_take_no_longer_than_by_scipy() -> None:
    from scipy.signal import firwin, resample_poly

    taps = firwin(20 * 160 + 1, 1 / 160, window=("kaiser", 5.0))  # scipy's own filter, made once as ours is
    resampler, starts = Resampler(48_000, 44_100), itertools.count(0, 480)
    sound = np.random.default_rng(0).standard_normal(480).astype(np.float32)

    def by_scipy() -> None:
        resample_poly(sound, 147, 160, window=taps)

    assert times_less(by_scipy, lambda: resampler.process(sound, next(starts)), 100, 200) >= 1.0


def test_a_bundle_takes_a_third_of_python_oscs_time_at_most() -> None:
    from pythonosc.osc_message_builder import OscMessageBuilder

    from edge.outputs.osc import OscCodec

    codec, frame = OscCodec(MANIFEST, {}), a_frame()

    def built() -> bytes:
        builder = OscMessageBuilder("/face/au")
        for value in frame.activations:
            builder.add_arg(float(value), "f")
        return bytes(builder.build().dgram)

    assert times_less(built, lambda: codec.encode(frame), 50, 500) >= 3.0


def test_cost_grows_no_faster_than_the_number_of_receivers(receivers: Callable[[int], list[FrameOutput]]) -> None:
    one, sixteen, frame = receivers(1), receivers(16), a_frame()

    def send(outputs: list[FrameOutput]) -> None:
        for output in outputs:
            output.send(frame)

    ratio = times_less(lambda: send(sixteen), lambda: send(one), 30, 300)
    assert 1.0 < ratio <= 16 * 1.5


def test_sixteen_receivers_cost_less_than_one_frame_of_the_network_and_features(
    receivers: Callable[[int], list[FrameOutput]], speech: np.ndarray
) -> None:
    sixteen, frame = receivers(16), a_frame()
    session = choose_backend(SETTINGS, MANIFEST).backend.open(MANIFEST)
    features = make_features(MANIFEST)
    window = speech[30_000 : 30_000 + features.window_samples]

    def network() -> None:
        features.compute(window, session.features)
        session.step()

    def send() -> None:
        for output in sixteen:
            output.send(frame)

    try:
        assert times_less(network, send, 50, 50) >= 0.4
    finally:
        session.close()


# Calls of Python and of C that one frame makes, counted by the interpreter itself: the same number on every machine.
# What allocates, loops over channels or asks a clock once more shows here at once.
MAX_CALLS_A_FRAME = 265  # 258: moods, gaze and gestures make 24; articulation, seal and the quiet voice 11


def test_a_frame_makes_no_more_calls_than_it_did(
    receivers: Callable[[int], list[FrameOutput]], speech: np.ndarray
) -> None:
    session = choose_backend(SETTINGS, MANIFEST).backend.open(MANIFEST)
    stages = make_every_stage(SETTINGS, MANIFEST)
    pipeline = make_pipeline(MANIFEST, session, lambda: 44_100, stages, Metrics())
    (output,) = receivers(1)
    counts: list[int] = []
    n_calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    def emit(frame: AUFrame) -> None:
        output.send(frame)

    try:
        for k in range(120):  # the same speech, so the same branches
            chunk = AudioChunk(speech[k * 1470 : (k + 1) * 1470], k * 1470, 0.0)
            n_calls = 0
            sys.setprofile(count)
            pipeline.process(chunk, emit)
            sys.setprofile(None)
            counts.append(n_calls)
    finally:
        sys.setprofile(None)
        session.close()
    assert statistics.median(counts[10:]) <= MAX_CALLS_A_FRAME, sorted(counts[10:])
