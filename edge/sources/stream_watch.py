"""One look at a stream of raw samples: is it what was said? Whoever receives bytes asks here; each answer comes once.

In: the bytes of each stream as they arrive, with the time. Out: a line for the log with the remedy, or nothing.
"""

from __future__ import annotations

from edge.sources.arrival_rate import ArrivalRate
from edge.sources.sample_shape import likely_format
from edge.sources.sound_signature import LOOK_BYTES, foreign_remedy, identify

SAMPLE_BYTES = {"s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4}
SHAPE_S = 0.5
N_SHAPES = 8  # stretches looked at: the first second may be silent


class StreamWatch:
    """Watches streams of one declared format. The cost after the first seconds is an addition a call.

    Args:
        sample_format: "s16le", "s24le", "s32le" or "f32le".
        rate_hz: Declared samples a second.
        n_channels: Declared interleaved channels.
        said: What was told already; shared by the watches of several streams at a time, since the next one's mistake
            is no news.
    """

    def __init__(self, sample_format: str, rate_hz: int, n_channels: int, said: set[str] | None = None) -> None:
        self._format = sample_format
        self._rate_hz = rate_hz
        self._n_channels = n_channels
        self._frame_bytes = SAMPLE_BYTES[sample_format] * n_channels
        self._shape_bytes = max(LOOK_BYTES, int(SHAPE_S * rate_hz) * self._frame_bytes)
        self._arrival = ArrivalRate(rate_hz)
        self._head = bytearray()
        self._n_shapes = 0
        self._is_identified = self._is_foreign = False
        self._said: set[str] = set() if said is None else said

    def begin(self) -> None:
        """Expect another stream."""
        self._head.clear()
        self._n_shapes = 0
        self._is_identified = self._is_foreign = False
        self._arrival.reset()

    def look(self, data: bytes, now_s: float) -> str:
        """Look at bytes as they arrive.

        Args:
            data: The next bytes of the stream.
            now_s: CLOCK_MONOTONIC at which they came.

        Returns:
            A line for the log, or "" (nearly always).
        """
        rate_hz = self._arrival.count(len(data) // self._frame_bytes, now_s)
        if rate_hz and not self._is_foreign:  # of another format the samples are counted wrongly
            return self._say_once("rate", self._rate_remedy(rate_hz))
        if self._n_shapes >= N_SHAPES:
            return ""
        self._head += data[: self._shape_bytes]
        line = ""
        if not self._is_identified and len(self._head) >= LOOK_BYTES:
            line = self.end()
        if not line and len(self._head) >= self._shape_bytes:
            likely = likely_format(bytes(self._head), self._format, self._n_channels)
            self._is_foreign = self._is_foreign or bool(likely)
            line = self._say_once("format", self._format_remedy(likely)) if likely else ""
            # The next stretch begins with a whole sample, too.
            del self._head[: len(self._head) // self._frame_bytes * self._frame_bytes]
            self._n_shapes += 1
        return line

    def end(self) -> str:
        """Say what the beginning is; also at the end of a stream that is shorter than a look.

        Returns:
            A line for the log, or "".
        """
        if self._is_identified:
            return ""
        self._is_identified = True
        signature = identify(bytes(self._head[:LOOK_BYTES]))
        if signature is None:
            return ""
        self._n_shapes = N_SHAPES  # its samples need no second look
        return self._say_once(signature.name, foreign_remedy(signature, self._declared()))

    def _declared(self) -> str:
        channels = "" if self._n_channels == 1 else f", {self._n_channels} channels"
        return f"{self._format} at {self._rate_hz} Hz{channels}"

    def _say_once(self, subject: str, line: str) -> str:
        if subject in self._said:
            return ""
        self._said.add(subject)
        return line

    def _rate_remedy(self, rate_hz: int) -> str:
        return (
            f"the stream is said to be {self._declared()}, but {rate_hz} samples a second arrive, steadily, as from a "
            f"live writer of that rate: set audio.stream_rate_hz = {rate_hz}, or check audio.stream_channels and "
            "audio.format, which count samples"
        )

    def _format_remedy(self, likely: str) -> str:
        can_be_set = likely in SAMPLE_BYTES
        remedy = f"set audio.format = {likely}" if can_be_set else "let the writer send s16le"
        return f"the stream is said to be {self._declared()}, which makes it a roar; it looks like {likely}: {remedy}"
