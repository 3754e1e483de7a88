"""Metrics that keep every duration, for exact quantiles, and wrappers that time what the loop sees as one."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence

from edge.bench.distribution import Distribution
from edge.contracts import AudioSource, Codec, Datagram, Transport
from edge.frames import AudioChunk, AUFrame
from edge.metrics.counters import Metrics

# In the order in which sound passes them. `arrival`: from the last sample of a chunk at the microphone until the loop
# has it; `ring`: the part of it after the driver's callback; `encode` and `send` are the two halves of `outputs`.
STAGES = (
    "capture_wait", "arrival", "ring", "resample", "features", "inference", "postprocess", "encode", "send", "outputs",
    "sound_to_sent",
)  # fmt: skip
_LOOP_NAMES = {"send": "outputs"}  # what the frame loop calls sending holds the codec too


class DurationMetrics(Metrics):
    """Counters of the program that also keep each duration once recording has begun.

    Attributes:
        is_recording: False while the program warms up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_recording = False
        self._durations = {stage: array("d") for stage in STAGES}

    def observe(self, stage: str, duration_s: float) -> None:
        """Count a duration of the program's own stages."""
        super().observe(stage, duration_s)
        self.record(_LOOP_NAMES.get(stage, stage), duration_s)

    def record(self, stage: str, duration_s: float) -> None:
        """Keep a duration of a stage of STAGES."""
        if self.is_recording:
            self._durations[stage].append(duration_s)

    def durations(self) -> dict[str, array[float]]:
        """Return what was kept, seconds by stage, without stages that never came."""
        return {stage: kept for stage, kept in self._durations.items() if kept}

    def distributions(self) -> dict[str, Distribution]:
        """Return the same, described."""
        return {stage: Distribution.of(kept) for stage, kept in self.durations().items()}


class TimedCodec:
    """A codec whose encoding is timed.

    Args:
        codec: The real one.
        metrics: Where its durations go.
    """

    def __init__(self, codec: Codec, metrics: DurationMetrics) -> None:
        self._codec = codec
        self._metrics = metrics

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Encode a frame."""
        began_s = time.perf_counter()
        datagrams = self._codec.encode(frame)
        self._metrics.record("encode", time.perf_counter() - began_s)
        return datagrams

    def announce(self) -> Sequence[Datagram]:
        """Return the announcement; it is not timed, since it comes every two seconds only."""
        return self._codec.announce()


class TimedTransport:
    """A transport whose sending is timed.

    Args:
        transport: The real one.
        metrics: Where its durations go.
    """

    def __init__(self, transport: Transport, metrics: DurationMetrics) -> None:
        self._transport = transport
        self._metrics = metrics

    @property
    def description(self) -> str:
        """Return the real one's address."""
        return self._transport.description

    def open(self) -> None:
        """Open the real one."""
        self._transport.open()

    def send(self, datagram: Datagram) -> None:
        """Send a datagram."""
        began_s = time.perf_counter()
        self._transport.send(datagram)
        self._metrics.record("send", time.perf_counter() - began_s)

    def close(self) -> None:
        """Close the real one."""
        self._transport.close()


class TimedSource:
    """A source that is asked how old its sound is when it is handed out.

    Args:
        source: The real one; where it has an `arrived_s` (the time of the driver's callback), the ring is timed too.
        metrics: Where the durations go.
    """

    def __init__(self, source: AudioSource, metrics: DurationMetrics) -> None:
        self._source = source
        self._metrics = metrics

    @property
    def rate_hz(self) -> int:
        """Return the real one's rate."""
        return self._source.rate_hz

    @property
    def description(self) -> str:
        """Return the real one's description."""
        return self._source.description

    def open(self) -> None:
        """Open the real one."""
        self._source.open()

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Read, and note the age of what came."""
        chunk = self._source.read(timeout_s)
        if chunk is not None:
            now_s = time.monotonic()
            self._metrics.record("arrival", now_s - chunk.end_time_s)
            arrived_s = getattr(self._source, "arrived_s", None)
            if arrived_s is not None:
                self._metrics.record("ring", now_s - arrived_s)
        return chunk

    def counters(self) -> Mapping[str, int]:
        """Return the real one's counters."""
        return self._source.counters()

    def warnings(self) -> Sequence[str]:
        """Return the real one's warnings."""
        return self._source.warnings()

    def close(self) -> None:
        """Close the real one."""
        self._source.close()
