"""What a calibration report says in a few numbers: for the manifest, and for the model card that people read.

The numbers in a card stand between two marks and are written by `python -m calibration ship`, never by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BEGIN = "<!-- int8 numbers, written by `python -m calibration ship` -->"
END = "<!-- end of int8 numbers -->"


def metrics_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report's numbers as a manifest keeps them.

    Args:
        report: See `calibration.quantize.make_report`.
    """
    difference = report["difference"]
    return {
        "mean": difference["mean_difference"],
        "rms": difference["activations"]["rms"],
        "largest": difference["activations"]["largest"],
        "lip_gap_rms_mm": difference["lip_geometry"]["lip_gap_mm"]["rms"],
        "least_correlated": dict(difference["least_correlated"]),
        "last_quarter_over_first": difference["growth"],
        "largest_saturated_share": max(tensor["saturated_share"] for tensor in report["tensors"].values()),
        "method": report["method"],
        "left_in_float": list(report["left_in_float"]),
        "speech": dict(report["speech"]),
    }


def card_numbers(report: Mapping[str, Any]) -> str:
    """Return the part of a model card that tells what int8 costs."""
    found = metrics_of(report)
    least, lips = found["least_correlated"], report["difference"]["lip_geometry"]
    left = ", ".join(f"`{name}`" for name in found["left_in_float"]) or "no layer worth it"
    widths = ", ".join(f"{value['rms']:.2f}" for value in lips.values())
    lines = [
        BEGIN,
        f"int8 against float32, {found['speech']['seconds']:.0f} s of speech ({found['speech']['n_files']} files, "
        f"SHA-256 {found['speech']['sha256'][:12]}) in one stream:",
        "",
        "| | |",
        "|---|---|",
        f"| activations: mean difference, rms, largest | {found['mean']:.5f}, {found['rms']:.5f}, "
        f"{found['largest']:.3f} |",
        f"| least correlation of an activation with float32 | {least['correlation']:.4f} ({least['channel']}) |",
        f"| gap of the lips, mouth width, nose to chin: rms | {widths} mm |",
        f"| error in the last quarter over the first | {found['last_quarter_over_first']:.2f} |",
        f"| largest share of a tensor's values that saturates | {found['largest_saturated_share']:.1e} |",
        f"| scales, and layers left in float | {found['method']}; {left} |",
        END,
    ]
    return "\n".join(lines)


def with_numbers(card: str, report: Mapping[str, Any]) -> str:
    """Return a model card with its int8 numbers replaced, or added at the end where it has none.

    Args:
        card: Markdown.
        report: See `calibration.quantize.make_report`.
    """
    numbers = card_numbers(report)
    if BEGIN in card and END in card:
        return card[: card.index(BEGIN)] + numbers + card[card.index(END) + len(END) :]
    return f"{card.rstrip()}\n\n{numbers}\n"
