"""One output: a codec on a transport, with its own rate, delay and outages, which no other output notices.

Opening may take seconds (a name server that does not answer), so a short-lived thread does it while frames go on to the
others. A failure is logged once, at its beginning, and the recovery once; in between it is only counted.
"""

from __future__ import annotations

import errno
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence

from edge.contracts import Clock, Codec, Datagram, Transport
from edge.errors import AuEdgeError, ConfigurationError
from edge.frames import AUFrame
from edge.outputs.link_state import LinkState, state_of
from edge.outputs.opener import Opener
from edge.outputs.pace import Pace

_LOG = logging.getLogger(__name__)

FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0
RECOVERED_AFTER_S = 2.0  # without a failure; a shorter peace would let a flapping link fill the log
REFUSED_SAID_S = 2.0  # of refusals; a receiver that is restarted is back before
MAX_DELAYED = 1024  # frames kept back by a delay; 17 s at 60 a second
# Lost datagrams that a new socket would not bring back: the send buffer is full, or the datagram is too large.
_PASSING = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EMSGSIZE, errno.EINTR}

_UNHEARD = {
    LinkState.REFUSED: "refuses: nobody listens at that port. Start the receiver, or correct host and port",
    LinkState.NO_ROUTE: "is not there: no machine of that address answers. Switch it on, or correct host",
}


class Output:
    """A destination for frames.

    Args:
        name: As in the configuration.
        codec: Makes the datagrams.
        transport: Takes them.
        clock: Time.
        rate_hz: Frames a second at most, by the frames' own times; 0 for every frame.
        enabled: False keeps it closed and silent.
        announce_period_s: Time between announcements.
        delay_ms: Positive sends a face later than it is known; there is no earlier.
    """

    def __init__(
        self,
        name: str,
        codec: Codec,
        transport: Transport,
        clock: Clock,
        *,
        rate_hz: float = 0.0,
        enabled: bool = True,
        announce_period_s: float = 2.0,
        delay_ms: float = 0.0,
    ) -> None:
        self.name = name
        self.enabled = enabled
        self._codec = codec
        self._transport = transport
        self._clock = clock
        self._announce_period_s = announce_period_s
        self._delay_s = delay_ms / 1000
        self._pace = Pace(rate_hz)
        self._announce_at_s = -math.inf
        self._delayed: deque[tuple[float, tuple[bytes, ...]]] = deque(maxlen=MAX_DELAYED)
        self._opener: Opener | None = None
        self._is_open = False
        self._was_open = False
        self._has_sent = False
        self._is_dead = False
        self._retry_at_s = -math.inf
        self._retry_s = FIRST_RETRY_S
        self._in_outage = False
        self._failure_state = LinkState.OPENING
        self._last_failure_s = -math.inf
        self._refused_since_s = math.inf
        self._said: LinkState | None = None
        self._counts = {"sent": 0, "failed": 0, "skipped": 0, "reopened": 0}

    @property
    def description(self) -> str:
        """Return one line for a person: name, address, how it stands."""
        return f"{self.name}: {self._transport.description} ({self.state})"

    @property
    def state(self) -> str:
        """Return how it stands: a value of `LinkState`; "up" where no error came back lately."""
        if not self.enabled:
            return LinkState.OFF.value
        if not self._is_open or self._in_outage:
            return self._failure_state.value
        if not self._has_sent:
            return LinkState.UNTRIED.value
        return str(getattr(self._transport, "state", LinkState.UP).value)

    @property
    def delay_ms(self) -> float:
        """Return by how much faces are sent later; set it to change the faces that follow."""
        return self._delay_s * 1000

    @delay_ms.setter
    def delay_ms(self, delay_ms: float) -> None:
        self._delay_s = max(0.0, delay_ms / 1000)

    def open(self, wait_s: float = 0.2) -> None:
        """Begin to open; frames before it is open are counted as failed.

        Args:
            wait_s: How long to wait for an address that needs no look-up, so that the first frame is not lost.
        """
        if self.enabled and not self._is_open and self._opener is None:
            self._opener = Opener(self._transport)
            self._opener.done.wait(wait_s)
            self._finish_opening()

    def send(self, frame: AUFrame) -> None:
        """Send a frame if its time has come; never waits and never raises for the network.

        Args:
            frame: Read during the call only.
        """
        if not self.enabled:
            return
        now_s = self._clock.monotonic_s()
        if not self._pace.admits(frame):
            self._counts["skipped"] += 1
            self.pump()
            return
        if not self._ready(now_s):
            self._counts["failed"] += 1
            return
        if now_s >= self._announce_at_s:
            self._announce_at_s = now_s + self._announce_period_s
            for datagram in self._codec.announce():
                self._transmit(datagram, now_s)
        datagrams = self._encode(frame)
        if self._delay_s > 0 or self._delayed:  # behind what is kept back, so that a shorter delay keeps the order
            kept = tuple(bytes(datagram) for datagram in datagrams)
            self._delayed.append((now_s + self._delay_s, kept))
            self.pump()
        else:
            self._transmit_frame(datagrams, now_s)

    def pump(self) -> None:
        """Send what a delay kept back and is due; call it at least every few milliseconds where there is a delay."""
        if not self._delayed:
            return
        now_s = self._clock.monotonic_s()
        while self._delayed and self._delayed[0][0] <= now_s:
            self._transmit_frame(self._delayed.popleft()[1], now_s)

    def adopt(self, newer: Output) -> bool:
        """Go on, without a gap, as an output that was made from a newer configuration and is not open.

        Args:
            newer: Of the same name; not to be opened where this returns True.

        Returns:
            False where the transport has nothing that a new one would have to learn again: close this and open that.
        """
        adopt = getattr(self._transport, "adopt", None)
        if adopt is None or not (self.enabled and newer.enabled) or not adopt(newer._transport):
            return False
        self._codec, self._pace = newer._codec, newer._pace
        self._delay_s, self._announce_period_s = newer._delay_s, newer._announce_period_s
        return True

    def counters(self) -> Mapping[str, int]:
        """Return counts since the start: sent, failed, skipped (by the rate), reopened, refused (nobody listened)."""
        return {**self._counts, "refused": getattr(self._transport, "refused", 0)}

    def close(self) -> None:
        """Send what a delay still holds, in order, and release."""
        now_s = self._clock.monotonic_s()
        while self._delayed and self._is_open:
            self._transmit_frame(self._delayed.popleft()[1], now_s)
        self._delayed.clear()
        if self._opener is not None:
            self._opener.abandon()
            self._opener = None
        elif self._is_open:
            self._transport.close()
        self._is_open = False

    def _encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return the datagrams, numbered so that a receiver of a lower rate sees no gaps where none were lost."""
        if not self._pace.is_lower:
            return self._codec.encode(frame)
        sequence, frame.sequence = frame.sequence, self._pace.n_admitted - 1
        try:
            return self._codec.encode(frame)
        finally:
            frame.sequence = sequence

    def _ready(self, now_s: float) -> bool:
        """Return whether frames can go out, and bring a closed transport nearer to it."""
        if self._is_open:
            return True
        if self._opener is not None:
            self._finish_opening()
        elif not self._is_dead and now_s >= self._retry_at_s:
            self._opener = Opener(self._transport)
        return self._is_open

    def _finish_opening(self) -> None:
        """Take the result of the opening thread if there is one."""
        opener = self._opener
        if opener is None or not opener.done.is_set():
            return
        self._opener = None
        now_s = self._clock.monotonic_s()
        if opener.failure is None:
            self._is_open = True
            self._announce_at_s = -math.inf
            self._counts["reopened"] += self._was_open
            self._was_open = True
            return
        self._failure_state = state_of(opener.failure)
        self._is_dead = isinstance(opener.failure, ConfigurationError)
        outlook = "it stays off until the configuration changes" if self._is_dead else "trying again"
        self._fail(f"{_reason(opener.failure)} ({outlook})", now_s)
        self._retry_later(now_s)

    def _transmit_frame(self, datagrams: Sequence[Datagram], now_s: float) -> None:
        """Send the datagrams of a frame and count it: lost where one of them is."""
        is_sent = True
        for datagram in datagrams:
            is_sent &= self._transmit(datagram, now_s)
        self._counts["sent" if is_sent else "failed"] += 1

    def _transmit(self, datagram: Datagram, now_s: float) -> bool:
        """Send one datagram; on a fault close, to open again later."""
        if not self._is_open:
            return False
        try:
            self._transport.send(datagram)
        except OSError as err:
            self._failure_state = state_of(err)
            self._fail(_reason(err), now_s)
            if err.errno not in _PASSING:
                self._transport.close()
                self._is_open = False
                self._retry_later(now_s)
            return False
        self._has_sent = True
        if self._in_outage and now_s - self._last_failure_s >= RECOVERED_AFTER_S:
            self._in_outage = False
            self._retry_s = FIRST_RETRY_S
            _LOG.info("output %s: %s is back", self.name, self._transport.description)
        self._note_refusal(now_s)
        return True

    def _note_refusal(self, now_s: float) -> None:
        """Say once that nobody listens, and once that somebody does again."""
        state = getattr(self._transport, "state", LinkState.UP)
        if state in _UNHEARD:
            self._refused_since_s = min(self._refused_since_s, now_s)
            if self._said is None and now_s - self._refused_since_s >= REFUSED_SAID_S:
                self._said = state
                _LOG.info("output %s: %s %s", self.name, self._transport.description, _UNHEARD[state])
            return
        self._refused_since_s = math.inf
        if self._said is not None:
            back = "no longer refuses" if self._said is LinkState.REFUSED else "is there"
            self._said = None
            _LOG.info("output %s: %s %s", self.name, self._transport.description, back)

    def _fail(self, reason: str, now_s: float) -> None:
        """Note a failure; only the first of an outage is logged."""
        self._last_failure_s = now_s
        if not self._in_outage:
            self._in_outage = True
            _LOG.warning("output %s: %s: %s", self.name, self._transport.description, reason)

    def _retry_later(self, now_s: float) -> None:
        self._retry_at_s = now_s + self._retry_s
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)


def _reason(failure: AuEdgeError | OSError) -> str:
    """Return what was found and what to do, without the address that the message begins with anyway."""
    if isinstance(failure, AuEdgeError):
        return f"{failure.found}. {failure.remedy}"
    if state_of(failure) is LinkState.FORBIDDEN:
        return f"{failure}: a firewall of this machine, or the service's IPAddressAllow, lets nothing go there"
    return str(failure)
