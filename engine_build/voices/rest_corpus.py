"""Make a corpus of sounds that are not speech, for which the face is at rest.

In: a number of clips. Out: `<folder>/audio/<kind>_<number>.flac` and `labels.npz` with zeros for the mouth channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engine_build.voices.changed_corpus import write_flac
from engine_build.voices.labelling import LABELS_VERSION, MOUTH_PREFIXES, write_arrays
from engine_build.voices.nonspeech import GENERATORS, draw_nonspeech

REST_RATE_HZ = 44100
REST_FPS = 50.0
CLIP_S = 4.0
# Noise alone is nothing much to learn from; what could pass for speech is made more often.
KINDS = (*GENERATORS, "breathing", "breathing", "music", "music", "keyboard")


def make_rest_corpus(
    folder: Path,
    n_clips: int,
    channels: Sequence[str],
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make clips of sounds that are not speech.

    Args:
        folder: the corpus' folder; clips that are there stay.
        n_clips: how many.
        channels: channel names of the labels; those of mouth, jaw and cheek are believed.
        seed: chance.
        progress: called with (done, all) after each clip.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    names = []
    n_samples = int(CLIP_S * REST_RATE_HZ)
    for index in range(n_clips):
        kind = KINDS[index % len(KINDS)]
        names.append(f"{kind}_{index:04d}")
        path = folder / "audio" / f"{names[-1]}.flac"
        if not path.exists():
            rng = np.random.default_rng([seed, index])
            wave, _ = draw_nonspeech(n_samples, REST_RATE_HZ, rng, kind=kind)
            write_flac(path, wave, REST_RATE_HZ)
        if progress is not None:
            progress(index + 1, n_clips)
    n_frames = int(CLIP_S * REST_FPS)
    write_arrays(
        folder / "labels.npz",
        version=LABELS_VERSION,
        clips=np.array(sorted(names)),
        n_frames=np.full(n_clips, n_frames, dtype=np.int32),
        fps=np.float32(REST_FPS),
        channels=np.array(list(channels)),
        activations=np.zeros((n_clips * n_frames, len(channels)), dtype=np.float32),
        confidence=np.array([1.0 if name.startswith(MOUTH_PREFIXES) else 0.0 for name in channels], dtype=np.float32),
        valid=np.ones(n_clips * n_frames, dtype=bool),
        source=np.array("generated"),
    )
