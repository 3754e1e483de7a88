"""Label FACEGOOD's training set: `python -m engine_build.labels.facegood FOLDER --out FILE`.

In: a folder with `labels.npz` (clips, n_frames, fps, channel_names [116], weights [N, 116] of FACEGOOD's own face).
Out: a label file (see `label_file`). An animator's weights are no measurement: which ARKit shape each one stands for is
the table below, and its gain is set so that lips and chin of the blendshape face move as far as those of a filmed one.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import AuEdgeError, InputError
from engine_build.labels.channels import CHANNELS
from engine_build.labels.fit import Labels, Residual
from engine_build.labels.geometry import face_geometry
from engine_build.labels.label_file import write_labels

# Gains, chosen together: percentiles on the blendshape face, on frames with the jaw down by more than 1 mm, with these
# labels / with those fitted to grid_s1: nose to chin 95th 85.1 / 85.8 mm, lip gap 95th 12.9 / 12.1 mm, mouth width 5th
# 44.5 / 44.3 mm and 95th 49.1 / 49.2 mm.
JAW, OPENING, ROUNDING, SPREADING, CLOSING = 0.68, 0.65, 0.8, 1.3, 1.0

# (ARKit shape or pair of shapes, FACEGOOD channel, gain). Left and right of FACEGOOD are equal: left is read.
# "oh" and "oo" are whole mouth shapes: an open round one and a narrow round one, here as the shapes they consist of.
TABLE: tuple[tuple[str, str, float], ...] = (
    ("jawOpen", "mouth_stretch_c", JAW),
    ("jawOpen", "mouth_oh_c", 0.15 * JAW),
    ("mouthFunnel", "mouth_funnel_dl", OPENING / 2),
    ("mouthFunnel", "mouth_funnel_ul", OPENING / 2),
    ("mouthFunnel", "mouth_oh_c", 0.6 * OPENING),
    ("mouthFunnel", "mouth_oo_c", 0.3 * OPENING),
    ("mouthPucker", "mouth_pucker_l", ROUNDING),
    ("mouthPucker", "mouth_oo_c", 0.7 * ROUNDING),
    ("mouthLowerDown", "mouth_lowerLipDepress_l", OPENING),
    ("mouthUpperUp", "mouth_upperLipRaise_l", OPENING),
    ("mouthSmile", "mouth_lipCornerPull_l", SPREADING),
    ("mouthStretch", "mouth_lipStretch_l", SPREADING),
    ("mouthPress", "mouth_press_l", CLOSING),
    ("mouthRollLower", "mouth_suck_dl", CLOSING),
    ("mouthRollUpper", "mouth_suck_ul", CLOSING),
    ("mouthShrugUpper", "mouth_chinRaise_u", CLOSING),
)
TRUST = 0.7  # of a mapped channel, beside a measured one's 1.0: drawn by hand, and the table is a judgement
# What hardly moves (standard deviation under this) is no label.
QUIET_SD = 0.005


def activations_of(weights: NDArray[np.floating], names: list[str]) -> NDArray[np.float32]:
    """Map FACEGOOD's weights to the 52 shapes.

    Args:
        weights: [n_frames, n_channels], each in [0, 1].
        names: The channels' names.

    Returns:
        float32 [n_frames, 52] in [0, 1].

    Raises:
        InputError: A channel of the table is missing.
    """
    missing = sorted({channel for _, channel, _ in TABLE} - set(names))
    if missing:
        raise InputError(
            "FACEGOOD's channels", f"missing: {', '.join(missing)}", "Give the training set's own label file"
        )
    activations = np.zeros((len(weights), len(CHANNELS)))
    for shape, channel, gain in TABLE:
        targets = [shape] if shape in CHANNELS else [f"{shape}Left", f"{shape}Right"]
        for target in targets:
            activations[:, CHANNELS.index(target)] += gain * weights[:, names.index(channel)]
    return np.clip(activations, 0, 1).astype(np.float32)


def read_labels(folder: Path) -> Labels:
    """Read the corpus and map it.

    Raises:
        InputError: The label file is missing or of another kind.
    """
    path = folder / "labels.npz"
    if not path.is_file():
        raise InputError(f"FACEGOOD labels in {folder}", "there is no labels.npz", "Give the folder that holds it")
    with np.load(path) as stored:
        activations = activations_of(stored["weights"], [str(name) for name in stored["channel_names"]])
        clips, n_frames, fps = stored["clips"], stored["n_frames"], float(stored["fps"])
    unmeasured = np.full((len(activations), 3), np.nan, dtype=np.float32)
    labels = Labels(
        clips=tuple(str(clip) for clip in clips),
        n_frames=n_frames.astype(np.int32),
        fps=fps,
        activations=activations,
        confidence=np.where(activations.std(axis=0) > QUIET_SD, TRUST, 0).astype(np.float32),
        head_deg=unmeasured,
        geometry=unmeasured,
        geometry_face=unmeasured,
        is_valid=np.ones(len(activations), dtype=np.bool_),
        residual=Residual(np.nan, np.nan, np.nan, np.nan),
        neutral_gap_mm=np.nan,
    )
    return replace(labels, geometry_face=face_geometry(activations).astype(np.float32))


def main(arguments: list[str] | None = None) -> int:
    """Map the corpus from the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with labels.npz")
    parser.add_argument("--out", type=Path, required=True, help="label file to write (.npz)")
    given = parser.parse_args(arguments)
    try:
        write_labels(given.out, read_labels(given.folder))
    except AuEdgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
