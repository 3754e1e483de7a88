"""What both programs of commands answer to words that are wrong, and to a reader that goes away."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.__main__ import main as calibration
from calibration.command_line import count, positive
from engine_build.__main__ import main as engine_build

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("text", ["-1", "1.5", "", "x", "nan"])
def test_a_count_is_a_whole_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a whole number"):
        count(text)
    assert (count("0"), count("12")) == (0, 12)


@pytest.mark.parametrize("text", ["0", "-2", "nan", "inf", "much", ""])
def test_a_positive_number_is_finite_and_above_zero(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="not a number above 0"):
        positive(text)
    assert positive("0.25") == 0.25


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (calibration, ["quantize", "stream", "--files", "-1"]),
        (calibration, ["quantize", "stream", "--max-correlation-loss", "nan"]),
        (calibration, ["record", "--out", "x", "--seconds", "0"]),
        (engine_build, ["build", "x.json", "--workspace-mib", "-5"]),
        (engine_build, ["build", "x.json", "--optimization-level", "9"]),
        (engine_build, ["verify", "x.engine", "x.json", "--budget", "-1"]),
        (engine_build, ["bulid", "x.json"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_mean_nothing_are_refused_with_the_usage(
    program, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        program(words)
    assert "usage: python -m" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["calibration", "engine_build"])
def test_output_that_nobody_takes_is_no_error_and_a_full_disk_is_said(package: str) -> None:
    program = (
        "import sys, types, calibration.command_line as c\n"
        "m = types.ModuleType('talk'); m.add_arguments = lambda p: None\n"
        "m.run = lambda a: print('line\\n' * 100000) or 0\n"
        "sys.modules['talk'] = m\n"
        f"sys.exit(c.run_command({package!r}, '', {{'talk': ('talk', 'talks')}}, '', ['talk']))"
    )
    command = [sys.executable, "-c", program]
    gone = subprocess.run(["sh", "-c", '"$@" | head -1', "-", *command], cwd=ROOT, capture_output=True, text=True)
    assert (gone.stdout, gone.stderr) == ("line\n", "")
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "-", *command], cwd=ROOT, capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 65
    assert done.stderr == f"{package}: output: No space left on device. Free some space, or write elsewhere\n"
