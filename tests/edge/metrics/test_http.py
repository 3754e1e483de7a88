"""Metrics over HTTP, read by Prometheus' own parser."""

from __future__ import annotations

import json
import socket
import struct
import threading
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.errors import DeviceError
from edge.machine.clock import SystemClock
from edge.metrics.counters import Metrics
from edge.metrics.http import MetricsServer


@pytest.fixture
def served():
    metrics = Metrics()
    clock = SystemClock()
    server = MetricsServer(metrics, lambda: None, lambda: {"board_celsius": 41.5}, clock, "127.0.0.1", 0)
    server.open()
    yield metrics, clock, f"http://127.0.0.1:{server.port}"
    server.close()
    server.close()


def _get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        return err.code, err.read()


def test_prometheus_reads_what_was_counted(served) -> None:
    metrics, _, url = served
    metrics.frames["live"] = 7
    metrics.late_frames = 2
    metrics.output_counters = {"osc": {"sent": 5, "failed": 1}}
    metrics.control_counters = {"OSC at udp://127.0.0.1:9010": {"taken": 3, "refused": 4}}
    for duration_s in (0.001, 0.002, 5.0):
        metrics.observe("inference", duration_s)
    status, text = _get(url + "/metrics")
    assert status == 200
    samples = {
        (s.name, *sorted(s.labels.items())): s.value
        for f in text_string_to_metric_families(text.decode())
        for s in f.samples
    }
    assert samples[("au_edge_frames_total", ("state", "live"))] == 7
    assert samples[("au_edge_late_frames_total",)] == 2
    assert samples[("au_edge_output_frames_total", ("fate", "failed"), ("output", "osc"))] == 1
    way = ("control", "OSC at udp://127.0.0.1:9010")
    assert samples[("au_edge_control_total", way, ("fate", "refused"))] == 4
    assert samples[("au_edge_stage_seconds_count", ("stage", "inference"))] == 3
    assert samples[("au_edge_stage_seconds_sum", ("stage", "inference"))] == pytest.approx(5.003)
    assert samples[("au_edge_stage_seconds_bucket", ("le", "0.001"), ("stage", "inference"))] == 1
    assert samples[("au_edge_stage_seconds_bucket", ("le", "1.0"), ("stage", "inference"))] == 2
    assert samples[("au_edge_sensor", ("sensor", "board_celsius"))] == 41.5


def test_an_output_has_one_state_and_it_is_that_of_now(served) -> None:
    metrics, _, url = served
    for state in ("no such name yet", "no route", "refused", "up"):
        metrics.output_states = {"osc": state, "json": "off"}
        families = text_string_to_metric_families(_get(url + "/metrics")[1].decode())
        (found,) = [family for family in families if family.name == "au_edge_output_state"]
        assert found.type == "gauge"
        told = {(s.labels["output"], s.labels["state"], s.value) for s in found.samples}
        assert told == {("osc", state, 1.0), ("json", "off", 1.0)}


def test_health_is_that_of_the_frames(served) -> None:
    metrics, clock, url = served
    assert _get(url + "/healthz")[0] == 503
    metrics.last_frame_s = clock.monotonic_s()
    metrics.state = "live"
    status, text = _get(url + "/healthz")
    assert (status, json.loads(text)["state"]) == (200, "live")
    metrics.state = "held"
    assert _get(url + "/healthz")[0] == 503
    metrics.state = "silence"
    metrics.last_frame_s = clock.monotonic_s() - 5
    assert _get(url + "/healthz")[0] == 503


def test_nothing_else_is_served(served) -> None:
    for path in ("/", "/../etc/passwd", "/metrics/x", "/%2e%2e/"):
        assert _get(served[2] + path)[0] == 404


def test_a_port_in_use_is_an_error_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = MetricsServer(Metrics(), lambda: None, dict, SystemClock(), "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(DeviceError, match=r"metrics\.port"):
            server.open()


def test_garbage_does_not_stop_it(served) -> None:
    host, port = served[2].removeprefix("http://").split(":")
    for garbage in (b"\x00" * 100, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\xff\xfe\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=2) as client:
            client.sendall(garbage)
    assert _get(served[2] + "/metrics")[0] == 200


def _silent(url: str, n: int, sent: bytes = b"") -> list[socket.socket]:
    host, _, port = url.removeprefix("http://").partition(":")
    found = []
    for _ in range(n):
        found.append(socket.create_connection((host, int(port)), 5.0))
        found[-1].sendall(sent)
    return found


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX: ", b"\0" * 100, b"GET " + b"x" * 5000])
def test_connections_that_say_little_give_way_to_a_scrape_and_leave_no_traceback(
    served, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    _, _, url = served
    before = set(threading.enumerate())
    held = _silent(url, 50, sent)
    for _ in range(5):
        assert _get(url + "/metrics")[0] == 200
        held += _silent(url, 5, sent)
    assert len(set(threading.enumerate()) - before) < 30
    status, text = _get(url + "/metrics")
    for connection in held:  # with a reset, as a client that crashes
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert status == 200
    dropped = next(
        s.value for f in text_string_to_metric_families(text.decode()) for s in f.samples
        if s.name == "au_edge_metrics_connections_dropped_total"
    )  # fmt: skip
    assert dropped >= 30 or sent == b"\0" * 100
    assert _get(url + "/healthz")[0] in (200, 503)
    assert capfd.readouterr().err == ""
