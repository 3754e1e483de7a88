"""What arrives at a running program - a configuration, a datagram, a connection - never ends it, and no frame is lost.

The real program and a receiver that counts its frames; how much the program says is counted too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.hostile import HUGE
from tests.pace import Pace
from tests.ports import free_tcp_port, free_udp_port
from tests.requirements import need
from tests.system.programs import SPEECH, au_edge, bound_socket, receive_for, running, stop

need("websockets", importlib.util.find_spec("websockets") is not None, 'run `pip install "au-edge[head]"`')
from websockets.sync.client import ClientConnection, connect  # noqa: E402
from websockets.typing import Origin  # noqa: E402

BASE = ("run", "--no-view", "--input", str(SPEECH), "-o", "audio.loop=yes", "-o", "output.osc.enabled=no",
        "-o", "metrics.log_period_s=0", "-o", "output.json.enabled=yes")  # fmt: skip
MOST_LOG_CHARACTERS = 8000  # of one refusal: twenty mistakes, and how many more there are


@dataclass
class Run:
    """A running program and who receives its frames."""

    process: subprocess.Popen[str]
    receiver: socket.socket
    port: int
    config: Path
    log: Path

    def frames(self, seconds: float) -> list[int]:
        """Return the sequence numbers that arrive within a time."""
        found = [json.loads(datagram) for datagram in receive_for(self.receiver, seconds)]
        return [frame["seq"] for frame in found if "seq" in frame]

    @contextmanager
    def counting(self) -> Iterator[list[int]]:
        """Take frames on a thread as long as the block lasts, so that none is lost in a full buffer of the socket."""
        sequence: list[int] = []
        is_over = threading.Event()

        def count() -> None:
            while not is_over.is_set():
                sequence.extend(self.frames(0.1))

        thread = threading.Thread(target=count)
        thread.start()
        try:
            yield sequence
        finally:
            is_over.set()
            thread.join()

    def reload(self, content: str | bytes, limit_s: float = 60.0) -> str:
        """Give another configuration and return what the program says of it."""
        before = self.log.stat().st_size
        self.config.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.kill(self.process.pid, signal.SIGHUP)
        ends_s = time.monotonic() + limit_s
        while time.monotonic() < ends_s and self.process.poll() is None:
            said = self.log.read_text()[before:]
            if "configuration" in said and said.endswith("\n"):
                return said
            time.sleep(0.05)
        raise AssertionError(f"it said nothing; status {self.process.poll()}: {self.log.read_text()[-2000:]}")


@contextmanager
def listening(tmp_path: Path) -> Iterator[Run]:
    """Yield a program that sends, from a configuration that can be reloaded."""
    config, log = tmp_path / "own.conf", tmp_path / "log"
    with bound_socket() as (receiver, port), log.open("w") as errors:
        config.write_text(good(port))
        with running(*BASE, "--config", str(config), errors=errors) as process:
            receiver.recv(65_536)
            yield Run(process, receiver, port, config, log)


def good(port: int, jaw: float = 1.0) -> str:
    return f"[output.json]\nport = {port}\n[gain]\njawOpen = {jaw}\n"


def is_without_gaps(sequence: list[int]) -> bool:
    return sequence == list(range(sequence[0], sequence[0] + len(sequence)))


def endless_map(port: int) -> str:
    return f"{good(port)}[output.rig]\nprotocol = json\nmapping = /dev/zero\n"


BAD: dict[str, Callable[[int], str | bytes]] = {
    "a port of 400 digits": lambda port: f"[output.json]\nport = {HUGE}\n",
    "a limit of 5000 digits": lambda port: f"[limit]\njawOpen = {'9' * 5000}\n",
    "an infinite gain": lambda port: "[gain]\njawOpen = 1e400\n",
    "a NUL": lambda port: b"[head]\nface = a\0b\n",
    "no text": lambda port: bytes(range(256)) * 100,
    "a map that never ends": endless_map,
    "a map that is a pipe": lambda port: f"{good(port)}[output.rig]\nprotocol = robot\nmapping = PIPE\n",
    "weights that never end": lambda port: f"{good(port)}[effort]\nweights = /dev/zero\n",
    "1 MB of unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(80_000)),
    "250 KB of unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(18_000)),
    "1900 unknown keys": lambda port: "[audio]\n" + "".join(f"key{i} = 1\n" for i in range(1_900)),
    "a value of 200 KB": lambda port: f"[life]\nseed = {'y' * 200_000}\n",
    "200 outputs": lambda port: "".join(f"[output.n{i}]\nport = 9\n" for i in range(200)),
    "another microphone": lambda port: f"{good(port)}[audio]\ndevice = other\n",
}


def test_a_reload_is_refused_whole_and_in_few_words_and_no_frame_is_lost(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with listening(tmp_path) as run:
        said = {}
        for name, make in BAD.items():
            content = make(run.port)
            if isinstance(content, str):
                content = content.replace("PIPE", str(tmp_path / "pipe"))
            said[name] = run.reload(content)
        assert "in force" in run.reload(good(run.port, 0.0))
        with Pace() as pace:
            sequence = run.frames(1.0)
        code, _, _ = stop(run.process)
    assert code == 0
    for name, text in said.items():
        assert "configuration not changed" in text, name
        assert "Traceback" not in text
        assert len(text) < MOST_LOG_CHARACTERS, (name, len(text))
    assert len(sequence) > pace.expected(30)
    assert is_without_gaps(sequence)
    print("log characters:", {name: len(text) for name, text in said.items()})


@pytest.mark.parametrize("name", ["a port of 400 digits", "a NUL", "a map that never ends", "1 MB of unknown keys"])
def test_the_same_at_the_start_is_status_78(tmp_path: Path, name: str) -> None:
    config = tmp_path / "own.conf"
    content = BAD[name](9)
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = au_edge(*BASE, "--config", str(config), "--duration", "1")
    assert done.returncode == 78, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < MOST_LOG_CHARACTERS


def test_a_reload_without_descriptors_is_refused_and_the_next_one_is_in_force(tmp_path: Path) -> None:
    with listening(tmp_path) as run:
        pid = run.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        in_use = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use, limits[1]))
        refused = run.reload(good(run.port, 0.0))
        with Pace() as pace:
            while_without = run.frames(1.0)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert "in force" in run.reload(good(run.port, 0.0))
        assert stop(run.process)[0] == 0
    assert "configuration not changed" in refused
    assert "Too many open files" in refused
    assert "Traceback" not in refused
    assert len(refused) < MOST_LOG_CHARACTERS
    assert len(while_without) > pace.expected(25)
    assert is_without_gaps(while_without)


# --- datagrams --------------------------------------------------------------------------------------------------------


def page_of(port: int, limit_s: float = 60.0) -> ClientConnection:
    """Return a page's WebSocket, once the server is there."""
    ends_s = time.monotonic() + limit_s
    while True:
        try:
            sock = socket.create_connection(("127.0.0.1", port), 5.0)
            return connect(f"ws://127.0.0.1:{port}/ws", sock=sock, origin=Origin(f"http://127.0.0.1:{port}"))
        except OSError:
            if time.monotonic() > ends_s:
                raise
            time.sleep(0.1)


def shown_within(page: ClientConnection, seconds: float) -> list[int]:
    """Return the sequence numbers of the frames that a page is sent within a time."""
    found = []
    ends_s = time.monotonic() + seconds
    while (left_s := ends_s - time.monotonic()) > 0:
        try:
            message = page.recv(timeout=left_s)
        except TimeoutError:
            break
        if isinstance(message, bytes) and message[0] == 1:
            found.append(struct.unpack_from("<I", message, 4)[0])
    return found


@pytest.mark.parametrize("protocol", ["osc", "binary"])
def test_junk_from_many_ports_does_not_take_a_frame_from_the_page(tmp_path: Path, protocol: str) -> None:
    port, frames_port = free_tcp_port(), free_udp_port()
    outputs = (f"output.page.protocol={protocol}", f"output.page.port={frames_port}")
    log = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("w"))
        head = ("head", "-o", f"head.port={port}", "-o", f"head.frames_port={frames_port}")
        process = stack.enter_context(running(*head, errors=errors))
        page = stack.enter_context(page_of(port))
        options = (*BASE[:-1], "output.json.enabled=no", "-o", outputs[0], "-o", outputs[1])
        stack.enter_context(running(*options))
        while not shown_within(page, 1.0):
            assert process.poll() is None
        said_before = log.stat().st_size
        control = shown_within(page, 2.0)
        with Pace() as pace:
            stop_junk = stack.enter_context(junk(frames_port))
            under_fire = shown_within(page, 2.0)
            n_sent = stop_junk()
        said = log.stat().st_size - said_before
        assert process.poll() is None
    print(
        f"{n_sent} datagrams of junk; frames before {len(control)}, under it {len(under_fire)}; log {said} characters"
    )
    assert n_sent > pace.expected(1000)
    assert len(under_fire) > 0.5 * len(control) > 0  # 0.02 of them were left when junk displaced the sender
    assert said == 0


@contextmanager
def junk(port: int) -> Iterator[Callable[[], int]]:
    """Send random bytes from 24 source ports until the function it yields is called, which returns how many."""
    stop_it = threading.Event()
    random = np.random.default_rng(1)
    sent = [0]

    def send() -> None:
        with contextlib.ExitStack() as stack:
            senders = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(24)]
            while not stop_it.wait(0.02):
                for sender in senders:
                    start = (b"", b"{", b"#bundle\0", b"AU", b"/face/")[sent[0] % 5]
                    sender.sendto(start + random.bytes(int(random.integers(1, 600))), ("127.0.0.1", port))
                    sent[0] += 1

    thread = threading.Thread(target=send)
    thread.start()

    def end() -> int:
        stop_it.set()
        thread.join()
        return sent[0]

    try:
        yield end
    finally:
        end()


# --- connections ------------------------------------------------------------------------------------------------------


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.parametrize("n_descriptors", [1024, 256])
def test_a_thousand_idle_connections_take_no_frame_no_descriptor_and_no_line_of_the_log(
    tmp_path: Path, n_descriptors: int
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 4096:
        need("descriptors", False, "the hard limit is below what this test holds")
    page_port, metrics_port = free_tcp_port(), free_tcp_port()
    extra = ("head.enabled=yes", f"head.port={page_port}", "metrics.enabled=yes", f"metrics.port={metrics_port}")
    log = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        receiver, port = stack.enter_context(bound_socket())
        errors = stack.enter_context(log.open("w"))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (n_descriptors, limits[1]))  # the program inherits it
        options = [part for o in (*extra, f"output.json.port={port}") for part in ("-o", o)]
        process = stack.enter_context(running(*BASE, *options, errors=errors))
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limits[1]))
        receiver.recv(65_536)
        page = stack.enter_context(page_of(page_port))
        run = Run(process, receiver, port, tmp_path / "none", log)
        run.frames(1.0)
        counting = contextlib.ExitStack()
        sequence = counting.enter_context(run.counting())
        said_before, memory_before = log.stat().st_size, resident_mib(process.pid)
        idle, shown = 0, 0
        pace = counting.enter_context(Pace())
        for at, sent in (
            *((page_port, begun) for begun in (b"", b"GET / HTTP/1.1\r\n", b"")),
            (metrics_port, b"GET /m"),
        ):
            for i in range(400):
                with contextlib.suppress(OSError):
                    sock = stack.enter_context(socket.create_connection(("127.0.0.1", at), 2.0))
                    sock.sendall(sent)
                    idle += 1
                if i % 8 == 0:  # as fast as they are accepted: what waits in the kernel costs the program nothing
                    shown += len(shown_within(page, 0.03))
        shown += len(shown_within(page, 1.0))
        counting.close()
        in_use = len(os.listdir(f"/proc/{process.pid}/fd"))
        memory = resident_mib(process.pid) - memory_before
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=60.0) as scraped:
            assert b"au_edge_metrics_connections_dropped_total" in scraped.read()
        with urllib.request.urlopen(f"http://127.0.0.1:{page_port}/", timeout=60.0) as served:
            assert served.status == 200
        said = log.stat().st_size - said_before
        code = stop(process)[0]
    print(f"{idle} idle connections: {in_use} descriptors in use, {memory:.1f} MiB more, log {said} characters")
    assert code == 0
    assert idle > 1150
    assert is_without_gaps(sequence)
    assert len(sequence) > 25
    assert shown > pace.expected(0.8 * len(sequence))
    assert in_use < n_descriptors - 16
    assert memory < 24
    assert said < 1000
