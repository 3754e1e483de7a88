"""Model what the base mesh only hints at: eyeballs with iris and cornea, teeth and gums.

MakeHuman's helper eyes and helper teeth give place, size and movement; the surfaces are made here, since helpers are
too coarse to look at from near. Sizes are those of adults, scaled to the helper geometry.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine_build.head_face.parts import FloatArray, Part, linear

N_MERIDIANS = 36
PUPIL_DEG = 8.5  # half angles seen from the eye's centre; a pupil of 4 mm
IRIS_DEG = 26.5  # an iris of 11.8 mm on an eye of 26.4 mm
IRIS_DEPTH = 0.055  # the iris lies behind the limbus, in eye radii
CORNEA_BULGE = 0.05  # and the cornea before the sphere

# Widths of permanent teeth from the middle outward, mm (Wheeler's Dental Anatomy, averages), upper then lower.
TOOTH_WIDTHS_MM = {"upper": (8.5, 6.5, 7.5, 7.0, 7.0, 10.0), "lower": (5.2, 5.6, 7.0, 7.0, 7.0, 10.5)}
TOOTH_HEIGHTS_MM = {"upper": (10.0, 9.0, 9.6, 8.2, 7.6, 7.2), "lower": (8.6, 8.8, 9.4, 8.4, 7.8, 7.4)}
# The helper teeth touch the lips from behind; real ones leave them room to move.
ARCH_WIDTH = 0.86
ARCH_RETREAT_M = 0.0028
BITE_SHIFT_M = {"upper": -0.0040, "lower": -0.0056}  # so that an open mouth shows the upper edges, as in speech


def _grid(n_rings: int, n_around: int, is_closed: bool = True) -> NDArray[np.int64]:
    """Return triangles of a grid of rings, each of n_around points."""
    triangles = []
    for ring in range(n_rings - 1):
        for i in range(n_around if is_closed else n_around - 1):
            a, b = ring * n_around + i, ring * n_around + (i + 1) % n_around
            c, d = a + n_around, b + n_around
            triangles += [(a, c, b), (b, c, d)]
    return np.array(triangles, np.int64)


def _fan(pole: int) -> NDArray[np.int64]:
    """Return the triangles that close the first ring with one point in its middle."""
    return np.array([(i, (i + 1) % N_MERIDIANS, pole) for i in range(N_MERIDIANS)], np.int64)


def _ring(polar_deg: float, radius: float, offset: float) -> FloatArray:
    around = np.linspace(0.0, 2 * np.pi, N_MERIDIANS, endpoint=False)
    polar = np.deg2rad(polar_deg)
    return np.column_stack(
        [
            radius * np.sin(polar) * np.cos(around),
            radius * np.sin(polar) * np.sin(around),
            np.full(N_MERIDIANS, radius * np.cos(polar) + offset),
        ]
    )


def eyeball(name: str, centre: FloatArray, radius_m: float, iris_rgb: tuple[int, int, int]) -> tuple[Part, Part]:
    """Return an eye that looks along +z, and its cornea.

    Args:
        name: Of the part.
        centre: Metres [3].
        radius_m: Of the white.
        iris_rgb: sRGB 0..255 of the iris's middle.
    """
    noise = np.random.default_rng(7)
    fibre = noise.normal(0.0, 1.0, N_MERIDIANS)
    fibre = (fibre + 0.5 * np.roll(fibre, 1)) * 0.16
    iris, dark, black = linear(*iris_rgb), linear(24, 18, 16), linear(6, 5, 6)
    white, corner = linear(226, 219, 212), linear(206, 158, 146)
    # (polar angle, depth in radii, colour, how strongly the fibres show); equal angles make a sharp edge
    rings: list[tuple[float, float, FloatArray, float]] = [
        (PUPIL_DEG, -IRIS_DEPTH, black, 0.0),
        (PUPIL_DEG, -IRIS_DEPTH, 0.45 * iris, 0.6),
        (PUPIL_DEG + 3.0, -IRIS_DEPTH * 0.96, 1.25 * iris + 0.03 * linear(255, 190, 90), 1.0),
        (PUPIL_DEG + 9.0, -IRIS_DEPTH * 0.85, 1.0 * iris, 1.0),
        (IRIS_DEG - 4.0, -IRIS_DEPTH * 0.6, 0.7 * iris, 0.8),
        (IRIS_DEG - 1.2, -IRIS_DEPTH * 0.3, 0.5 * dark + 0.12 * iris, 0.3),
        (IRIS_DEG, -0.004, 0.5 * dark + 0.3 * white, 0.0),
        (IRIS_DEG + 1.6, 0.0, 0.88 * white, 0.0),
        (IRIS_DEG + 6.0, 0.0, white, 0.0),
        (48.0, 0.0, white, 0.0),
        (60.0, 0.0, 0.75 * white + 0.25 * corner, 0.0),
        (80.0, 0.0, 0.3 * white + 0.6 * corner, 0.0),
        (110.0, 0.0, 0.6 * corner, 0.0),
        (179.9, 0.0, 0.4 * corner, 0.0),
    ]
    positions = np.concatenate([_ring(polar, radius_m, depth * radius_m) for polar, depth, _, _ in rings]) + centre
    colours = np.concatenate([np.outer(np.exp(strength * fibre), colour) for _, _, colour, strength in rings])
    pole = centre + np.array([0.0, 0.0, (np.cos(np.deg2rad(PUPIL_DEG)) - IRIS_DEPTH) * radius_m])
    ball = Part(
        name,
        "eye",
        np.concatenate([positions, pole[None]]),
        np.concatenate([_grid(len(rings), N_MERIDIANS), _fan(len(positions))]),
        np.column_stack([np.clip(np.concatenate([colours, black[None]]), 0, 1), np.ones(len(colours) + 1)]),
    )
    polar = np.linspace(IRIS_DEG + 4.0, 0.0, 8, endpoint=False)[::-1]
    bulge = CORNEA_BULGE * radius_m * np.clip(1.0 - (polar / (IRIS_DEG + 3.0)) ** 2, 0.0, 1.0) + 2e-5
    dome = (
        np.concatenate([_ring(angle, radius_m * 1.002, lift) for angle, lift in zip(polar, bulge, strict=True)])
        + centre
    )
    top = centre + np.array([0.0, 0.0, radius_m * (1.002 + CORNEA_BULGE) + 2e-5])
    triangles = np.concatenate([_grid(len(polar), N_MERIDIANS), _fan(len(dome))])
    cornea = Part(f"{name}Cornea", "cornea", np.concatenate([dome, top[None]]), triangles, np.ones((len(dome) + 1, 4)))
    return ball, cornea


def dental_arch(helper: FloatArray, which: str) -> list[Part]:
    """Return the teeth and the gum of one jaw, fitted to the helper teeth.

    Args:
        helper: float64 [n, 3], metres, the helper teeth of that jaw.
        which: upper or lower.
    """
    low, high = helper.min(axis=0), helper.max(axis=0)
    half_width, depth = (high[0] - low[0]) / 2 * ARCH_WIDTH, (high[2] - low[2]) * 0.95
    front = high[2] - ARCH_RETREAT_M
    middle = (high[0] + low[0]) / 2

    def arch(angle: float) -> tuple[FloatArray, FloatArray]:
        """Return place [x, z] and outward direction on the ellipse, from 0 at the front."""
        place = np.array([middle + half_width * np.sin(angle), front - depth * (1 - np.cos(angle))])
        normal = np.array([np.sin(angle) / half_width, np.cos(angle) / depth])
        return place, normal / np.linalg.norm(normal)

    fine = np.linspace(0.0, np.pi / 2, 400)
    places = np.array([arch(angle)[0] for angle in fine])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    widths = np.array(TOOTH_WIDTHS_MM[which]) * 1e-3
    scale = min(1.0, 0.98 * length[-1] / widths.sum())
    widths = widths * scale
    is_upper = which == "upper"
    edge_y = (low[1] if is_upper else high[1]) + BITE_SHIFT_M[which]  # where the teeth bite
    up = 1.0 if is_upper else -1.0
    pieces: list[Part] = []
    for side in (-1.0, 1.0):
        start = 0.0
        for rank, (width, height_mm) in enumerate(zip(widths, TOOTH_HEIGHTS_MM[which], strict=True)):
            angle = float(np.interp(start + width / 2, length, fine))
            start += width
            place, normal = arch(side * angle)
            height = height_mm * 1e-3 * 0.92
            pieces.append(_tooth(place, normal, (edge_y, up), (width * 0.985, height), rank))
    pieces.append(_gum(arch, edge_y + up * 0.0072, up))
    return pieces


def _tooth(
    place: FloatArray, normal: FloatArray, edge: tuple[float, float], size: tuple[float, float], rank: int
) -> Part:
    """Return one tooth: a rounded block that narrows towards the gum, worn flat where it bites."""
    edge_y, up = edge
    width, height = size
    thick = 0.0034 if rank < 2 else 0.0062 if rank == 2 else 0.0085
    tangent = np.array([normal[1], -normal[0]])
    n_around, levels = 10, np.array([0.0, 0.03, 0.12, 0.4, 0.75, 1.0])
    swell = np.array([0.70, 0.93, 1.0, 0.99, 0.90, 0.78])
    slim = np.array([0.35, 0.55, 0.72, 0.95, 1.0, 0.95]) if rank < 3 else np.array([0.75, 0.92, 1.0, 1.0, 1.0, 0.95])
    point = 0.0012 if rank == 2 else 0.0  # canines are pointed
    around = np.linspace(0.0, 2 * np.pi, n_around, endpoint=False)
    square = 2 / 3.2  # exponent of the superellipse that gives a tooth its flat front
    across = np.sign(np.cos(around)) * np.abs(np.cos(around)) ** square
    outward = np.sign(np.sin(around)) * np.abs(np.sin(around)) ** square
    points = []
    for level, wide, deep in zip(levels, swell, slim, strict=True):
        x = across * width / 2 * wide
        z = outward * thick / 2 * deep - thick / 2 * (1.0 + 0.12 * level)
        rise = level * height + point * np.abs(across) * (1 - level)
        base = place[None, :] + np.outer(x, tangent) + np.outer(z, normal)
        points.append(np.column_stack([base[:, 0], edge_y + up * rise, base[:, 1]]))
    cap = np.concatenate(points)
    tip = np.array([[place[0] - normal[0] * thick / 2, edge_y, place[1] - normal[1] * thick / 2]])
    positions = np.concatenate([cap, tip])
    triangles = _grid(len(levels), n_around)
    fan = np.array([(len(cap), i, (i + 1) % n_around) for i in range(n_around)], np.int64)
    triangles = np.concatenate([triangles, fan])
    if up < 0:
        triangles = triangles[:, ::-1]
    shade = np.repeat(np.array([0.97, 1.0, 1.0, 0.97, 0.88, 0.72]), n_around)
    ivory = linear(226, 214, 192)
    colours = np.ones((len(positions), 4))
    colours[:-1, :3] = np.outer(shade, ivory)
    colours[-1, :3] = 0.9 * ivory
    colours[:, :3] *= max(0.35, 1.0 - 0.13 * rank)  # the back of the mouth lies in the dark
    return Part("tooth", "teeth", positions, triangles, colours)


def _gum(arch: Callable[[float], tuple[FloatArray, FloatArray]], margin_y: float, up: float) -> Part:
    """Return the gum: a rounded band along the arch, above (or under) the teeth."""
    n_along, profile = 33, np.linspace(-0.5 * np.pi, 0.75 * np.pi, 7)
    rows = []
    shades = []
    for angle in np.linspace(-1.45, 1.45, n_along):
        place, normal = arch(float(angle))
        outward = 0.0042 * np.cos(profile) - 0.0040
        rise = 0.0050 * (np.sin(profile) + 1.0)
        base = place[None, :] + np.outer(outward, normal)
        rows.append(np.column_stack([base[:, 0], margin_y + up * rise - up * 0.0006, base[:, 1]]))
        shades.append(np.full(len(profile), np.cos(angle * 0.8) ** 2 * 0.85 + 0.12))
    positions = np.concatenate(rows)
    triangles = _grid(n_along, len(profile), is_closed=False)
    if up > 0:
        triangles = triangles[:, ::-1]
    colours = np.ones((len(positions), 4))
    colours[:, :3] = np.outer(np.concatenate(shades), linear(176, 92, 88))
    return Part("gum", "teeth", positions, triangles, colours)
