"""Prometheus metrics and /healthz over HTTP, by the prometheus_client library; listens only where it is configured.

Nothing is counted twice: a scrape reads the numbers that the frame loop keeps anyway.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from edge.contracts import Clock
from edge.errors import ConfigurationError, DeviceError
from edge.machine.address import BIND_ERRORS, bind_fault, is_unknown_host
from edge.machine.descriptors import connection_share
from edge.metrics.counters import BOUNDS_S, Histogram, Metrics

MOST_CONNECTIONS = 8  # Prometheus keeps one
CONNECTION_LIMIT_S = 10.0  # from its begin to the end of the answer
ACCEPT_PAUSE_S = 0.1
FRESH_S = 1.0  # frames come 30 times a second; a second without one is a fault
_HEARING = ("live", "silence")
_log = logging.getLogger("au-edge.metrics")


class MetricsCollector:
    """Turns the program's counters into Prometheus families at each scrape.

    Args:
        metrics: The counters.
        refresh: Brings the counters of sources and outputs up to date.
        sensors: Returns name -> value of temperatures (`*_celsius`) and powers (`*_watts`) of this machine.
        dropped: Returns how many connections to this endpoint gave way or went wrong.
    """

    def __init__(
        self,
        metrics: Metrics,
        refresh: Callable[[], object],
        sensors: Callable[[], dict[str, float]] = dict,
        dropped: Callable[[], int] = int,
    ) -> None:
        self._dropped = dropped
        self._metrics = metrics
        self._refresh = refresh
        self._sensors = sensors

    def collect(self) -> Iterator[Any]:
        """Yield the families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        self._refresh()
        metrics = self._metrics
        frames = CounterMetricFamily("au_edge_frames", "Frames sent, by state", labels=["state"])
        for state, count in metrics.frames.items():
            frames.add_metric([state], count)
        yield frames
        for name, text, n in (
            ("late_frames", "Frames dropped because their sound was too old", metrics.late_frames),
            ("skipped_frames", "Frames that lay in lost sound", metrics.skipped_frames),
            ("source_losses", "Times that the source of sound went away", metrics.source_losses),
            ("metrics_connections_dropped", "Connections to this endpoint that gave way, or failed", self._dropped()),
        ):
            yield CounterMetricFamily(f"au_edge_{name}", text, value=n)
        source = CounterMetricFamily("au_edge_source", "Counts of the source of sound", labels=["what"])
        for what, count in metrics.source_counters.items():
            source.add_metric([what], count)
        yield source
        control = CounterMetricFamily("au_edge_control", "Wishes of applications, by way", labels=["control", "fate"])
        for way, counters in metrics.control_counters.items():
            for fate, count in counters.items():
                control.add_metric([way, fate], count)
        yield control
        outputs = CounterMetricFamily("au_edge_output_frames", "Frames by output and fate", labels=["output", "fate"])
        for output, counters in metrics.output_counters.items():
            for fate, count in counters.items():
                outputs.add_metric([output, fate], count)
        yield outputs
        states = GaugeMetricFamily("au_edge_output_state", "1 for how it stands", labels=["output", "state"])
        for output, state in metrics.output_states.items():
            states.add_metric([output, state], 1)
        yield states
        stages = HistogramMetricFamily("au_edge_stage_seconds", "Time of each stage of a frame", labels=["stage"])
        for stage, histogram in metrics.stages.items():
            stages.add_metric([stage], _buckets(histogram), histogram.total_s)
        yield stages
        sensors = GaugeMetricFamily("au_edge_sensor", "Temperature and power of this machine", labels=["sensor"])
        for sensor, value in self._sensors().items():
            sensors.add_metric([sensor], value)
        yield sensors


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return cumulative counts by upper bound, as Prometheus has them."""
    total = 0
    buckets = []
    for bound, count in zip((*BOUNDS_S, float("inf")), list(histogram.counts), strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
    return buckets


def health(metrics: Metrics, now_s: float) -> tuple[bool, dict[str, Any]]:
    """Return whether frames flow and rest on sound, and the facts behind it.

    Args:
        metrics: The counters.
        now_s: CLOCK_MONOTONIC.
    """
    age_s = now_s - metrics.last_frame_s
    is_well = age_s <= FRESH_S and metrics.state in _HEARING
    return is_well, {
        "healthy": is_well,
        "state": metrics.state,
        "seconds_since_frame": round(age_s, 3) if metrics.last_frame_s else None,
    }


class MetricsServer:
    """Serves /metrics and /healthz on its own thread.

    Args:
        metrics: The counters.
        refresh: See `MetricsCollector`.
        sensors: See `MetricsCollector`.
        clock: For the age of the newest frame.
        host: Address to listen at.
        port: Port; 0 for any.
    """

    def __init__(
        self,
        metrics: Metrics,
        refresh: Callable[[], object],
        sensors: Callable[[], dict[str, float]],
        clock: Clock,
        host: str,
        port: int,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._address = (host, port)
        self._collector = MetricsCollector(metrics, refresh, sensors, lambda: self.n_dropped)
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """Return the port that is listened at."""
        return self._server.server_port if self._server is not None else self._address[1]

    @property
    def n_dropped(self) -> int:
        """Return how many connections gave way, took too long or went wrong."""
        return self._server.n_dropped if self._server is not None else 0

    def open(self) -> None:
        """Begin to listen.

        Raises:
            ConfigurationError: The library is not installed.
            DeviceError: The address cannot be had.
        """
        host, port = self._address
        asked = f"metrics at {host}:{port}"
        try:
            from prometheus_client import CollectorRegistry, make_wsgi_app
        except ImportError as err:
            remedy = "pip install 'au-edge[metrics]', or set metrics.enabled = no"
            raise ConfigurationError(asked, "prometheus_client is not installed", remedy) from err
        registry = CollectorRegistry()
        registry.register(self._collector)
        pages = make_wsgi_app(registry)

        def application(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                answer: Iterable[bytes] = pages(environ, respond)
                return answer
            if path == "/healthz":
                is_well, facts = health(self._metrics, self._clock.monotonic_s())
                respond("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "application/json")])
                return [json.dumps(facts).encode() + b"\n"]
            respond("404 Not Found", [("Content-Type", "text/plain")])
            return [b"/metrics and /healthz are here\n"]

        try:
            self._server = make_server(host, port, application, _Server, _Quiet)
        except BIND_ERRORS as err:
            remedy = f"Choose another metrics.{'host' if is_unknown_host(err) else 'port'}"
            raise DeviceError(asked, bind_fault(err), remedy) from err
        threading.Thread(target=self._server.serve_forever, name="au-edge-metrics", daemon=True).start()
        _log.info("metrics at http://%s:%d/metrics", host, self.port)

    def close(self) -> None:
        """Stop listening; may be called twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingMixIn, WSGIServer):
    """One thread for each connection, and few of them; the one that has been at it longest gives way to a new one.

    Attributes:
        n_dropped: Connections that gave way, took too long or went wrong.
    """

    daemon_threads = True
    request_queue_size = 128  # connections that wait in the kernel take no descriptor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._most = connection_share(MOST_CONNECTIONS)
        self._open: OrderedDict[socket.socket, float] = OrderedDict()
        self._lock = threading.Lock()
        self.n_dropped = 0
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; where no descriptor is left it waits in the queue, and this does not spin."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(ACCEPT_PAUSE_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own."""
        with self._lock:
            while len(self._open) >= self._most:
                self._drop(next(iter(self._open)))
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Let go who takes too long; called twice a second."""
        with self._lock:
            now_s = time.monotonic()
            for request in [r for r, began_s in self._open.items() if now_s - began_s > CONNECTION_LIMIT_S]:
                self._drop(request)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Count what a client did wrong; a traceback for each would fill the journal."""
        self.n_dropped += 1

    def _drop(self, request: socket.socket) -> None:
        """Have a connection's thread end: what it waits for comes to an end."""
        del self._open[request]
        self.n_dropped += 1
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class _Quiet(WSGIRequestHandler):
    timeout = 5  # a client that opens a connection and says nothing is let go

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every few seconds would fill the journal."""

    def get_stderr(self) -> Any:
        """Return where tracebacks go: nowhere, for a client that hangs up causes them."""
        return io.StringIO()
