"""Back to back: the per-frame path of several networks and backends in one process, turn by turn.

What a busy or throttled machine does to one lane it does to the next, so the ratios between lanes hold where times do
not. A lane is the real pipeline: chunks of sound as a microphone gives them, resampling where needed, features,
network, post-processing, and every frame encoded and sent to a socket on this machine.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.app import PROTOCOLS, TRANSPORTS, load_class, make_backend, make_every_stage, make_pipeline, shipped_speech
from edge.bench.durations import DurationMetrics, TimedCodec, TimedTransport
from edge.config.settings import Settings
from edge.contracts import Codec, InferenceSession, Transport
from edge.errors import BackendError, InputError
from edge.frames import AudioChunk, AUFrame, Float32Array
from edge.machine.clock import SystemClock
from edge.manifest import Manifest

CHUNK_SAMPLES = 256  # like a microphone's period
_PATH = ("resample", "features", "inference", "postprocess", "encode", "send")


@dataclass
class Lane:
    """One network on one backend, and what it took so far.

    Attributes:
        label: "NETWORK on BACKEND".
        cpu_ms: Processor time of the engine's thread per frame, one value a round.
        wall_ms: Elapsed time per frame, one value a round.
    """

    label: str
    manifest: Manifest
    session: InferenceSession
    pipeline: Any
    metrics: DurationMetrics
    codec: TimedCodec
    transport: TimedTransport
    cpu_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    next_index: int = 0
    n_frames: int = 0

    def run(self, sound: Float32Array, n_frames: int) -> None:
        """Compute and send frames.

        Args:
            sound: float32 [n_samples], repeated for ever.
            n_frames: At least as many.
        """
        self.n_frames = 0
        began_s, began_cpu_s = time.perf_counter(), time.thread_time()
        while self.n_frames < n_frames:
            at = self.next_index % (len(sound) - CHUNK_SAMPLES)
            chunk = AudioChunk(sound[at : at + CHUNK_SAMPLES], self.next_index, time.monotonic())
            self.next_index += CHUNK_SAMPLES
            self.pipeline.process(chunk, self._emit)
        if self.metrics.is_recording:
            self.cpu_ms.append((time.thread_time() - began_cpu_s) / self.n_frames * 1e3)
            self.wall_ms.append((time.perf_counter() - began_s) / self.n_frames * 1e3)

    def _emit(self, frame: AUFrame) -> None:
        self.n_frames += 1
        frame.sequence += 1
        frame.capture_unix_s = time.time()
        for datagram in self.codec.encode(frame):
            self.transport.send(datagram)


def run_lanes(
    settings: Settings,
    manifests: Sequence[Manifest],
    backends: Iterable[str],
    n_rounds: int,
    n_frames: int,
    protocol: str = "osc",
) -> dict[str, Any]:
    """Measure every network on every backend that can run it.

    Args:
        settings: Post-processing, and what backends ask for.
        manifests: Networks.
        backends: Names; one that is not usable is reported with its reason.
        n_rounds: Turns of each lane.
        n_frames: Frames of a turn.
        protocol: Wire format.

    Returns:
        Plain JSON values: `lanes` in order, and `not_run`.

    Raises:
        BackendError: None can run any of them; says why.
    """
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.setblocking(False)
    lanes: list[Lane] = []
    not_run: list[str] = []
    names = list(backends)
    try:
        for manifest in manifests:
            for backend in names:
                try:
                    lanes.append(open_lane(settings, manifest, backend, sink.getsockname()[1], protocol))
                except BackendError as err:
                    not_run.append(f"{manifest.name} on {backend}: {err.found}")
        if not lanes:
            raise BackendError(
                "bench of the stages", "; ".join(not_run), "`au-edge check` says what each backend needs"
            )
        sounds = {lane.manifest.sample_rate_hz: load_speech(lane.manifest.sample_rate_hz) for lane in lanes}
        for turn in range(n_rounds + 1):  # the first one warms up
            for lane in lanes:
                lane.metrics.is_recording = turn > 0
                lane.run(sounds[lane.manifest.sample_rate_hz], n_frames)
                _drain(sink)
    finally:
        for lane in lanes:
            lane.transport.close()
            lane.session.close()
        sink.close()
    return {
        "n_rounds": n_rounds,
        "n_frames_a_round": n_frames,
        "lanes": [_summary(lane, lanes[0]) for lane in lanes],
        "not_run": not_run,
    }


def load_speech(rate_hz: int) -> Float32Array:
    """Return the shipped speech at a rate, float32 [n_samples]."""
    from edge.features.resampler import Resampler
    from edge.sources.sound_file import SoundFileSource

    source = SoundFileSource(shipped_speech(), clock=SystemClock(), chunk_samples=1 << 24)
    source.open()
    try:
        chunk = source.read(10.0)
        if chunk is None:
            raise InputError("the shipped speech", "it gives no sound", "Install the package again")
        samples, _ = Resampler(source.rate_hz, rate_hz).process(chunk.samples, 0)
        copied: Float32Array = samples.copy()
        return copied
    finally:
        source.close()


def open_lane(settings: Settings, manifest: Manifest, name: str, port: int, protocol: str) -> Lane:
    """Open a network on a backend, with everything before and after it.

    Args:
        settings: Post-processing.
        manifest: The network.
        name: Of the backend.
        port: UDP port on this machine that the frames go to.
        protocol: Wire format.

    Raises:
        BackendError: The backend is not usable here.
        ModelError: The network is not.
    """
    backend = make_backend(name, settings)
    why_not = backend.probe(manifest)
    if why_not is not None:
        raise BackendError(f"backend {name}", why_not, "`au-edge check` says what it needs")
    session = backend.open(manifest)
    metrics = DurationMetrics()
    codec: Codec = load_class(PROTOCOLS, protocol)(manifest, {})
    transport: Transport = load_class(TRANSPORTS, "udp")("127.0.0.1", port)
    transport.open()
    stages = make_every_stage(settings, manifest)
    pipeline = make_pipeline(manifest, session, lambda: manifest.sample_rate_hz, stages, metrics)
    label = f"{manifest.name} on {name}"
    return Lane(
        label, manifest, session, pipeline, metrics, TimedCodec(codec, metrics), TimedTransport(transport, metrics)
    )


def _drain(sink: socket.socket) -> None:
    while True:
        try:
            sink.recv(65536)
        except BlockingIOError:
            return


def _summary(lane: Lane, first: Lane) -> dict[str, Any]:
    stages = lane.metrics.distributions()
    ratios = [theirs / ours for theirs, ours in zip(first.cpu_ms, lane.cpu_ms, strict=True)]
    return {
        "label": lane.label,
        "precision": lane.manifest.precision,
        "frame_period_ms": round(lane.manifest.frame_period_s * 1000, 4),
        "cpu_ms_per_frame": [round(value, 4) for value in lane.cpu_ms],
        "wall_ms_per_frame": [round(value, 4) for value in lane.wall_ms],
        "cpu_ms_median": round(statistics.median(lane.cpu_ms), 4),
        "times_less_cpu_than_first": round(statistics.median(ratios), 3),
        "stages": {name: stages[name].as_json() for name in _PATH if name in stages},
    }
