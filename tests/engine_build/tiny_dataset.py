"""A data set of a few seconds: buzzes whose loudness is the jaw, labelled at 25 frames a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 44_100
FPS = 25
CHANNELS = ("jawOpen", "mouthPucker", "mouthClose", "browInnerUp", "eyeBlinkLeft")


def write_tiny_dataset(folder: Path, n_clips: int = 4, seconds: float = 1.2) -> Path:
    """Write `audio/`, `labels.npz` and `phones.json`."""
    rng = np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    n_frames = round(seconds * FPS)
    names, rows, gaps, phones = [], [], [], {}
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    for k in range(n_clips):
        jaw = 0.5 - 0.5 * np.cos(2 * np.pi * (1.5 + 0.5 * k) * np.arange(n_frames) / FPS)
        loud = np.interp(times * FPS, np.arange(n_frames), jaw)
        buzz = sum(np.sin(2 * np.pi * (100 + 20 * k) * h * times) / h for h in range(1, 20))
        sound = 0.05 * loud * buzz + 1e-4 * rng.standard_normal(len(times))
        soundfile.write(folder / "audio" / f"clip{k}.flac", sound.astype(np.float32), RATE_HZ)
        names.append(f"clip{k}")
        rows.append(np.stack([0.6 * jaw, 0.3 * (1 - jaw), 0 * jaw, 0.1 * jaw, 0.5 + 0 * jaw], axis=1))
        gaps.append(np.stack([0.12 * jaw, 0.58 - 0.03 * (1 - jaw), 0.92 + 0.1 * jaw], axis=1))
        half = seconds / 2
        phones[f"clip{k}"] = {
            "phones": [["SIL", 0.0, 0.1], ["P", 0.1, 0.2], ["AA", 0.2, half], ["UW", half, seconds]],
            "words": [["par", 0.1, half], ["oo", half, seconds]],
        }
    np.savez(
        folder / "labels.npz",
        clips=np.array(names),
        n_frames=np.full(n_clips, n_frames),
        fps=np.array(float(FPS)),
        channels=np.array(CHANNELS),
        activations=np.concatenate(rows).astype(np.float32),
        confidence=np.array([1.0, 0.8, 0.0, 0.5, 1.0], np.float32),
        head_deg=np.zeros((n_clips * n_frames, 3), np.float32),
        geometry=np.concatenate(gaps).astype(np.float32),
        valid=np.ones(n_clips * n_frames, bool),
        phones=np.zeros(n_clips * n_frames, np.int64),
    )
    (folder / "phones.json").write_text(json.dumps(phones))
    return folder
