"""What peers showed, kept in a folder: they do not change while our networks do, and a second run is shorter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.compare.programs import Heard, Program
from tests.benchmarks.compare.shapes import Mouth, Shapes


@dataclass(frozen=True)
class KeptShowings:
    """Where showings are kept.

    Attributes:
        folder: One file a program and version; None: nothing is kept.
        never: Programs that are run every time.
    """

    folder: Path | None
    never: tuple[str, ...] = ()

    def hear(self, program: Program, sounds: Sequence[Path]) -> list[Heard]:
        """Return what a program shows of each clip, from the folder if all of them are there."""
        if self.folder is None or program.name in self.never:
            return [program.hear(path) for path in sounds]
        name = re.sub(r"[^a-zA-Z0-9.]+", "-", f"{program.name} {program.version}").strip("-")
        path = self.folder / f"{name}.npz"
        arrays = {}
        if path.exists():
            with np.load(path) as archive:
                arrays = dict(archive)
        there = {key.partition("|")[0] for key in arrays}
        for sound in sounds:
            if sound.stem in there:
                continue
            for variant, shown in program.hear(sound).shown.items():
                if isinstance(shown, Shapes):
                    arrays[f"{sound.stem}|{variant}|times"] = shown.times_s
                    arrays[f"{sound.stem}|{variant}|weights"] = shown.weights
        self.folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
        return [_taken(arrays, sound.stem) for sound in sounds]


def _taken(arrays: dict[str, np.ndarray], clip: str) -> Heard:
    shown: dict[str, Mouth | Shapes] = {}
    for key in arrays:
        name, variant, what = key.split("|")
        if name == clip and what == "times":
            shown[variant] = Shapes(arrays[key], arrays[f"{clip}|{variant}|weights"])
    return Heard(0.0, shown)
