"""Paint the skin: a picture in a cylindrical projection of one half of the head, used for both halves.

Where each pixel lies on the face is known (the triangles are rasterised), so every stroke is placed in metres: brows,
lips, blush, pores and close-cropped hair. No photograph is used.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine_build.head_face.parts import FloatArray

SIZE = 1024
HIGHEST, LOWEST = np.deg2rad(72.0), np.deg2rad(-65.0)  # elevations of the picture's edges


@dataclass(frozen=True)
class Landmarks:
    """Places on the person's left half, metres [3]."""

    eye: FloatArray
    mouth_corner: FloatArray
    mouth: FloatArray
    nose_tip: FloatArray
    chin: FloatArray
    crown: FloatArray
    ear: FloatArray


def project(positions: FloatArray, centre: FloatArray) -> FloatArray:
    """Return texture coordinates [n, 2]: angle from the front (0 to pi, both sides alike) and elevation."""
    x, y, z = (positions - centre).T
    around = np.arctan2(np.abs(x), z) / np.pi
    ring = np.hypot(x, z)
    elevation = np.arctan2(y, np.maximum(ring, 1e-6) + 0.05)  # the offset keeps the neck from being squeezed
    height = (HIGHEST - elevation) / (HIGHEST - LOWEST)
    return np.column_stack([around**0.8, np.clip(height, 0.0, 1.0)])  # the power gives the front more pixels


def rasterise(
    uv: FloatArray, triangles: NDArray[np.int64], values: FloatArray, depth: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return per-pixel values [SIZE, SIZE, k] of the outermost triangles, and their depth (-inf where there is none).

    Pixels without a triangle get the value of the nearest that has one.
    """
    picture = np.zeros((SIZE, SIZE, values.shape[1]))
    nearest = np.full((SIZE, SIZE), -np.inf)
    pixels = uv * (SIZE - 1)
    for triangle in triangles:
        a, b, c = pixels[triangle]
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)).astype(int) + 2, SIZE)
        if np.any(high - low <= 0) or high[0] - low[0] > SIZE // 2:
            continue
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-9:
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        first = 1.0 - second - third
        weights = np.stack([first, second, third], -1)
        far = weights @ depth[triangle]
        window = nearest[low[1] : high[1], low[0] : high[0]]
        inside = (weights.min(-1) > -0.02) & (far > window)
        window[inside] = far[inside]
        picture[low[1] : high[1], low[0] : high[0]][inside] = (weights @ values[triangle])[inside]
    from scipy.ndimage import distance_transform_edt

    to_rows, to_columns = distance_transform_edt(nearest == -np.inf, return_distances=False, return_indices=True)
    return picture[to_rows, to_columns], nearest


def _noise(shape_px: int, seed: int) -> FloatArray:
    """Return smooth noise [SIZE, SIZE] of unit spread whose grains are shape_px wide."""
    from scipy.ndimage import gaussian_filter

    grains = gaussian_filter(np.random.default_rng(seed).normal(size=(SIZE, SIZE)), shape_px)
    return np.asarray(grains / grains.std(), np.float64)


def _smoothstep(low: float, high: float, value: FloatArray) -> FloatArray:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _spot(place: FloatArray, centre: FloatArray, spread_m: FloatArray | float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * (((place - centre) / spread_m) ** 2).sum(-1)))


def _brow(place: FloatArray, eye: FloatArray) -> FloatArray:
    """Return how dark the brow is, [SIZE, SIZE]: hairs drawn one by one along an arch above the eye."""
    from PIL import Image, ImageDraw

    scale = 16000.0  # pixels per metre of the drawing
    width, height = 1000, 420
    origin = eye[:2] + np.array([-0.021, 0.006])
    drawing = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(drawing)
    noise = np.random.default_rng(3)
    for _ in range(1150):
        t = noise.beta(1.1, 1.25)
        thickness = 0.0048 * (1.0 - 0.72 * t**1.5) * (0.5 + 0.5 * min(1.0, t / 0.2))
        x = -0.0150 + 0.0385 * t
        middle = 0.0150 + 0.0062 * np.sin(np.pi * min(1.0, t**0.85 * 0.86)) - 0.0015 * t
        y = middle + noise.normal(0.0, 0.36) * thickness
        lean = np.deg2rad(72 - 62 * min(1.0, t * 1.6) - 24 * max(0.0, t - 0.55)) + noise.normal(0, 0.13)
        long = noise.uniform(0.0036, 0.0064) * (1.0 - 0.35 * t)
        if y > middle:
            lean -= 0.35
        start = (np.array([eye[0] + x, eye[1] + y]) - origin) * scale
        bend = start + 0.5 * long * scale * np.array([np.cos(lean + 0.12), np.sin(lean + 0.12)])
        end = start + long * scale * np.array([np.cos(lean - 0.1), np.sin(lean - 0.1)])
        points = [(float(p[0]), float(height - p[1])) for p in (start, bend, end)]
        pen.line(points, fill=int(noise.uniform(110, 225) * min(1.0, 0.35 + t / 0.14)), width=5)
    table = np.asarray(drawing, np.float64) / 255.0
    from scipy.ndimage import gaussian_filter, map_coordinates

    table = np.clip(gaussian_filter(table, 3.0) * 0.80 + gaussian_filter(table, 14.0) * 0.50, 0.0, 1.0)
    columns = (np.abs(place[..., 0]) - origin[0]) * scale
    rows = height - (place[..., 1] - origin[1]) * scale
    drawn = map_coordinates(table, [rows, columns], order=1, cval=0.0)
    return np.where(place[..., 2] > eye[2] - 0.02, drawn, 0.0)


def paint_skin(place: FloatArray, lips: FloatArray, lids: FloatArray, scalp: FloatArray, marks: Landmarks) -> bytes:
    """Return the picture as JPEG.

    Args:
        place: float64 [SIZE, SIZE, 3], where each pixel lies, metres.
        lips: float64 [SIZE, SIZE] in [0, 1].
        lids: As lips, the eyelids.
        scalp: As lips, where hair grows.
        marks: See `Landmarks`.
    """
    from PIL import Image

    mirrored = place.copy()
    mirrored[..., 0] = np.abs(place[..., 0])
    tone = np.zeros((SIZE, SIZE, 3)) + np.array([221.0, 172.0, 148.0])

    def tint(amount: FloatArray, rgb: tuple[int, int, int]) -> None:
        nonlocal tone
        tone = tone + np.clip(amount, 0, 1)[..., None] * (np.array(rgb, np.float64) - tone)

    cheek = (marks.eye + marks.mouth_corner) / 2 + np.array([0.014, -0.004, 0.0])
    tint(0.34 * _spot(mirrored, cheek, 0.019), (208, 112, 100))
    tint(0.28 * _spot(mirrored, marks.nose_tip, 0.012), (205, 112, 100))
    tint(0.22 * _spot(mirrored, marks.chin, np.array([0.02, 0.012, 0.03])), (205, 125, 110))
    tint(0.30 * _spot(mirrored, marks.ear, 0.026), (210, 112, 100))
    brow_bone = marks.eye + np.array([-0.004, 0.034, 0.0])
    tint(0.20 * _spot(mirrored, brow_bone, np.array([0.06, 0.02, 0.08])), (232, 190, 158))
    tint(
        0.25 * _spot(mirrored, marks.eye + np.array([-0.006, -0.013, 0.0]), np.array([0.014, 0.006, 0.05])),
        (172, 112, 112),
    )
    tint(0.42 * lids, (176, 116, 102))
    tint(
        0.22 * _spot(mirrored, marks.eye + np.array([0.002, 0.011, 0.0]), np.array([0.016, 0.005, 0.04])),
        (168, 108, 92),
    )
    tone = tone * (1.0 + 0.012 * _noise(2, 1) + 0.020 * _noise(14, 2) + 0.014 * _noise(1, 5))[..., None]
    tone[..., 0] += 2.5 * _noise(9, 4)
    freckles = _smoothstep(2.3, 3.2, _noise(3, 6)) * _spot(mirrored, cheek + np.array([-0.006, 0.008, 0.0]), 0.024)
    tint(0.35 * freckles, (160, 96, 70))

    edge = _smoothstep(0.30, 0.62, lips)
    tint(0.76 * edge, (182, 112, 103))
    tint(0.25 * edge * _smoothstep(0.6, 1.0, lips), (188, 112, 106))
    tone = tone * (1.0 - 0.10 * (_smoothstep(0.12, 0.4, lips) - edge).clip(0, 1))[..., None]

    hair = (60, 44, 36)
    tint(0.95 * _brow(mirrored, marks.eye), hair)
    grain = 0.5 + 0.5 * np.clip(0.8 * _noise(1, 8) + 0.45 * _noise(2, 9), -1.4, 1.4) / 1.4
    root = _smoothstep(0.12, 0.62, scalp + 0.05 * _noise(5, 11))
    tint(root * (0.74 + 0.24 * grain), hair)
    tone = np.where(root[..., None] > 0.5, tone * (0.82 + 0.36 * grain[..., None]), tone)
    picture = Image.fromarray(np.clip(np.round(tone), 0, 255).astype(np.uint8))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80, subsampling=0)
    return stream.getvalue()
