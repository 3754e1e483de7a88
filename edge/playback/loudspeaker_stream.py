"""One opened output: negotiated with the device, fed from a `Playout`; used once and closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.alsa.device_stream import DeviceStream, Way
from edge.alsa.devices import MANY_CHANNELS, USUAL_RATES_HZ
from edge.alsa.finding import FoundDevice
from edge.alsa.portaudio import ABORT, CONTINUE, FLOAT32, INT16, INT32, OUTPUT_UNDERFLOW, Direction
from edge.contracts import Clock
from edge.frames import Float32Array
from edge.machine.realtime import CAPTURE_PRIORITY, make_thread_normal, make_thread_realtime

PERIOD_SAMPLES = 256  # 5 ms: how soon a `clear` is seen
_FULL_SCALES = {FLOAT32: 1.0, INT32: 2.0**31 - 256, INT16: 2.0**15 - 1}  # the largest float32 that an int32 holds

Feed = Callable[[Float32Array, int, float, float, bool], None]


@dataclass(frozen=True)
class OutputWish:
    """What an output should be like.

    Attributes:
        rates_hz: Preferred rates, best first; the device's own and the usual ones are tried after them.
        n_channels: Channels to open, or 0 for two where the device has them.
    """

    rates_hz: tuple[int, ...]
    n_channels: int


class LoudspeakerStream(DeviceStream):
    """A running output; its thread is PortAudio's.

    Args:
        found: Owned and terminated by this stream, also where it cannot be opened.
        wish: See `OutputWish`.
        clock: The time.

    Raises:
        ConfigurationError: The device cannot do what is wished.
        DeviceError: It cannot be had now.
    """

    def __init__(self, found: FoundDevice, wish: OutputWish, clock: Clock) -> None:
        super().__init__(found.portaudio, found.device, "loudspeaker")
        self.realtime_line = ""
        self.n_periods = 0
        self._clock = clock
        self._thread_id = 0
        self._feed: Feed | None = None
        self._position = 0
        self._mono = np.zeros(PERIOD_SAMPLES, np.float32)
        self._block: NDArray[Any] = np.zeros((PERIOD_SAMPLES, 1), np.float32)
        self._scale = 1.0
        try:
            self.rate_hz, self.n_channels, self.sample_format = self._negotiate(wish)
        except BaseException:
            self._portaudio.terminate()
            raise

    @property
    def latency_s(self) -> float:
        """Return what PortAudio says of the way from a callback to the converter."""
        try:
            return float(self._stream.get_output_latency())
        except OSError:
            return 0.0

    def start(self, feed: Feed) -> None:
        """Let the device take its periods from here on from `feed`; it is silent before."""
        self._position = 0
        self._feed = feed

    def abandon(self) -> None:
        """Take nothing any more; and out of real time, since of an unplugged card PortAudio's thread spins."""
        self._feed = None
        if self._thread_id:
            make_thread_normal(self._thread_id)

    def close(self) -> None:
        """Close the stream and release PortAudio; may take long, see `bounded_call`."""
        self._feed = None
        super().close()

    def _negotiate(self, wish: OutputWish) -> Way:
        """Open the first combination that the device accepts."""
        device = self.device

        def open_it(way: Way) -> Any:
            self._block = np.zeros((PERIOD_SAMPLES, way.n_channels), np.dtype(way.sample_format))
            self._scale = _FULL_SCALES[way.sample_format]
            return self._portaudio.open(Direction.OUTPUT, device.index, *way, PERIOD_SAMPLES, self._fill)

        rates_hz = list(dict.fromkeys([*wish.rates_hz, device.default_rate_hz, *USUAL_RATES_HZ]))
        way, refusals = self._first_that_opens(rates_hz, self._channel_counts(wish), _FULL_SCALES, open_it)
        if way is not None:
            return way
        channels = f" with {wish.n_channels} channels" if wish.n_channels else ""
        remedy = "Set play.channels = 0 to take what it has"
        raise self._refused(f"a usual rate{channels}", Direction.OUTPUT, refusals, remedy)

    def _channel_counts(self, wish: OutputWish) -> Sequence[int]:
        """Return the channel counts to try, best first."""
        if wish.n_channels:
            return [wish.n_channels]
        if self.device.n_channels > MANY_CHANNELS:  # a plug-in that converts
            return [2, 1]
        return list(dict.fromkeys([min(2, self.device.n_channels), self.device.n_channels, 1]))

    def _fill(self, _: object, n_samples: int, times: Mapping[str, float], flags: int) -> tuple[bytes | None, int]:
        """Give PortAudio its next period; on its thread, nothing here may wait or fail."""
        arrived_s = self._clock.monotonic_s()
        if not self._thread_id:
            self.realtime_line = make_thread_realtime(CAPTURE_PRIORITY, "playback")
            self._thread_id = threading.get_native_id()
        if self._is_closing:
            return None, ABORT
        mono, feed = self._mono[:n_samples], self._feed
        if feed is None:
            mono[:] = 0.0
        else:
            feed(mono, self._position, times["output_buffer_dac_time"], arrived_s, bool(flags & OUTPUT_UNDERFLOW))
            self._position += n_samples
        block = self._block[:n_samples]
        if self._scale != 1.0:  # a conversion to integers cuts off, which takes energy from a quiet sound
            mono *= self._scale
            np.rint(mono, out=mono)
        np.copyto(block, mono[:, None], casting="unsafe")
        self.n_periods += 1
        return block.tobytes(), CONTINUE  # PyAudio takes nothing but bytes: the one allocation of a period
