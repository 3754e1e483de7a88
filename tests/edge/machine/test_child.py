"""What is started ends with who started it, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.machine.child import EXIT_NO_PROGRAM, ending_with_this
from tests.system.programs import GIVE_UP_S, ROOT, environment


def is_running(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def wait_until_gone(process: int) -> None:
    ends_s = time.monotonic() + GIVE_UP_S
    while is_running(process):
        assert time.monotonic() < ends_s
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(number: signal.Signals) -> None:
    lines = (
        "import subprocess, sys\nfrom edge.machine.child import ending_with_this\n"
        "child = subprocess.Popen(ending_with_this(['sh', '-c', 'echo here; exec sleep 300']))\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )
    command = [sys.executable, "-c", lines]
    with subprocess.Popen(command, env=environment(PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip() for _ in range(2)}
        child = int((said - {"here"}).pop())
        assert is_running(child)
        parent.send_signal(number)
        wait_until_gone(child)


def test_a_child_whose_parent_has_ended_already_does_not_begin() -> None:
    command = ending_with_this(["echo", "here"])
    command[command.index(str(os.getpid()))] = "1" if os.getpid() != 1 else "2"
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, b"")


def test_the_program_gets_its_arguments_and_gives_its_status(tmp_path: Path) -> None:
    command = ["sh", "-c", 'printf "%s|" "$@"; pwd; exit 7', "sh", "a b", "--", "-o", ""]
    done = subprocess.run(ending_with_this(command), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"a b|--|-o||{tmp_path}\n", "")


def test_a_program_that_is_not_there_is_named() -> None:
    done = subprocess.run(ending_with_this(["/nowhere/at-all"]), capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_NO_PROGRAM
    assert done.stderr == "/nowhere/at-all: No such file or directory\n"
