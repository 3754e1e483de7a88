"""Everything that computes frames in this process, in one list, so that each round runs them one after another."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.app import find_manifest, make_backend, make_features, protocol_options
from edge.bench.lanes import Lane, load_speech, open_lane
from edge.config.reading import load_settings
from edge.contracts import InferenceSession
from edge.frames import AUFrame, State
from edge.machine.clock import SystemClock
from edge.manifest import Manifest
from tests.benchmarks.networks import PaperNetworks
from tests.benchmarks.straightforward import WINDOW_SAMPLES, Straightforward, librosa_features

RATE_HZ = 44_100
BACKEND = "onnxruntime"
N_PATH_FRAMES = 60
N_OUTPUTS = (1, 2, 4, 8, 16)


@dataclass
class Contender:
    """Something that is timed.

    Attributes:
        name: For the table.
        run: Does its work `n_units` times.
        n_units: Units of a round.
        cpu_ms: Processor time a unit, one value a round.
    """

    name: str
    run: Callable[[], Any]
    n_units: int
    cpu_ms: list[float] = field(default_factory=list)

    def measure(self) -> None:
        """Run once and keep the time."""
        began_s = time.thread_time()
        self.run()
        self.cpu_ms.append((time.thread_time() - began_s) / self.n_units * 1e3)


class Bench:
    """The contenders of this process, with what they need.

    Args:
        networks: The paper's.
    """

    def __init__(self, networks: PaperNetworks) -> None:
        self._sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sink.bind(("127.0.0.1", 0))
        self._sink.setblocking(False)
        self._sound = load_speech(RATE_HZ)
        self._settings = load_settings(protocol_options(), None, [])
        self._lanes: list[Lane] = []
        self._sessions: list[InferenceSession] = []
        shipped = find_manifest(self._settings.model.path)
        port = self._sink.getsockname()[1]
        self._peer = Straightforward(networks.module, networks.float32.channels, port)
        self.paths = [
            Contender("librosa + PyTorch eager", lambda: self._peer.run(self._sound, N_PATH_FRAMES), N_PATH_FRAMES),
            self._lane("au-edge, paper's network, float32", networks.float32, port),
            self._lane("au-edge, paper's network, int8", networks.int8, port),
            self._lane(f"au-edge, shipped network ({shipped.name}, {shipped.precision})", shipped, port),
        ]
        self.features = self._features(networks.int8, shipped)
        self.inferences = self._inferences(networks)
        self.outputs = [self._outputs(n, shipped, port) for n in N_OUTPUTS]
        self.codecs = [self._outputs(1, shipped, port, protocol) for protocol in ("osc", "json", "binary")]

    def drain(self) -> None:
        """Empty the socket that everything is sent to."""
        while True:
            try:
                self._sink.recv(65536)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Release everything."""
        for lane in self._lanes:
            lane.transport.close()
            lane.session.close()
        for session in self._sessions:
            session.close()
        self._peer.close()
        self._sink.close()

    def _lane(self, name: str, manifest: Manifest, port: int) -> Contender:
        lane = open_lane(self._settings, manifest, BACKEND, port, "osc")
        self._lanes.append(lane)
        return Contender(name, lambda: lane.run(self._sound, N_PATH_FRAMES), N_PATH_FRAMES)

    def _features(self, paper: Manifest, shipped: Manifest) -> list[Contender]:
        windows = [self._sound[at : at + WINDOW_SAMPLES] for at in range(20_000, 20_000 + 1470 * 50, 1470)]

        def ours(manifest: Manifest) -> Callable[[], None]:
            extractor = make_features(manifest)
            out = np.zeros(extractor.shape, np.float32)
            cut = [window[-extractor.window_samples :] for window in windows]

            def run() -> None:
                for _ in range(4):
                    for window in cut:
                        extractor.compute(window, out)

            return run

        return [
            Contender("librosa, paper's spectrogram", lambda: [librosa_features(w) for w in windows], len(windows)),
            Contender("au-edge, paper's spectrogram", ours(paper), 4 * len(windows)),
            Contender(f"au-edge, features of {shipped.name}", ours(shipped), 4 * len(windows)),
        ]

    def _inferences(self, networks: PaperNetworks) -> list[Contender]:
        import torch

        features = make_features(networks.float32)
        frame = np.zeros(features.shape, np.float32)
        features.compute(self._sound[30_000 : 30_000 + WINDOW_SAMPLES], frame)
        tensor, state = torch.from_numpy(frame)[None], networks.module.initial_state(1)

        def eager() -> None:
            with torch.no_grad():
                for _ in range(N_PATH_FRAMES):
                    networks.module(tensor, state)

        def session(lane: Lane) -> Callable[[], None]:
            return lambda: _steps(lane.session)

        float32, int8, shipped = self._lanes
        for lane in (float32, int8):
            lane.session.features[...] = frame
        found = [
            Contender("PyTorch eager, paper's network", eager, N_PATH_FRAMES),
            Contender("ONNX Runtime, paper's network, float32", session(float32), N_PATH_FRAMES),
            Contender("ONNX Runtime, paper's network, int8", session(int8), N_PATH_FRAMES),
            Contender("ONNX Runtime, shipped network", session(shipped), N_PATH_FRAMES),
        ]
        second = make_backend("openvino", self._settings)
        if second.probe(networks.int8) is None:
            opened = second.open(networks.int8)
            opened.features[...] = frame
            self._sessions.append(opened)
            steps = Contender("OpenVINO, paper's network, int8", lambda: _steps(opened), N_PATH_FRAMES)
            found.append(steps)
        return found

    def _outputs(self, n: int, manifest: Manifest, port: int, protocol: str = "osc") -> Contender:
        from edge.app.receivers import make_output
        from edge.config.settings import OutputSettings

        clock = SystemClock()
        made = [
            make_output(OutputSettings(name=f"o{i}", protocol=protocol, host="127.0.0.1", port=port), manifest, clock)
            for i in range(n)
        ]
        for output in made:
            output.open()
        frame = AUFrame.neutral(manifest.n_channels)
        frame.state = State.LIVE
        frame.activations[:] = np.linspace(0, 1, manifest.n_channels)

        def run() -> None:
            for _ in range(100):
                frame.sequence += 1
                for output in made:
                    output.send(frame)

        return Contender(protocol if n == 1 else f"{n} x {protocol}", run, 100)


def _steps(session: InferenceSession) -> None:
    for _ in range(N_PATH_FRAMES):
        session.step()


def versions() -> dict[str, str]:
    """Return the versions of what the peers are made of."""
    from edge.machine.facts import package_versions

    return package_versions(("torch", "librosa", "scipy"))
