"""Guess the gap of the lips from the sound alone, roughly: what the time of a picture is measured against.

A ridge regression from the levels of twelve bands, 150 ms to both sides, to the gap in standard deviations of a
speaker; r about 0.7 on people it has not heard. `gap_from_sound.npz` holds its 193 numbers, fitted on seven speakers of
the GRID corpus (Cooke, Barker, Cunningham, Shao, JASA 120(5), 2006; CC BY 4.0), 75 clips of each at most, each speaker
with the same weight. What sound and picture of these seven have on average is what counts as together.

    python -m engine_build.labels.gap_from_sound grid_s1 grid_more --but s31 s5
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

COLUMNS_HZ = 100  # levels a second
WINDOW_S = 0.025
EDGES_HZ = np.geomspace(100.0, 5000.0, 13)
RANGE_DB = 60.0  # under a clip's peak; below that is silence
OFFSETS = np.arange(-15, 16, 2)  # columns about a frame that tell of it
RIDGE = 0.03
MOST_CLIPS = 75
FILE = Path(__file__).with_suffix(".npz")


def speech_bands(samples: NDArray[np.float32], rate_hz: int) -> Float64:
    """Return the level of each band over time, [n_columns, 12] in [0, ...]: 0 is 60 dB below the clip's peak, 1 at it.

    Args:
        samples: [n], mono.
        rate_hz: 10 kHz or more.
    """
    hop, n = round(rate_hz / COLUMNS_HZ), round(rate_hz * WINDOW_S)
    n_fft = 1 << (n - 1).bit_length()
    padded = np.pad(samples, (n // 2, n + hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, n)[::hop][: max(2, len(samples) // hop)]
    power = np.abs(np.fft.rfft(windows * np.hanning(n), n_fft)) ** 2
    hz = np.fft.rfftfreq(n_fft, 1.0 / rate_hz)
    bands = [power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in itertools.pairwise(EDGES_HZ)]
    level_db = 10.0 * np.log10(np.stack(bands, axis=1) + 1e-12)
    level: Float64 = np.maximum((level_db - np.percentile(level_db.max(axis=1), 95)) / RANGE_DB + 1.0, 0.0)
    return level


def around(bands: Float64) -> Float64:
    """Return what tells of each column: the levels about it, [n_columns, 16 * 12], held at the ends."""
    places = np.clip(np.arange(len(bands))[:, None] + OFFSETS, 0, len(bands) - 1)
    told: Float64 = bands[places].reshape(len(bands), -1)
    return told


def rows_at(series: Float64, columns: NDArray[np.floating]) -> Float64:
    """Return a series [n, ...] at fractional columns, held at its ends."""
    columns = np.clip(columns, 0, len(series) - 1)
    below = np.minimum(columns.astype(int), max(len(series) - 2, 0))
    share = (columns - below).reshape(-1, *[1] * (series.ndim - 1))
    return np.asarray(series[below] * (1 - share) + series[np.minimum(below + 1, len(series) - 1)] * share)


def predict_gap(bands: Float64) -> Float64:
    """Return the guessed gap of each column, [n_columns], in standard deviations of a speaker."""
    weights = _weights()
    return np.asarray(around(bands) @ weights[:-1] + weights[-1])


@cache
def _weights() -> Float64:
    with np.load(FILE) as stored:
        return np.asarray(stored["weights"], dtype=np.float64)


def fit_weights(speakers: Sequence[tuple[Float64, Float64]]) -> Float64:
    """Fit the regression.

    Args:
        speakers: Of each, what tells of his frames [n_frames, n], and the gap [n_frames]; all weigh the same.

    Returns:
        float64 [n + 1]; the last is the constant.
    """
    n = speakers[0][0].shape[1] + 1
    square, product = RIDGE * np.eye(n), np.zeros(n)
    for told, gap in speakers:
        rows = np.concatenate([told, np.ones((len(told), 1))], axis=1) / np.sqrt(len(told))
        square += rows.T @ rows
        product += rows.T @ ((gap - gap.mean()) / gap.std() / np.sqrt(len(told)))
    return np.asarray(np.linalg.solve(square, product))


def main(argv: Sequence[str] | None = None) -> int:
    """Fit `gap_from_sound.npz` anew."""
    import soundfile

    from engine_build.labels.blendshape_face import blendshape_face
    from engine_build.labels.geometry import picture_geometry
    from engine_build.labels.stored_landmarks import read_clips, read_speakers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--but", nargs="*", default=[], metavar="NAME", help="speakers to leave out")
    args = parser.parse_args(argv)
    speakers = []
    for folder in args.folders:
        for name, clips in read_speakers(folder, read_clips(folder)).items():
            if name in args.but:
                continue
            told, gaps = [], []
            for clip in clips[:: max(1, len(clips) // MOST_CLIPS)]:
                sound, rate_hz = soundfile.read(folder / "audio" / f"{clip.name}.flac", dtype="float32", always_2d=True)
                columns = np.arange(len(clip.points)) / clip.fps * COLUMNS_HZ
                rows = rows_at(around(speech_bands(sound.mean(axis=1), rate_hz)), columns)
                told.append(rows[clip.is_found])
                gaps.append(picture_geometry(clip.points, blendshape_face().landmarks)[clip.is_found, 0])
            speakers.append((np.concatenate(told), np.concatenate(gaps)))
            print(f"{name or folder}: {len(gaps)} clips")
    np.savez_compressed(FILE, weights=fit_weights(speakers).astype(np.float32))
    return 0


if __name__ == "__main__":
    sys.exit(main())
