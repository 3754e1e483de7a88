"""Sound of agents: a WebSocket, the turns of their utterances, and the time in which they are heard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.contracts import Clock, Expressive
from edge.sources.agents.admission import Admission
from edge.sources.agents.agent import Desk
from edge.sources.agents.server import TalkServer
from edge.sources.agents.turns import AgentTurns
from edge.sources.channel_health import ToldChannelHealth
from edge.sources.channels import ChannelChoice
from edge.sources.pace import REALTIME
from edge.sources.pcm_decoder import PcmDecoder, PcmLayout
from edge.sources.played import PlayedTime
from edge.sources.spoken_bytes import ResamplerFor, SpokenBytes
from edge.sources.talk import TalkSource


class WebSocketSource(TalkSource):
    """What agents say.

    Args:
        address: "host:port" to listen at.
        clock: The time.
        rate_hz: Of the sound that is given; utterances of another rate are converted.
        resampler_for: Makes what converts them.
        face: Takes mood, look, gesture and rest; None refuses them.
        allowed_hosts: Names by which agents may connect, and hosts of pages that may.
        token: What agents must bring; empty for nothing.
        most_waiting: Utterances that may wait beside the one that is said.
        buffer_s: Sound of one agent that may wait before its connection does.
        clears: Whether an agent that goes away is cleared, or heard to its end.
        pace: "realtime", "fast" or "live".
        lookahead_s: Of the network.
        played: Where the sound goes; None where another program plays it.
    """

    def __init__(
        self,
        address: str,
        *,
        clock: Clock,
        rate_hz: int,
        resampler_for: ResamplerFor,
        face: Expressive | None = None,
        allowed_hosts: Sequence[str] = ("localhost", "127.0.0.1"),
        token: str = "",
        most_waiting: int = 16,
        buffer_s: float = 120.0,
        clears: bool = False,
        pace: str = REALTIME,
        lookahead_s: float = 0.0,
        played: PlayedTime | None = None,
    ) -> None:
        mix = ChannelChoice(None)
        self._channels = ToldChannelHealth(mix, self.tell)

        def make_spoken(given_rate_hz: int, layout: PcmLayout) -> SpokenBytes:
            decoder = PcmDecoder(layout.sample_format, given_rate_hz, layout.n_channels)
            return SpokenBytes(decoder, mix, rate_hz, resampler_for, self._channels.look)

        turns = AgentTurns(rate_hz)
        desk = Desk(turns, make_spoken, face, most_waiting, buffer_s, clears)
        host = address.rpartition(":")[0].strip("[]")
        hosts = [*allowed_hosts, *([host] if host not in ("0.0.0.0", "::", "") else [])]
        self._server = TalkServer(address, Admission(hosts, token), desk)
        turns.server, turns.listener = self._server, self._server
        super().__init__(turns, clock=clock, pace=pace, lookahead_s=lookahead_s, played=played)

    def counters(self) -> Mapping[str, int]:
        """Return those of every spoken source, and what is found of channels."""
        return {**super().counters(), **self._channels.counters(), **self._server.counters()}

    @property
    def port(self) -> int:
        """Return the port that is listened at; valid after `open`."""
        return self._server.port
