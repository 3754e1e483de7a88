"""A hundred times unplugged, stalled, taken by another program, overrun: sound returns each time and nothing leaks.

`AU_EDGE_ROUNDS=10` makes it quicker. The four kinds run side by side, each in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.requirements import need
from tests.virtual_microphone.air import build_plugin, why_not

KINDS = ("unplugged", "stalled", "busy", "overrun")
ROUNDS = int(os.environ.get("AU_EDGE_ROUNDS", "100"))
ROOT = Path(__file__).parent.parent.parent
RETURN_S = 1.0
MACHINE_STALL_S = 0.1  # an ordinary thread had to wait this long: the machine was busy with something else


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    missing = why_not()
    need("microphone", not missing, f"the virtual microphone cannot be built; {missing}")
    folder = tmp_path_factory.mktemp("rounds")
    build_plugin(folder)
    processes = {
        kind: subprocess.Popen(
            [sys.executable, "-m", "tests.virtual_microphone.rounds", str(folder / kind), kind, str(ROUNDS)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(folder / f"{kind}.err").open("wb"),
        )
        for kind in KINDS
    }
    try:
        made = {}
        for kind, process in processes.items():
            output, _ = process.communicate(timeout=30 + 5 * ROUNDS)
            assert process.returncode == 0, (folder / f"{kind}.err").read_text(errors="replace")[-2000:]
            made[kind] = json.loads(output)
        yield made
    finally:
        for process in processes.values():
            process.kill()


@pytest.fixture(params=KINDS)
def report(request: pytest.FixtureRequest, reports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return reports[request.param]


def test_sound_flows_again_within_a_second_of_the_devices_return(report: dict[str, Any]) -> None:
    rounds = list(zip(report["recovery_s"], report["stall_s"], strict=True))
    assert len(rounds) >= ROUNDS
    late = [recovery for recovery, stall in rounds if recovery > RETURN_S and stall < MACHINE_STALL_S]
    assert late == []
    recovered = [recovery for recovery, _ in rounds if recovery <= RETURN_S]
    assert len(recovered) > 0.8 * len(rounds)


def test_every_loss_is_noticed_and_every_sample_is_placed(report: dict[str, Any]) -> None:
    n_losses = report["counters"]["overruns" if report["kind"] == "overrun" else "reopened"]
    assert n_losses >= ROUNDS
    assert report["unplaced"] == 0  # what came was the air's own sound
    assert report["went_back"] == 0


def test_the_axis_follows_time_over_all_losses(report: dict[str, Any]) -> None:
    # Two stamps of some tens of microseconds, and a device whose stalled clock went on late: never more than 1 ms.
    assert max(report["offsets"]) - min(report["offsets"]) <= 48


def test_nothing_leaks(report: dict[str, Any]) -> None:
    start, end = report["at_start"], report["at_end"]
    assert end["files"] <= start["files"]
    assert end["threads"] <= start["threads"]
    assert end["python_threads"] <= start["python_threads"]
    assert end["resident_mb"] - start["resident_mb"] < 0.05 * ROUNDS + 2.0
