"""What a program shows of a mouth, as three curves, whatever its own vocabulary is.

au-edge gives 52 activations, which move a face that can be measured. Its peers give weights of mouth shapes (visemes),
so a table says how far each shape opens and widens a mouth; an opening stands for the gap of the lips and the chin.
The tables are ours, by any phonetics book. Since a table is a choice, every peer is also judged with the one that fits
true lips best: for each speaker the table that was fitted on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LOW_PASS_S = 0.060
# shape -> (opening of the lips and the jaw, width: negative is round)
OCULUS = {
    "aa": (1.0, 0.0), "E": (0.6, 0.5), "I": (0.35, 0.8), "O": (0.7, -0.7), "U": (0.35, -1.0), "PP": (0.0, 0.0),
    "SS": (0.15, 0.5), "TH": (0.25, 0.1), "DD": (0.25, 0.2), "FF": (0.05, 0.0), "kk": (0.25, 0.1), "nn": (0.2, 0.1),
    "RR": (0.25, -0.2), "CH": (0.2, -0.5), "sil": (0.0, 0.0),
}  # fmt: skip
VOWELS = {
    "aa": (1.0, 0.0), "ee": (0.6, 0.5), "ih": (0.35, 0.8), "oh": (0.7, -0.7), "ou": (0.35, -1.0), "silence": (0.0, 0.0)
}  # fmt: skip
RHUBARB = {
    "A": (0.0, 0.0), "B": (0.2, 0.4), "C": (0.5, 0.3), "D": (1.0, 0.2), "E": (0.6, -0.5), "F": (0.3, -1.0),
    "G": (0.1, 0.0), "H": (0.4, 0.1), "X": (0.0, 0.0),
}  # fmt: skip
LOUDNESS = {"jaw": (1.0, 0.0)}


@dataclass(frozen=True)
class Mouth:
    """The curves of one clip.

    Attributes:
        times_s: [n], rising: when each value is shown.
        lips: [n, 3]: gap of the lips, width of the mouth, nose to chin; any unit, the same in all clips.
    """

    times_s: Float64
    lips: Float64

    def at(self, times_s: Float64) -> Float64:
        """Return [len(times_s), 3], linear between values and held at the ends."""
        return np.stack([np.interp(times_s, self.times_s, self.lips[:, i]) for i in range(3)], axis=1)


@dataclass(frozen=True)
class Shapes:
    """Weights of mouth shapes of one clip.

    Attributes:
        times_s: [n], rising.
        weights: [n, n_shapes] in the order of the program's table.
    """

    times_s: Float64
    weights: Float64

    def mouth(self, table: Mapping[str, tuple[float, float]]) -> Mouth:
        """Return the curves that a table makes of the weights."""
        opening, width = (self.weights @ np.array(list(table.values()))).T
        return Mouth(self.times_s, np.stack([opening, width, opening], axis=1))

    def fitted(self, table: Float64) -> Mouth:
        """Return the curves of a fitted table, [n_shapes + 1, 3], whose last row is the mouth without any shape."""
        return Mouth(self.times_s, self.weights @ table[:-1] + table[-1])


def one_hot(active: Sequence[int], n_shapes: int) -> Float64:
    """Return [n, n_shapes]; -1 is no shape."""
    weights = np.zeros((len(active), n_shapes))
    for row, shape in enumerate(active):
        if shape >= 0:
            weights[row, shape] = 1.0
    return weights


def low_passed(shapes: Shapes) -> Shapes:
    """Smooth by one pole of `LOW_PASS_S`, as a face that is drawn live can: no value looks ahead."""
    steps_s = np.diff(shapes.times_s, prepend=shapes.times_s[0] - np.median(np.diff(shapes.times_s)))
    smooth = np.empty_like(shapes.weights)
    now = np.zeros(shapes.weights.shape[1])
    for row, (weights, step_s) in enumerate(zip(shapes.weights, steps_s, strict=True)):
        now = now + (1.0 - np.exp(-step_s / LOW_PASS_S)) * (weights - now)
        smooth[row] = now
    return Shapes(shapes.times_s, smooth)


def box_smoothed(shapes: Shapes) -> Shapes:
    """Smooth over `LOW_PASS_S` to both sides, as only a program that has the whole file can."""
    reach = max(1, round(LOW_PASS_S / float(np.median(np.diff(shapes.times_s)))))
    box = np.ones(2 * reach + 1) / (2 * reach + 1)
    padded = np.pad(shapes.weights, ((reach, reach), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(column, box, mode="valid") for column in padded.T], axis=1)
    return Shapes(shapes.times_s, smooth)
