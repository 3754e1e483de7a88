"""How far a quantised network is from the float one over a long roll-out, in numbers that can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from calibration.lip_geometry import NAMES, lip_geometry
from calibration.roll_out import RollOut
from edge.frames import Float32Array


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
        Plain values: `activations` (rms, p99, largest), `channels` (name -> rms, largest, bias), `lip_geometry`
        (measure -> rms, p99, largest, mm), `head_deg` (rms, largest), `rms_by_quarter` and `growth`, the last quarter
        over the first: near 1 where the recurrent state does not gather error.
    """
    difference = other.activations - reference.activations
    geometry = lip_geometry(other.activations, channels) - lip_geometry(reference.activations, channels)
    head = other.head_deg - reference.head_deg
    quarters = [rms(part) for part in np.array_split(difference, 4)]
    return {
        "n_frames": len(difference),
        "activations": _summary(difference),
        "channels": {
            name: {
                "rms": round(rms(difference[:, i]), 6),
                "largest": round(float(np.abs(difference[:, i]).max(initial=0)), 6),
                "bias": round(float(difference[:, i].mean()), 6),
            }
            for i, name in enumerate(channels)
        },
        "lip_geometry": {name: _summary(geometry[:, i]) for i, name in enumerate(NAMES)},
        "head_deg": _summary(head),
        "rms_by_quarter": [round(value, 6) for value in quarters],
        "growth": round(quarters[-1] / max(quarters[0], 1e-9), 3),
    }


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
        f"activations   rms {found['activations']['rms']:.5f}, p99 {found['activations']['p99']:.5f}, "
        f"largest {found['activations']['largest']:.4f}",
        *(
            f"{name:<13} rms {value['rms']:.3f} mm, p99 {value['p99']:.3f}, largest {value['largest']:.3f}"
            for name, value in found["lip_geometry"].items()
        ),
        f"head          rms {found['head_deg']['rms']:.3f} deg, largest {found['head_deg']['largest']:.3f}",
        f"over time     rms by quarter {', '.join(f'{v:.5f}' for v in found['rms_by_quarter'])}; "
        f"last over first {found['growth']:.2f}",
        "worst         " + ", ".join(f"{name} {value['rms']:.4f}" for name, value in worst),
        "saturation    "
        + ", ".join(f"{value['saturated_share']:.1e}" for value in report["tensors"].values())
        + " of values, tensor by tensor",
    ]
    return "\n".join(lines)
