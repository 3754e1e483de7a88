"""How far a quantised network is from the float one over a long roll-out, in numbers that can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calibration.lip_geometry import NAMES, lip_geometry
from calibration.roll_out import RollOut
from edge.frames import Float32Array

# What int8 may cost (issue "A trained network worth shipping"): of the activations' range, and of a correlation.
MAX_MEAN_DIFFERENCE = 0.01
MAX_CORRELATION_LOSS = 0.01
MIN_MOVEMENT = 1e-3  # standard deviation; an activation that moves less has no correlation worth a name


def rms(values: Float32Array) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def compare(reference: RollOut, other: RollOut, channels: Sequence[str]) -> dict[str, Any]:
    """Return the differences of two roll-outs over the same sound.

    Args:
        reference: Of the float network.
        other: Of the quantised network or engine.
        channels: Names of the activations.

    Returns:
        Plain values: `mean_difference`; `activations` (rms, p99, largest); `channels` (name -> rms, largest, bias, and
        `correlation` with the reference, None where that hardly moves); `least_correlated` (name, correlation);
        `lip_geometry` (measure -> rms, p99, largest, mm); `head_deg` (rms, largest); `rms_by_quarter` and `growth`, the
        last quarter over the first: near 1 where the recurrent state does not gather error.
    """
    correlations = [correlation(reference.activations[:, i], other.activations[:, i]) for i in range(len(channels))]
    moving = [(value, name) for value, name in zip(correlations, channels, strict=True) if value is not None]
    least = min(moving, default=(1.0, ""))
    difference = other.activations - reference.activations
    geometry = lip_geometry(other.activations, channels) - lip_geometry(reference.activations, channels)
    head = other.head_deg - reference.head_deg
    quarters = [rms(part) for part in np.array_split(difference, 4)]
    return {
        "n_frames": len(difference),
        "mean_difference": round(float(np.abs(difference).mean()), 6) if difference.size else 0.0,
        "activations": _summary(difference),
        "channels": {
            name: {
                "rms": round(rms(difference[:, i]), 6),
                "largest": round(float(np.abs(difference[:, i]).max(initial=0)), 6),
                "bias": round(float(difference[:, i].mean()), 6),
                "correlation": correlations[i],
            }
            for i, name in enumerate(channels)
        },
        "least_correlated": {"channel": least[1], "correlation": least[0]},
        "lip_geometry": {name: _summary(geometry[:, i]) for i, name in enumerate(NAMES)},
        "head_deg": _summary(head),
        "rms_by_quarter": [round(value, 6) for value in quarters],
        "growth": round(quarters[-1] / max(quarters[0], 1e-9), 3),
    }


def correlation(reference: Float32Array, other: Float32Array) -> float | None:
    """Return how well one course of an activation follows another, or None where the reference hardly moves.

    One minus it bounds what quantising costs the correlation with the truth, as long as the error has nothing to do
    with the truth: r(int8, truth) = r(int8, float) r(float, truth).

    Args:
        reference: float32 [n_frames].
        other: float32 [n_frames].
    """
    a, b = np.asarray(reference, np.float64), np.asarray(other, np.float64)
    if a.size == 0 or a.std() < MIN_MOVEMENT:
        return None
    spread = a.std() * b.std()
    return round(float(np.mean((a - a.mean()) * (b - b.mean())) / spread), 6) if spread > 0 else 0.0


def correlation_loss(difference: Mapping[str, Any]) -> float:
    """Return what the worst activation loses: one minus the least correlation."""
    return 1.0 - float(difference["least_correlated"]["correlation"])


def _summary(values: Float32Array) -> dict[str, float]:
    """Return rms, 99th percentile and largest of the magnitudes."""
    magnitudes = np.abs(values)
    return {
        "rms": round(rms(values), 6),
        "p99": round(float(np.percentile(magnitudes, 99)), 6) if values.size else 0.0,
        "largest": round(float(magnitudes.max(initial=0)), 6),
    }


def as_text(report: Mapping[str, Any]) -> str:
    """Return a calibration report as people read it."""
    found = report["difference"]
    worst = sorted(found["channels"].items(), key=lambda item: -item[1]["rms"])[:5]
    lines = [
        f"speech        {report['speech']['n_files']} files, {report['speech']['seconds']:.0f} s, "
        f"SHA-256 {report['speech']['sha256'][:12]}",
        "size          " + ", ".join(f"{kind} {n / 1e6:.2f} MB" for kind, n in report["bytes"].items()),
        "method        "
        + ", ".join(f"{n} {v['rms']:.5f}" for n, v in report["methods"].items())
        + f" (rms over held-out speech) -> {report['method']}",
        "left in float " + (", ".join(report["left_in_float"]) or "no layer that is worth int8"),
        f"activations   mean {found['mean_difference']:.5f}, "
        f"rms {found['activations']['rms']:.5f}, p99 {found['activations']['p99']:.5f}, "
        f"largest {found['activations']['largest']:.4f}",
        *(
            f"{name:<13} rms {value['rms']:.3f} mm, p99 {value['p99']:.3f}, largest {value['largest']:.3f}"
            for name, value in found["lip_geometry"].items()
        ),
        f"head          rms {found['head_deg']['rms']:.3f} deg, largest {found['head_deg']['largest']:.3f}",
        f"over time     rms by quarter {', '.join(f'{v:.5f}' for v in found['rms_by_quarter'])}; "
        f"last over first {found['growth']:.2f}",
        f"correlation   least {found['least_correlated']['correlation']:.4f} "
        f"({found['least_correlated']['channel']}); {MAX_CORRELATION_LOSS} may be lost",
        "worst         " + ", ".join(f"{name} {value['rms']:.4f}" for name, value in worst),
        *(
            f"saturation    {value['saturated_share']:.1e} of {name} (largest {value['largest']:.3g})"
            for name, value in report["tensors"].items()
        ),
    ]
    return "\n".join(lines)
