"""However its output and its files end, a command ends with the right status, a line, and no half of a file."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.programs import ROOT, environment

PROGRAMS = {
    "edge": ("edge", "protocols"),
    "help": ("edge", "protocols", "--help"),
    "calibration": ("calibration", "--help"),
    "benchmarks": ("tests.benchmarks", "--help"),
}
WRONG = {
    "edge": (("edge", "run", "--nonsense"), 2),
    "input": (("edge", "render", "nowhere.wav", "--out", "nowhere.csv"), 65),
    "calibration": (("calibration",), 2),
    "benchmarks": (("tests.benchmarks", "page", "nowhere.json", "--out", "nowhere.html"), 65),
}


def start(words: tuple[str, ...], shell: str = "", **streams: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *words]
    if shell:
        command = ["sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(PYTHONUNBUFFERED="", PYTHONPATH=str(ROOT)),
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **streams}, text=True,
    )  # fmt: skip


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = run.communicate(timeout=300.0)
    return run.returncode, said or ""


def gone_terminal(closing: contextlib.ExitStack) -> int:
    master, slave = pty.openpty()
    os.close(master)
    closing.callback(os.close, slave)
    return slave


def full_disk(closing: contextlib.ExitStack) -> int:
    return closing.enter_context(open("/dev/full", "wb")).fileno()


@pytest.mark.parametrize("place", [full_disk, gone_terminal])
def test_an_output_that_takes_nothing_is_said_and_has_its_status(place: Callable[[contextlib.ExitStack], int]) -> None:
    with contextlib.ExitStack() as closing:
        descriptor = place(closing)
        runs = {name: start(words, stdout=descriptor) for name, words in PROGRAMS.items()}
        both = {name: start(words, stdout=descriptor, stderr=descriptor) for name, (words, _) in WRONG.items()}
        for name, run in runs.items():
            status, said = ended(run)
            assert (status, len(said.splitlines())) == (65, 1), f"{name}: {said}"
            assert "output: " in said
        for name, run in both.items():
            assert ended(run)[0] == WRONG[name][1], name


def test_streams_that_the_shell_closed_change_no_status() -> None:
    runs = {name: start(words, ">&- 2>&-") for name, words in PROGRAMS.items()}
    wrong = {name: start(words, "<&- >&- 2>&-") for name, (words, _) in WRONG.items()}
    for name, run in runs.items():
        assert ended(run)[0] == 0, name
    for name, run in wrong.items():
        assert ended(run)[0] == WRONG[name][1], name


@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_file_becomes_a_stream_that_the_shell_closed(tmp_path: Path, streams: str) -> None:
    # What a library prints goes to descriptors 1 and 2, whatever they are.
    lines = (
        "import os\nfrom edge.exit_status import exit_status\n"
        "def command():\n"
        "    with open('kept', 'w') as file:\n"
        "        for descriptor in (1, 2): os.write(descriptor, b'a word of a library')\n"
        "        file.write('whole')\n"
        "    return 0\n"
        "raise SystemExit(exit_status('it', command))\n"
    )
    command = ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-c", lines]
    environment_ = environment(PYTHONPATH=str(ROOT))
    assert subprocess.run(command, cwd=tmp_path, env=environment_, capture_output=True, check=False).returncode == 0
    assert (tmp_path / "kept").read_text() == "whole"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_child_and_no_file_behind(tmp_path: Path, number: signal.Signals) -> None:
    lines = (
        "import pathlib, subprocess, sys\nimport edge.commands.render as render\n"
        "from edge.machine.whole_file import whole_file\n"
        "def film(arguments):\n"
        "    child = subprocess.Popen(['sleep', '300'])\n"
        "    try:\n"
        "        with whole_file(pathlib.Path('film'), 'w') as file:\n"
        "            print(child.pid, flush=True)\n"
        "            child.wait()\n"
        "    finally:\n"
        "        child.kill()\n"
        "render.run = film\nfrom edge.cli import main\nsys.exit(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", lines, "render", "speech.wav"], cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        child = int(run.stdout.readline())
        run.send_signal(number)
        status, said = ended(run)
    assert (status, said) == (-number, "")
    assert list(tmp_path.iterdir()) == []
    ends_s = time.monotonic() + 60.0
    while Path(f"/proc/{child}").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < ends_s
        time.sleep(0.01)


@pytest.mark.parametrize(
    "words",
    [("-m", "edge"), ("-m", "calibration"), ("-m", "engine_build"), ("-m", "tests.benchmarks"),
     ("-c", "import sys\nfrom edge.__main__ import main\nsys.exit(main())")],
    ids=["edge", "calibration", "engine_build", "benchmarks", "au-edge"],
)  # fmt: skip
def test_ctrl_c_while_modules_are_imported_says_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    # One of the modules that they all need takes as long to import as a slow disk makes it.
    (tmp_path / "argparse.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(300.0)\n")
    environment_ = environment(PYTHONPATH=f"{tmp_path}:{ROOT}")
    with subprocess.Popen(
        [sys.executable, *words, "--help"], cwd=ROOT, env=environment_, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == "importing\n"
        run.send_signal(signal.SIGINT)
        status, said = ended(run)
    assert said == ""
    assert status in (-signal.SIGINT, 130)


def test_a_start_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    lines = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from edge.machine.starting import end_unheard, hear_again\n"
        "end_unheard(); hear_again()\n"
        "assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "end_unheard()\nassert signal.getsignal(signal.SIGINT) is signal.SIG_DFL\n"
        "hear_again()\nassert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    subprocess.run([sys.executable, "-c", lines], env=environment(PYTHONPATH=str(ROOT)), check=True)
