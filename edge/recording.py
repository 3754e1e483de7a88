"""Frames in files: CSV, JSON lines and npz. A file is written whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.frames import AUFrame, Float32Array
from edge.machine.whole_file import whole_file
from edge.manifest import Manifest

HEAD_COLUMNS = ("head_pitch_deg", "head_yaw_deg", "head_roll_deg")
_END_SLACK_S = 1e-6  # rounding of times, far below a sample


class FrameTable:
    """Frames of one recording, row by row.

    Args:
        manifest: Names the channels.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.channels = manifest.channels
        self.frame_rate = float(manifest.frame_rate)
        self.times_s: list[float] = []
        self.states: list[str] = []
        self._rows: list[Float32Array] = []

    def add(self, frame: AUFrame, time_s: float) -> None:
        """Append a copy of a frame.

        Args:
            frame: The face.
            time_s: Its place in the sound.
        """
        self.times_s.append(time_s)
        self.states.append(frame.state.label)
        self._rows.append(np.concatenate([frame.activations, frame.head_deg]))

    def trim(self, end_s: float) -> None:
        """Drop the frames that end after the sound does."""
        while self.times_s and self.times_s[-1] > end_s + _END_SLACK_S:
            self.times_s.pop()
            self.states.pop()
            self._rows.pop()

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def values(self) -> Float32Array:
        """Return float32 [n_frames, n_channels + 3]: activations, then pitch, yaw, roll in degrees."""
        if not self._rows:
            return np.zeros((0, len(self.channels) + 3), np.float32)
        return np.stack(self._rows)


def write_csv(path: Path, table: FrameTable) -> None:
    """Write `time_s`, `state`, the channels and the head, one row per frame."""
    with whole_file(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time_s", "state", *table.channels, *HEAD_COLUMNS])
        for time_s, state, row in zip(table.times_s, table.states, table.values, strict=True):
            writer.writerow([f"{time_s:.6f}", state, *(f"{value:.5f}" for value in row)])


def write_jsonl(path: Path, table: FrameTable) -> None:
    """Write one JSON object per line: time_s, state, au by name, head by axis."""
    with whole_file(path, "w") as file:
        for time_s, state, row in zip(table.times_s, table.states, table.values, strict=True):
            rounded = [round(float(value), 5) for value in row]
            head = dict(zip(("pitch", "yaw", "roll"), rounded[-3:], strict=True))
            au = dict(zip(table.channels, rounded, strict=False))
            file.write(json.dumps({"time_s": round(time_s, 6), "state": state, "au": au, "head": head}) + "\n")


def write_npz(path: Path, table: FrameTable) -> None:
    """Write arrays: time_s [n], state [n], channels [c], activations [n, c], head_deg [n, 3], frame_rate."""
    n_channels = len(table.channels)
    with whole_file(path, "wb") as file:
        np.savez_compressed(
            file,
            time_s=np.array(table.times_s),
            state=np.array(table.states, dtype="U8"),
            channels=np.array(table.channels),
            activations=table.values[:, :n_channels],
            head_deg=table.values[:, n_channels:],
            frame_rate=np.float64(table.frame_rate),
        )


WRITERS: dict[str, Callable[[Path, FrameTable], None]] = {"csv": write_csv, "jsonl": write_jsonl, "npz": write_npz}
