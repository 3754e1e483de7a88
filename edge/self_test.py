"""`au-edge check --self-test`: every usable backend on the shipped speech, compared and timed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edge.app import BACKENDS, make_backend, make_pipeline, shipped_speech
from edge.config.settings import Settings
from edge.contracts import InferenceSession
from edge.errors import AuEdgeError
from edge.frames import AUFrame, Float32Array
from edge.machine.clock import SystemClock
from edge.manifest import Manifest
from edge.metrics.counters import Metrics

REFERENCE = "onnxruntime"
MAX_MEAN_DIFFERENCE = 0.01  # between two backends of one quantised network: rounding, not another face


def run_self_test(settings: Settings, manifest: Manifest) -> list[dict[str, Any]]:
    """Render the shipped speech with each backend that is usable.

    Returns:
        Per backend: whether it passed, a text, inference times in milliseconds and the difference to ONNX Runtime.
    """
    reports = []
    reference: Float32Array | None = None
    for name in sorted(BACKENDS, key=lambda name: name != REFERENCE):
        try:
            backend = make_backend(name, settings)
            if backend.probe(manifest) is not None:
                continue
            session = backend.open(manifest)
        except AuEdgeError as err:
            reports.append({"backend": name, "passed": False, "text": str(err)})
            continue
        try:
            values, times_s = _render(manifest, session)
        finally:
            session.close()
        if reference is None:
            reference = values
        reports.append(_report(name, values, reference, times_s))
    return reports


def _render(manifest: Manifest, session: InferenceSession) -> tuple[Float32Array, Float32Array]:
    """Return activations [n_frames, n_channels] and inference times [n_frames] in seconds."""
    from edge.sources.sound_file import SoundFileSource

    source = SoundFileSource(shipped_speech(), clock=SystemClock())
    source.open()
    session.warm_up(30)
    timed = _TimedSession(session)
    pipeline = make_pipeline(manifest, timed, lambda: source.rate_hz, [], Metrics())
    rows: list[Float32Array] = []

    def keep(frame: AUFrame) -> None:
        rows.append(frame.activations.copy())

    while (chunk := source.read(10.0)) is not None:
        pipeline.process(chunk, keep)
        if chunk.is_last:
            break
    source.close()
    return np.array(rows), np.array(timed.times_s, np.float32)


class _TimedSession:
    """A session that notes how long each step takes."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        self.features = session.features
        self.times_s: list[float] = []

    @property
    def activations(self) -> Float32Array:
        return self._session.activations

    @property
    def head_deg(self) -> Float32Array:
        return self._session.head_deg

    def step(self) -> None:
        began = time.perf_counter()
        self._session.step()
        self.times_s.append(time.perf_counter() - began)

    def reset(self) -> None:
        self._session.reset()

    def warm_up(self, n_frames: int) -> None:
        self._session.warm_up(n_frames)

    def close(self) -> None:
        self._session.close()


def _report(name: str, values: Float32Array, reference: Float32Array, times_s: Float32Array) -> dict[str, Any]:
    is_finite = bool(np.isfinite(values).all())
    moves = float(values.std(axis=0).max())
    difference = float(np.abs(values - reference).mean())
    passed = is_finite and moves > 0.02 and difference <= MAX_MEAN_DIFFERENCE
    p50_ms, p99_ms = (float(np.quantile(times_s, q)) * 1000 for q in (0.5, 0.99))
    text = (
        f"{len(values)} frames, inference p50 {p50_ms:.2f} ms, p99 {p99_ms:.2f} ms, "
        f"mean difference to {REFERENCE} {difference:.5f}"
    )
    if not is_finite:
        text += "; the network gave values that are not finite"
    elif moves <= 0.02:
        text += "; the face does not move with the speech"
    elif not passed:
        text += f"; more than {MAX_MEAN_DIFFERENCE} is allowed: build the engine again"
    return {
        "backend": name,
        "passed": passed,
        "text": text,
        "n_frames": len(values),
        "inference_p50_ms": round(p50_ms, 3),
        "inference_p99_ms": round(p99_ms, 3),
        "mean_difference": round(difference, 6),
    }
