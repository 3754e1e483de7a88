"""Speech of another program: PCM over standard input, a TCP port or a Unix socket.

How it is heard: `edge.sources.talk`. Whose turn it is: `edge.sources.client_turns`. The end of standard input is the
end of the source.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.contracts import Clock
from edge.errors import ConfigurationError
from edge.sources.byte_inputs import Listener
from edge.sources.channel_health import ToldChannelHealth
from edge.sources.channels import ChannelChoice
from edge.sources.client_turns import ClientTurns
from edge.sources.pace import REALTIME
from edge.sources.pcm_decoder import AUTO, FULL_SCALE
from edge.sources.piped_turns import PipedTurns
from edge.sources.played import PlayedTime
from edge.sources.spoken_bytes import ResamplerFor, SpokenBytes
from edge.sources.stream_decoder import Decoder, StreamDecoder
from edge.sources.talk import TalkSource
from edge.sources.turns import Turns

MOST_WAITING = 16


class PcmStreamSource(TalkSource):
    """Sound that another program writes.

    Args:
        kind: "stdin", "tcp" or "unix".
        clock: The time.
        address: "host:port" or the path of the Unix socket; unused for stdin.
        sample_format: "auto" (WAV, MP3, Ogg and the like by what they say themselves, else s16le), or "s16le", "s24le",
            "s32le", "f32le".
        rate_hz: Rate of raw samples and of what is given; a WAV of another rate is converted (that of stdin is
            adopted, if it comes within 3 s).
        channels: Interleaved channels; a WAV header overrules it.
        channel: Channel counted from 1, or "mix".
        resampler_for: Makes what converts a WAV of another rate.
        pace: "realtime", "fast" or "live".
        most_waiting: Clients that may be connected beside the one that speaks.
        clears: Whether a client that goes away before its sound was heard ends it.
        lookahead_s: Of the network.
        chunk_samples: Most samples per `read`; 0 for what suits the pace.
        played: Where the sound goes; None where another program plays it.

    Raises:
        ConfigurationError: One of them is not possible.
    """

    def __init__(
        self,
        kind: str,
        *,
        clock: Clock,
        resampler_for: ResamplerFor,
        address: str = "",
        sample_format: str = AUTO,
        rate_hz: int = 44_100,
        channels: int = 1,
        channel: str = "1",
        pace: str = REALTIME,
        most_waiting: int = MOST_WAITING,
        clears: bool = False,
        lookahead_s: float = 0.0,
        chunk_samples: int = 0,
        played: PlayedTime | None = None,
    ) -> None:
        if sample_format not in (AUTO, *FULL_SCALE):
            raise ConfigurationError(
                f"sample format {sample_format!r}", "no such format", f"Give one of {AUTO}, {', '.join(FULL_SCALE)}"
            )
        if rate_hz <= 0 or channels <= 0:
            raise ConfigurationError(
                f"a stream of {rate_hz} Hz and {channels} channels", "both must be positive", "Set the writer's values"
            )
        choice = ChannelChoice.parse(channel)
        if sample_format != AUTO:
            choice.check(channels, "the stream")

        said: set[str] = set()
        self._channels = ToldChannelHealth(choice, self.tell)

        def make_decoder() -> Decoder:
            return StreamDecoder(sample_format, rate_hz, channels, self.tell, said)

        def make_spoken(given_rate_hz: int = rate_hz) -> SpokenBytes:
            return SpokenBytes(make_decoder(), choice, given_rate_hz, resampler_for, self._channels.look)

        turns: Turns
        if kind == "stdin":
            turns = PipedTurns(make_decoder, make_spoken, rate_hz)
        elif kind in ("tcp", "unix"):
            turns = ClientTurns(Listener(address, kind == "unix"), make_spoken, rate_hz, most_waiting, clears)
        else:
            raise ConfigurationError(f"a PCM stream from {kind!r}", "no such input", "Give stdin, tcp or unix")
        super().__init__(
            turns, clock=clock, pace=pace, lookahead_s=lookahead_s, chunk_samples=chunk_samples, played=played
        )

    def counters(self) -> Mapping[str, int]:
        """Return those of every spoken source, and what is found of channels."""
        return {**super().counters(), **self._channels.counters()}

    @property
    def port(self) -> int:
        """Return the TCP port that is listened at; 0 for the others."""
        return self._turns.listener.port if isinstance(self._turns, ClientTurns) else 0
