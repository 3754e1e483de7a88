"""Decide which of the datagrams that arrive are shown: one sender at a time, in order, each frame once.

Nothing in a datagram is believed: what no decoder understands is counted and dropped, and memory stays bounded however
many addresses send.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from edge.outputs.received import ReceivedFrame

SOURCE_TIMEOUT_S = 1.0  # a sender that is silent so long gives way to another
MOST_SOURCES = 8  # decoders kept, for senders that announce names
MOST_CHANNELS = 512
LARGEST_GAP = 10_000  # a larger step of the sequence is a restart, not a loss
RESTART_STEP_BACK = 100  # frames; a smaller step back is a datagram that was overtaken
RATE_WINDOW_S = 2.0
MOST_TIMES = 600  # kept for the rate: of 300 frames a second

Address = tuple[str, int]
Decode = Callable[[bytes], ReceivedFrame | None]  # raises ValueError for what is none of our formats


@dataclass(frozen=True)
class Counts:
    """What has arrived so far.

    Attributes:
        shown: Frames passed on.
        lost: Sequence numbers that never came.
        late: Datagrams that came after a newer one, or twice.
        refused: Datagrams without a frame in them: announcements and what is not ours.
        others: Frames of further senders while one was shown.
        rate_hz: Frames a second, lately.
        source: The sender shown, "address:port", or empty.
    """

    shown: int
    lost: int
    late: int
    refused: int
    others: int
    rate_hz: float
    source: str


class Arrivals:
    """The gate between the socket and the pages.

    Args:
        make_decoder: Returns a decoder for one sender's stream.
    """

    def __init__(self, make_decoder: Callable[[], Decode]) -> None:
        self._make_decoder = make_decoder
        self._decoders: OrderedDict[Address, Decode] = OrderedDict()
        self._source: Address | None = None
        self._last_s = float("-inf")
        self._last_sequence: int | None = None
        self._times_s: deque[float] = deque(maxlen=MOST_TIMES)
        self._shown = self._lost = self._late = self._refused = self._others = 0

    @property
    def source(self) -> Address | None:
        """Return whose frames are shown; None before the first."""
        return self._source

    def take(self, datagram: bytes, sender: Address, now_s: float) -> ReceivedFrame | None:
        """Return the frame to show, or None.

        Args:
            datagram: As received.
            sender: Where it came from.
            now_s: Monotonic time.
        """
        decode = self._decoders.get(sender) or self._make_decoder()
        try:
            frame = decode(datagram)
        except ValueError:
            self._refused += 1
            return None
        self._keep(sender, decode)
        if frame is None or frame.names is None or not 0 < len(frame.names) <= MOST_CHANNELS:
            self._refused += 1
            return None
        is_silent = now_s - self._last_s > SOURCE_TIMEOUT_S
        if sender != self._source:
            if self._source is not None and not is_silent:
                self._others += 1
                return None
            self._source, self._last_sequence = sender, None
            self._times_s.clear()
        if not self._follows(frame, is_silent):
            self._late += 1
            return None
        self._last_s = now_s
        self._times_s.append(now_s)
        while self._times_s[0] < now_s - RATE_WINDOW_S:
            self._times_s.popleft()
        self._shown += 1
        return frame

    def _keep(self, sender: Address, decode: Decode) -> None:
        """Remember whose datagrams are ours; who was heard longest ago gives way, but never the one that is shown."""
        self._decoders[sender] = decode
        self._decoders.move_to_end(sender)
        if len(self._decoders) > MOST_SOURCES:
            del self._decoders[next(address for address in self._decoders if address not in (sender, self._source))]

    def _follows(self, frame: ReceivedFrame, is_silent: bool) -> bool:
        """Return whether a frame is newer than the last, and count what is missing between them."""
        last, self._last_sequence = self._last_sequence, frame.sequence
        if last is None:
            return True
        ahead = (frame.sequence - last) % frame.sequence_modulus
        behind = (last - frame.sequence) % frame.sequence_modulus
        is_old = ahead == 0 or (behind < ahead and behind <= RESTART_STEP_BACK)
        if is_old and not is_silent:
            self._last_sequence = last
            return False
        if 0 < ahead <= min(behind, LARGEST_GAP):
            self._lost += ahead - 1
        return True

    def counts(self, now_s: float) -> Counts:
        """Return what has arrived so far.

        Args:
            now_s: Monotonic time.
        """
        times = self._times_s
        is_alive = len(times) > 1 and now_s - times[-1] <= SOURCE_TIMEOUT_S
        rate_hz = (len(times) - 1) / max(times[-1] - times[0], 1e-6) if is_alive else 0.0
        source = f"{self._source[0]}:{self._source[1]}" if self._source and is_alive else ""
        return Counts(self._shown, self._lost, self._late, self._refused, self._others, rate_hz, source)
