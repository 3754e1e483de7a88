"""A client's going away, where that clears what it said: seen at once, however far ahead it wrote."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from edge.frames import Speech
from tests.edge.sources.test_pcm_stream import RATE_HZ, connect, ramp, stream, wav


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_client_that_wrote_far_ahead_and_goes_away_is_cleared_at_once(kind: str, tmp_path: Path) -> None:
    """Its end stands behind all that it wrote: on the wire, and in the kernels of both."""
    address = "127.0.0.1:0" if kind == "tcp" else str(tmp_path / "face.sock")
    source = stream(kind, address=address, rate_hz=RATE_HZ, clears=True)
    source.open()
    client = connect(source) if kind == "tcp" else socket.socket(socket.AF_UNIX)
    if kind == "unix":
        client.connect(address)
    client.setblocking(False)
    sound, n_sent, n_heard = ramp(40 * RATE_HZ).tobytes(), 0, 0
    while n_heard < RATE_HZ // 4:  # it writes as fast as it is read
        with contextlib.suppress(BlockingIOError):
            n_sent += client.send(sound[n_sent:])
        chunk = source.read(0.02)
        n_heard += 0 if chunk is None else len(chunk.samples)
    assert n_sent > 4 * RATE_HZ
    client.close()
    began_s = time.monotonic()
    chunk = source.read(0.05)
    while chunk is None or chunk.speech is not Speech.CLEARED:
        assert time.monotonic() - began_s < 2.0
        chunk = source.read(0.05)
    assert chunk.end_time_s - began_s < 0.05 or time.monotonic() - began_s > 0.2  # on a machine that stood still
    assert n_heard < RATE_HZ
    assert source.counters()["utterances_cleared"] == 1
    source.close()


def test_where_going_away_clears_who_stays_is_heard_whole_however_far_ahead_it_wrote() -> None:
    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, clears=True, pace="fast")
    source.open()
    wavs = [wav(ramp(3 * RATE_HZ)), wav(ramp(RATE_HZ))]
    with connect(source) as client:
        client.sendall(b"".join(wavs))
        said: list[np.ndarray] = []
        ends_s = time.monotonic() + 10.0
        while sum(map(len, said)) < 4 * RATE_HZ and time.monotonic() < ends_s:
            chunk = source.read(0.05)
            if chunk is not None and chunk.speech in (Speech.BEGUN, Speech.GOING_ON):
                said.append(chunk.samples * 32768)
    wanted = np.concatenate([ramp(3 * RATE_HZ), ramp(RATE_HZ)])[:, 0]
    np.testing.assert_array_equal(np.concatenate(said), wanted)
    assert source.counters()["utterances_spoken"] >= 1
    source.close()
