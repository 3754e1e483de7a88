"""The real program, and strangers at the door at which others speak: they take no frame and little of the log."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import socket
import threading
import time

import numpy as np

from tests.edge.sources.test_pcm_stream import wav
from tests.edge.sources.test_stream_decoder import encoded
from tests.pace import Pace
from tests.ports import free_tcp_port
from tests.requirements import need, need_module
from tests.system.programs import stop
from tests.system.talking import Watcher, talking

N_DESCRIPTORS = 256
HANDSHAKE = b"GET / HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + (
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def count(watcher: Watcher, since_s: float) -> int:
    return sum(seen.at_s > since_s for seen in list(watcher.seen))


def test_idle_and_refused_connections_take_no_frame_no_descriptor_and_few_lines() -> None:
    need("websockets", importlib.util.find_spec("websockets") is not None, 'run `pip install "au-edge[head]"`')
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 4096:
        need("descriptors", False, "the hard limit is below what this test holds")
    port = free_tcp_port()
    options = ("audio.source=websocket", f"audio.address=127.0.0.1:{port}", "metrics.log_period_s=0")
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (N_DESCRIPTORS, limits[1]))  # the program inherits it
        process, watcher = stack.enter_context(talking(*options, "model.path=stream"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limits[1]))
        began_s = time.monotonic()
        with Pace() as pace:
            for i in range(400):
                with contextlib.suppress(OSError):
                    idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), 2.0))
                    idle.sendall((b"", b"GET / HTTP/1.1\r\n", HANDSHAKE)[i % 3])
                time.sleep(0.005)
        shown = count(watcher, began_s)
        in_use = len(os.listdir(f"/proc/{process.pid}/fd"))
        code, _, log = stop(process)
    assert code == 0
    assert shown > pace.expected(50)  # of 60 at least
    assert in_use < N_DESCRIPTORS // 2
    assert "Traceback" not in log
    assert len(log) < 6000, log


def test_bytes_without_an_end_and_without_sound_take_no_frame() -> None:
    need_module("av")
    speech = encoded("mp3")
    port = free_tcp_port()
    with talking("audio.source=tcp", f"audio.address=127.0.0.1:{port}", "model.path=stream") as (process, watcher):
        with socket.create_connection(("127.0.0.1", port), timeout=60.0) as client:
            client.sendall(wav(np.zeros((100, 1), np.int16)) + b"RIFF" * 5000)
        is_over = threading.Event()

        def flood() -> None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60.0) as client:
                client.sendall(speech)
                while not is_over.is_set():
                    client.sendall(bytes(65_536))

        thread = threading.Thread(target=flood)
        thread.start()
        watcher.wait_for("live")
        time.sleep(2.2)  # it is over, and what is taken now holds no sound
        began_s = time.monotonic()
        with Pace() as pace:
            time.sleep(2.0)
        shown = count(watcher, began_s)
        is_over.set()
        code, _, log = stop(process)
        thread.join()
    pace.skip_if_late(shown > 40)
    assert code == 0
    assert shown > 40  # of 60; none came
    assert "Traceback" not in log
