"""Two runs beside one another: the second one's page takes the next free port; a port that was named stays an error."""

from __future__ import annotations

import re
import socket

from edge.config.settings import HeadSettings
from tests.system.programs import au_edge, bound_socket

RUN = ("run", "--no-view", "--duration", "0.5", "-o", "audio.source=silence", "-o", "output.osc.enabled=no",
       "-o", "head.enabled=yes")  # fmt: skip


def taken(port: int) -> socket.socket:
    """Return a socket that has a port, or shares the fact that somebody else has it."""
    holder = socket.socket()
    try:
        holder.bind(("127.0.0.1", port))
        holder.listen()
    except OSError:
        pass  # a run of somebody's: as good
    return holder


def test_a_second_run_takes_the_next_free_port_for_the_page_and_says_so() -> None:
    port = HeadSettings().port
    with taken(port), bound_socket() as (_, frames):
        done = au_edge(*RUN, "-o", f"output.json.port={frames}")
    assert done.returncode == 0, done.stderr
    (page,) = re.findall(r"the face: http://127\.0\.0\.1:(\d+)/", done.stderr)
    assert port < int(page) < port + 20
    assert f"port {port} is taken" in done.stderr


def test_a_port_that_a_configuration_names_and_is_taken_stays_an_error() -> None:
    with socket.socket() as holder, bound_socket() as (_, frames):
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        named = holder.getsockname()[1]
        done = au_edge(*RUN, "-o", f"output.json.port={frames}", "-o", f"head.port={named}")
    assert done.returncode == 69
    assert f"127.0.0.1:{named}" in done.stderr
    assert "Set another `port`" in done.stderr
