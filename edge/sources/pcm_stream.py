"""Speech of another program: PCM over standard input, a TCP port or a Unix socket, at the speed at which it is spoken.

Defined behaviour:
- Pace "realtime" (default): a synthesiser may write a whole sentence at once; it is heard as it would be spoken, and
  the writer waits (back-pressure). Pace "fast" hands sound on as it comes: for a writer that is itself a live source,
  whose clock would otherwise run away from ours.
- A pause of the writer is not a loss: nothing is returned meanwhile, and after `PAUSE_S` the sample axis has gone on
  by the time that passed, as it does for a microphone.
- A client that leaves ends its sound, an incomplete last sample is dropped; the next client begins anew. A client
  whose WAV header cannot be used is sent away and the reason said; the others are not harmed.
- The end of standard input is the end of the source.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from edge.contracts import Clock
from edge.errors import ConfigurationError, DeviceError, InputError
from edge.frames import AudioChunk
from edge.sources.byte_inputs import ByteInput, Listener, StandardInput
from edge.sources.channels import ChannelChoice
from edge.sources.pace import REALTIME, Pace
from edge.sources.pcm_decoder import AUTO, FULL_SCALE, PcmDecoder
from edge.sources.signal_health import SignalHealth

PAUSE_S = 0.25  # a writer's hiccup below this is evened out, a longer one is a pause
MAX_LATE_S = 0.02  # where the writer is later than this, time is counted anew and no burst follows
HEADER_WAIT_S = 3.0  # how long `open` waits for the WAV header of what is piped in
MAX_WARNINGS = 20  # lines kept for the log when nobody asks: a client that keeps failing must not fill memory


class PcmStreamSource:
    """Sound that another program writes.

    Args:
        kind: "stdin", "tcp" or "unix".
        clock: The time.
        address: "host:port" or the path of the Unix socket; unused for stdin.
        sample_format: "auto" (a WAV header, else s16le), "s16le", "s24le", "s32le" or "f32le".
        rate_hz: Rate of the samples; a WAV header must agree (that of stdin is adopted, if it comes within 3 s).
        channels: Interleaved channels; a WAV header overrules it.
        channel: Channel counted from 1, or "mix".
        pace: "realtime" or "fast".
        chunk_samples: Most samples per `read`; 0 for what suits the pace.

    Raises:
        ConfigurationError: One of them is not possible.
    """

    def __init__(
        self,
        kind: str,
        *,
        clock: Clock,
        address: str = "",
        sample_format: str = AUTO,
        rate_hz: int = 44_100,
        channels: int = 1,
        channel: str = "1",
        pace: str = REALTIME,
        chunk_samples: int = 0,
    ) -> None:
        if sample_format not in (AUTO, *FULL_SCALE):
            raise ConfigurationError(
                f"sample format {sample_format!r}", "no such format", f"Give one of {AUTO}, {', '.join(FULL_SCALE)}"
            )
        if rate_hz <= 0 or channels <= 0:
            raise ConfigurationError(
                f"a stream of {rate_hz} Hz and {channels} channels", "both must be positive", "Set the writer's values"
            )
        self._input = _byte_input(kind, address)
        self._clock = clock
        self._choice = ChannelChoice.parse(channel)
        if sample_format != AUTO:
            self._choice.check(channels, "the stream")
        self._pace = Pace(clock, pace, MAX_LATE_S)
        self._chunk_samples = chunk_samples or self._pace.chunk_samples
        self._decoder = PcmDecoder(sample_format, rate_hz, channels)
        self._samples = np.zeros(self._chunk_samples, np.float32)
        self._health = SignalHealth()
        self._warnings: list[str] = []
        self._lock = threading.Lock()
        self._is_open = False
        self._is_ended = False
        self._is_draining = False
        self._next_index = 0
        self._heard_s = -1.0
        self._n_opened = 0
        self._n_pauses = 0
        self._n_refused = 0

    @property
    def rate_hz(self) -> int:
        """Return the rate; it changes only in the first `open`."""
        return self._decoder.rate_hz

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard."""
        return f"PCM from {self._input.description}, {self._decoder.rate_hz} Hz"

    @property
    def port(self) -> int:
        """Return the TCP port that is listened at; 0 for the others."""
        return self._input.port if isinstance(self._input, Listener) else 0

    def open(self) -> None:
        """Take standard input or listen.

        Raises:
            InputError: Standard input is a terminal, or its WAV header cannot be used.
            ConfigurationError: The address is not one.
            DeviceError: The address is in use.
        """
        with self._lock:
            self._input.open()
            self._decoder.reset()
            self._is_open, self._is_ended, self._is_draining = True, False, False
            self._n_opened += 1
            if not self._input.has_successors and not self._decoder.is_rate_fixed:
                self._receive(HEADER_WAIT_S)
            self._decoder.is_rate_fixed = True

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None where none came in time.

        Args:
            timeout_s: Longest wait.

        Returns:
            A chunk whose samples are overwritten by the next call; the last one may have no samples.

        Raises:
            InputError: Standard input has a WAV header that cannot be used.
            DeviceError: The source is closed.
        """
        with self._lock:
            if not self._is_open:
                raise DeviceError(f"sound from {self._input.description}", "the source is closed", "Open it again")
            deadline_s = self._clock.monotonic_s() + timeout_s
            self._fill(deadline_s)
            n_samples = min(self._decoder.n_frames, self._chunk_samples)
            if n_samples == 0:
                return self._end() if self._is_ended else None
            self._follow_time()
            remaining_s = max(0.0, deadline_s - self._clock.monotonic_s())
            end_time_s = self._pace.wait(self._next_index + n_samples, remaining_s)
            return None if end_time_s is None else self._decode(n_samples, end_time_s)

    def counters(self) -> Mapping[str, int]:
        """Return lost_samples (0: back-pressure), reopened, pauses, refused_streams and the signal's counts."""
        listener = self._input if isinstance(self._input, Listener) else None
        n_streams = listener.n_clients if listener else self._n_opened
        turned_away = listener.n_turned_away if listener else 0
        return {
            "lost_samples": 0,
            "reopened": max(0, n_streams - 1),
            "pauses": self._n_pauses,
            "refused_streams": self._n_refused + turned_away,
            **self._health.counters(),
        }

    def warnings(self) -> list[str]:
        """Return the lines that have not been returned before."""
        lines, self._warnings = self._warnings, []
        return lines + self._health.warnings()

    def close(self) -> None:
        """Stop listening; may be called twice. Waits for a `read` of another thread, which is bounded."""
        with self._lock:
            self._is_open = False
            self._input.close()

    def _fill(self, deadline_s: float) -> None:
        """Take bytes until a chunk is whole, the input has no more for now, or the time is over."""
        if self._is_draining and self._decoder.n_frames == 0:  # the last client's sound has been heard to its end
            self._is_draining = False
            self._decoder.reset()
        while not (self._is_ended or self._is_draining) and self._decoder.n_frames < self._chunk_samples:
            has_samples = self._decoder.n_frames > 0
            remaining_s = max(0.0, deadline_s - self._clock.monotonic_s())
            if not self._receive(0.0 if has_samples else remaining_s) or remaining_s == 0.0:
                return

    def _receive(self, timeout_s: float) -> bool:
        """Take bytes once; return whether there may be more at once."""
        layout = self._decoder.layout
        missing = self._chunk_samples - self._decoder.n_frames
        data = self._input.receive(missing * layout.frame_bytes if layout else self._decoder.n_wanted_bytes, timeout_s)
        if data:
            self._feed(data)
        elif data is not None:
            self._decoder.finish()
            self._is_draining = self._input.has_successors
            self._is_ended = not self._input.has_successors
        return bool(data)

    def _feed(self, data: bytes) -> None:
        was_unknown = self._decoder.layout is None
        try:
            self._decoder.feed(data)
            if self._decoder.layout is not None and was_unknown:
                self._choice.check(self._decoder.layout.n_channels, "the stream")
        except (InputError, ConfigurationError) as err:
            if not self._input.has_successors:
                raise
            self._n_refused += 1
            self._warnings = [*self._warnings[-MAX_WARNINGS:], f"a client was sent away: {err}"]
            self._input.hang_up()
            self._decoder.reset()

    def _follow_time(self) -> None:
        """Let the axis go on by the length of a pause."""
        now_s = self._clock.monotonic_s()
        if self._heard_s < 0:
            self._pace.start(self._decoder.rate_hz, self._next_index)
        elif now_s - self._heard_s > PAUSE_S:
            self._n_pauses += 1
            self._next_index += round((now_s - self._heard_s) * self._decoder.rate_hz)
            self._pace.start(self._decoder.rate_hz, self._next_index)
        self._heard_s = max(self._heard_s, now_s)

    def _decode(self, n_samples: int, end_time_s: float) -> AudioChunk:
        layout = self._decoder.layout
        sample_format = layout.sample_format if layout else "s16le"
        samples = self._samples[:n_samples]
        with np.errstate(invalid="ignore", over="ignore"):  # a float stream may hold anything; health repairs it
            self._choice.pick(self._decoder.take(n_samples), samples, 1.0 / FULL_SCALE[sample_format])
        self._health.inspect(samples, self._decoder.rate_hz)
        start_index = self._next_index
        self._next_index += n_samples
        self._heard_s = end_time_s
        return AudioChunk(samples, start_index, end_time_s, self._is_ended and self._decoder.n_frames == 0)

    def _end(self) -> AudioChunk:
        return AudioChunk(self._samples[:0], self._next_index, self._clock.monotonic_s(), True)


def _byte_input(kind: str, address: str) -> ByteInput:
    if kind == "stdin":
        return StandardInput()
    if kind in ("tcp", "unix"):
        return Listener(address, kind == "unix")
    raise ConfigurationError(f"a PCM stream from {kind!r}", "no such input", "Give stdin, tcp or unix")
