"""A card pulled out during an overrun: PortAudio spins for ever, only a new process helps, and nothing else hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pace import Pace
from tests.requirements import need
from tests.virtual_microphone.air import why_not

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).parent.parent.parent


def test_a_library_that_is_stuck_for_good_is_given_up_with_an_error_that_restarts_the_service(tmp_path: Path) -> None:
    missing = why_not()
    need("microphone", not missing, f"the virtual microphone cannot be built; {missing}")
    with Pace() as pace:
        done = subprocess.run(
            [sys.executable, "-m", "tests.virtual_microphone.wedge", str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # PortAudio writes a million lines a second
            timeout=300,
            check=True,
        )
    report = json.loads(done.stdout)
    assert report["noticed_s"] < pace.allowed(1.0)
    assert report["longest_read_s"] < pace.allowed(0.3)
    assert report["longest_open_s"] < pace.allowed(1.5)
    assert report["close_s"] < pace.allowed(0.5)
    assert "stuck" in report["end"]
    assert "Start the program again" in report["end"]
