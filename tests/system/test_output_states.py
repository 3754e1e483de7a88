"""What the real program says of receivers that nobody hears at, and of names that nobody knows."""

from __future__ import annotations

import json

from tests.ports import free_udp_port
from tests.system.programs import au_edge


def test_refused_and_unknown_are_said_once_and_counted_as_what_they_are() -> None:
    done = au_edge(
        "run", "--no-view", "--duration", "5", "-o", "audio.source=tone", "-o", "metrics.log_period_s=0.5",
        "-o", f"output.json.port={free_udp_port()}", "-o", "output.osc.host=no-such-host.invalid",
    )  # fmt: skip
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    last = [json.loads(line) for line in lines if line.startswith("{")][-1]
    assert last["output_states"] == {"osc": "no such name yet", "json": "refused"}
    assert last["outputs"]["json"]["refused"] > 0
    assert last["outputs"]["osc"]["sent"] == 0
    assert sum("refuses: nobody listens" in line for line in lines) == 1
    assert sum("cannot be resolved" in line for line in lines) == 1
