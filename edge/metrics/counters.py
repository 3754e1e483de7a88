"""Counters and latency histograms of a running program: written by the frame loop, read by anyone.

One writer, many readers; a reader may see a frame half counted, which a watcher does not mind and the loop does not pay
a lock for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Upper bounds in seconds, about a factor 1.6 apart: from 10 us (a codec) to 1 s (a fault).
BOUNDS_S = (
    1e-5, 1.6e-5, 2.5e-5, 4e-5, 6.3e-5, 1e-4, 1.6e-4, 2.5e-4, 4e-4, 6.3e-4, 1e-3, 1.6e-3, 2.5e-3, 4e-3, 6.3e-3, 1e-2,
    1.6e-2, 2.5e-2, 4e-2, 6.3e-2, 0.1, 0.16, 0.25, 0.4, 0.63, 1.0,
)  # fmt: skip
STAGES = ("capture_wait", "resample", "features", "inference", "postprocess", "send", "sound_to_sent")


@dataclass
class Histogram:
    """Counts of durations.

    Attributes:
        counts: How many fell at or below each bound of BOUNDS_S, and in the last place how many above all.
        total_s: Sum of the durations.
        maximum_s: The longest.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0
    maximum_s: float = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.total_s += duration_s
        if duration_s > self.maximum_s:
            self.maximum_s = duration_s

    @property
    def n(self) -> int:
        """Return how many durations were counted."""
        return sum(self.counts)

    def quantile_s(self, share: float) -> float:
        """Return an upper bound of the quantile: exact to the width of a bucket.

        Args:
            share: 0 to 1.
        """
        n = self.n
        if n == 0:
            return 0.0
        seen = 0
        for count, bound in zip(self.counts, BOUNDS_S, strict=False):
            seen += count
            if seen >= share * n:
                return min(bound, self.maximum_s)
        return self.maximum_s


class Metrics:
    """Everything that is counted while frames flow.

    Attributes:
        frames: Frames sent, by state label.
        late_frames: Frames dropped because their sound was too old.
        skipped_frames: Frames that lay in lost sound.
        source_losses: How often the source of sound went away.
    """

    def __init__(self) -> None:
        self.frames: dict[str, int] = {"live": 0, "silence": 0, "held": 0, "neutral": 0, "stopping": 0}
        self.late_frames = 0
        self.skipped_frames = 0
        self.source_losses = 0
        self.stages: dict[str, Histogram] = {name: Histogram() for name in STAGES}
        self.source_counters: Mapping[str, int] = {}
        self.output_counters: dict[str, Mapping[str, int]] = {}
        self.output_states: dict[str, str] = {}
        self.control_counters: dict[str, Mapping[str, int]] = {}
        self.last_frame_s = 0.0
        self.state = "neutral"

    def observe(self, stage: str, duration_s: float) -> None:
        """Count the duration of a stage."""
        self.stages[stage].observe(duration_s)

    def snapshot(self) -> dict[str, Any]:
        """Return all numbers as plain JSON values; latencies in milliseconds."""
        latencies = {
            name: {
                "n": histogram.n,
                "p50_ms": round(histogram.quantile_s(0.5) * 1000, 3),
                "p99_ms": round(histogram.quantile_s(0.99) * 1000, 3),
                "max_ms": round(histogram.maximum_s * 1000, 3),
            }
            for name, histogram in self.stages.items()
        }
        return {
            "state": self.state,
            "frames": dict(self.frames),
            "late_frames": self.late_frames,
            "skipped_frames": self.skipped_frames,
            "source_losses": self.source_losses,
            "source": dict(self.source_counters),
            "outputs": {name: dict(counters) for name, counters in self.output_counters.items()},
            "control": {name: dict(counters) for name, counters in self.control_counters.items()},
            "output_states": dict(self.output_states),
            "latency": latencies,
        }
