"""The program as a service: what it tells systemd, and what SIGHUP does, over real sockets and signals."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pace import Pace
from tests.system.programs import ROOT, SPEECH, bound_socket, environment, receive_for, running, stop

BASE = ("run", "--no-view", "--input", str(SPEECH), "--loop", "-o", "output.osc.enabled=no")


@contextmanager
def service_manager(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket as systemd would bind it, and its path."""
    path = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(60)
        yield manager, path


def _notes(manager: socket.socket, seconds: float) -> list[str]:
    return [note.decode() for note in receive_for(manager, seconds)]


def test_ready_after_the_first_frame_then_status_watchdog_and_stopping(tmp_path: Path) -> None:
    with (
        service_manager(tmp_path) as (manager, path),
        bound_socket() as (receiver, port),
        running(*BASE, "-o", f"output.json.port={port}", NOTIFY_SOCKET=path, WATCHDOG_USEC="400000") as run,
    ):
        first = manager.recv(4096).decode()
        assert first.startswith("READY=1")
        receiver.setblocking(False)
        assert receiver.recv(65_536), "ready was said before a frame was sent"
        with Pace() as pace:
            notes = _notes(manager, 2.0)
        assert sum("WATCHDOG=1" in note for note in notes) >= pace.expected(8)
        status = [note for note in notes if note.startswith("STATUS=")]
        assert status
        assert "p99" in status[-1]
        assert "lost" in status[-1]
        with Pace() as pace:
            code, seconds, _ = stop(run)
        assert (code, seconds < pace.allowed(1.0)) == (0, True)
        assert any("STOPPING=1" in note for note in _notes(manager, 0.3))


def test_a_loop_that_does_not_turn_feeds_no_watchdog(tmp_path: Path) -> None:
    """The engine thread alone is stopped: by reading a pipe that the test never fills, in a source that blocks."""
    script = (
        "import pathlib, sys, threading\n"
        "from edge.cli import main\n"
        "from edge.sources.sound_file import SoundFileSource\n"
        "real = SoundFileSource.read\n"
        "frozen = threading.Event()\n"
        "def read(self, timeout_s):\n"
        "    if pathlib.Path(__file__).with_name('freeze').exists(): frozen.wait()\n"
        "    return real(self, timeout_s)\n"
        "SoundFileSource.read = read\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    program = tmp_path / "frozen.py"
    program.write_text(script)
    import subprocess
    import sys

    from tests.system.programs import ROOT, environment

    with service_manager(tmp_path) as (manager, path):
        env = environment(NOTIFY_SOCKET=path, WATCHDOG_USEC="300000", PYTHONPATH=str(ROOT))
        run = subprocess.Popen([sys.executable, str(program), *BASE], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
        try:
            assert manager.recv(4096).decode().startswith("READY=1")
            while "WATCHDOG=1" not in manager.recv(4096).decode():
                pass
            (tmp_path / "freeze").touch()
            _notes(manager, 1.0)  # it comes to that
            assert not any("WATCHDOG=1" in note for note in _notes(manager, 1.5)), "a frozen loop fed the watchdog"
            run.send_signal(signal.SIGTERM)
            assert run.wait(120.0) != 0, "a loop that hangs ends the program with an error, not in silence"
        finally:
            run.kill()
            run.wait()


def _sequences(frames: list[bytes]) -> list[int]:
    return [json.loads(frame)["seq"] for frame in frames]


def test_hangup_applies_a_new_configuration_without_losing_a_frame(tmp_path: Path) -> None:
    config = tmp_path / "own.conf"
    with service_manager(tmp_path) as (manager, path), bound_socket() as (receiver, port):
        config.write_text(f"[output.json]\nport = {port}\n")
        with running(*BASE, "--config", str(config), NOTIFY_SOCKET=path) as run:
            assert manager.recv(4096).decode().startswith("READY=1")
            frames = receive_for(receiver, 1.0)
            config.write_text(f"[output.json]\nport = {port}\n[gain]\njawOpen = 0\n")
            os.kill(run.pid, signal.SIGHUP)
            notes = _notes(manager, 1.0)
            frames += receive_for(receiver, 2.0)
            assert stop(run)[0] == 0
    reloading = next(i for i, note in enumerate(notes) if "RELOADING=1" in note)
    assert "MONOTONIC_USEC=" in notes[reloading]
    assert any("READY=1" in note for note in notes[reloading:])
    sequence = _sequences(frames)
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence))), "a frame was lost at the change"
    jaw = [json.loads(frame)["au"].get("jawOpen", 0.0) for frame in frames]
    assert max(jaw[:30]) > 0.02
    assert max(jaw[-30:]) == 0


def test_hangup_with_a_mistake_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "own.conf"
    with service_manager(tmp_path) as (manager, path), bound_socket() as (receiver, port):
        config.write_text(f"[output.json]\nport = {port}\n")
        with running(*BASE, "--config", str(config), NOTIFY_SOCKET=path) as run:
            assert manager.recv(4096).decode().startswith("READY=1")
            for bad in (
                "[output.json]\nport = 1\n[gain]\njawopen = 0\n",
                "[outpt]\n",
                "[audio]\nperiod_samples = 512\n",
            ):
                config.write_text(bad)
                os.kill(run.pid, signal.SIGHUP)
                time.sleep(0.3)
            notes = _notes(manager, 0.5)
            with Pace() as pace:
                frames = receive_for(receiver, 1.0)
            code, _, errors = stop(run)
    assert code == 0
    assert sum("RELOADING=1" in note for note in notes) == 3
    assert sum("READY=1" in note for note in notes) >= 3, "systemd waits for READY also after a refusal"
    assert len(frames) > pace.expected(25)
    assert "jawOpen" in errors
    assert "Traceback" not in errors


def test_signals_in_any_number_leave_it_able_to_stop(tmp_path: Path) -> None:
    """A handler that takes a lock hangs when it interrupts the holder of that lock."""
    arguments = ("run", "--no-view", "-o", "audio.source=silence", "-o", "output.osc.enabled=no")
    log = tmp_path / "log"
    with bound_socket() as (receiver, port), log.open("wb") as errors:
        program = subprocess.Popen(
            [sys.executable, "-m", "edge", *arguments, "-o", f"output.json.port={port}"],
            cwd=ROOT, env=environment(), stderr=errors,
        )  # fmt: skip
        try:
            receiver.recv(65_536)
            for i in range(2000):
                program.send_signal(signal.SIGHUP)
                if i % 3 == 0:
                    time.sleep(0.0003)
            with Pace() as pace:
                program.send_signal(signal.SIGTERM)
                began_s = time.monotonic()
                status = program.wait(120.0)
                seconds = time.monotonic() - began_s
            assert (status, seconds < pace.allowed(3.0)) == (0, True), f"{seconds:.2f} s"
        finally:
            program.kill()
            program.wait()
    assert "Traceback" not in log.read_text()


def test_a_closed_terminal_ends_the_program() -> None:
    """It hears of it by SIGHUP, which is not a new configuration then."""
    controller, terminal = pty.openpty()
    with bound_socket() as (receiver, port):
        program = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--input", str(SPEECH), "--loop", "-o", f"output.json.port={port}"],
            cwd=ROOT, env=environment(TERM="xterm"), stdin=terminal, stdout=terminal, stderr=terminal,
            preexec_fn=_own_terminal,
        )  # fmt: skip
        try:
            os.close(terminal)
            receiver.recv(65_536)
            time.sleep(0.5)
            with Pace() as pace:
                began_s = time.monotonic()
                os.close(controller)
                status = program.wait(120.0)
                seconds = time.monotonic() - began_s
            assert (status, seconds < pace.allowed(3.0)) == (0, True), f"{seconds:.2f} s"
            assert json.loads(receive_for(receiver, 0.2)[-1])["state"] == "stopping"
        finally:
            program.kill()
            program.wait()


def _own_terminal() -> None:
    """Make standard input the controlling terminal of a new session, as a terminal emulator does."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
