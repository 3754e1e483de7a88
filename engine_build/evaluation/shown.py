"""Read the faces that the whole program showed: what `au-edge render` wrote, on the frames of the evaluation.

A network is one thing, what a head receives another: the gate rests the face in silence, filters smooth it, limits hold
it. `au-edge render DATASET/audio/*.flac --out frames/ --format npz` writes what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from engine_build.data.corpus import Corpus


def read_shown(folder: Path, corpus: Corpus, channels: Sequence[str], frame_rate: float) -> list[NDArray[np.float32]]:
    """Return the activations of every clip, [n_frames, n_channels].

    Args:
        folder: `<clip>.npz` for every clip, as `au-edge render` writes them; its times already leave out the network's
            look-ahead.
        corpus: The clips and how many frames each has.
        channels: In the order wanted.
        frame_rate: Frames a second.

    Raises:
        InputError: A clip's file is missing, damaged, or of other channels.
    """
    faces = []
    for k, clip in enumerate(corpus.clips):
        path = folder / f"{clip}.npz"
        try:
            with np.load(path) as archive:
                times_s, values = archive["time_s"], archive["activations"]
                known = {str(name): i for i, name in enumerate(archive["channels"])}
        except (OSError, ValueError, KeyError) as err:
            raise InputError(
                f"frames of clip {clip!r}, {path}",
                f"cannot be read ({err})",
                "Write them with `au-edge render AUDIO... --out FOLDER --format npz`",
            ) from err
        missing = sorted(set(channels) - known.keys())
        if missing or not len(times_s):
            found = f"no {', '.join(missing[:4])}" if missing else "no frames"
            raise InputError(f"frames of clip {clip!r}, {path}", found, "Render them with the network to be evaluated")
        frames = corpus.clip_frames(k)
        ends_s = (np.arange(frames.stop - frames.start) + 1) / frame_rate
        shown = [np.interp(ends_s, times_s, values[:, known[name]]) for name in channels]
        faces.append(np.stack(shown, axis=1).astype(np.float32))
    return faces
