"""A black-and-white drawing in a terminal: braille dots, eight to a character, or plain characters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Unicode braille: U+2800 plus a bit for each dot, in the order of the cell's 4 rows and 2 columns.
_BRAILLE = 0x2800
_DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)
_ASCII = " .:-=+*##"  # by how many of a cell's eight dots are set


class Canvas:
    """Dots, addressed in a plane where the drawing fits -1 to 1 and y points up.

    Args:
        n_columns: Width in characters.
        n_rows: Height in characters; a character is about twice as high as wide, so its 2 x 4 dots are square.
    """

    def __init__(self, n_columns: int, n_rows: int) -> None:
        self._dots: NDArray[np.bool_] = np.zeros((4 * n_rows, 2 * n_columns), np.bool_)
        self._scale = min(2 * n_columns, 4 * n_rows) / 2 - 1

    def polyline(self, points: NDArray[np.float64]) -> None:
        """Draw a line through points.

        Args:
            points: [n, 2] x to the right, y up; what lies outside is left out.
        """
        steps = np.abs(np.diff(points, axis=0)).max(axis=1) * self._scale
        for start, end, n_dots in zip(points[:-1], points[1:], np.ceil(steps).astype(int), strict=True):
            fractions = np.linspace(0.0, 1.0, n_dots + 2)[:, None]
            self._set(start + (end - start) * fractions)

    def disc(self, centre: NDArray[np.float64], radius: float) -> None:
        """Fill a circle.

        Args:
            centre: [2] x and y.
            radius: In units of the plane.
        """
        grid = np.linspace(-radius, radius, max(3, int(2 * radius * self._scale) + 1))
        x, y = np.meshgrid(grid, grid)
        inside = x**2 + y**2 <= radius**2
        self._set(np.stack([centre[0] + x[inside], centre[1] + y[inside]], axis=1))

    def lines(self, is_unicode: bool) -> Sequence[str]:
        """Return the drawing, one text a row.

        Args:
            is_unicode: Whether the terminal shows braille.
        """
        n_rows, n_columns = self._dots.shape[0] // 4, self._dots.shape[1] // 2
        cells = self._dots.reshape(n_rows, 4, n_columns, 2)
        if is_unicode:
            codes = (cells * _DOT_BITS[None, :, None, :]).sum(axis=(1, 3))
            return ["".join(chr(_BRAILLE + code) for code in row) for row in codes.tolist()]
        return ["".join(_ASCII[count] for count in row) for row in cells.sum(axis=(1, 3)).tolist()]

    def _set(self, points: NDArray[np.float64]) -> None:
        height, width = self._dots.shape
        columns = np.rint(width / 2 - 0.5 + points[:, 0] * self._scale).astype(int)
        rows = np.rint(height / 2 - 0.5 - points[:, 1] * self._scale).astype(int)
        is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        self._dots[rows[is_inside], columns[is_inside]] = True
