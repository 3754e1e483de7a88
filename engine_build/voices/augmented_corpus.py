"""Make copies of corpora as other rooms, microphones and lines would have recorded them.

In: folders of recordings of the same clips (the recordings, their changed voices). Out: `<folder>/audio/<clip>.flac`,
each clip once, from a folder drawn by chance, with room, noise, response and level changed but not the pace: the labels
hold as they are. For training that reads prepared features; training on waves calls `augment` itself.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.errors import InputError
from engine_build.voices.augment import AugmentSettings, NoiseBank, Wave, augment, make_noise_bank
from engine_build.voices.changed_corpus import list_recordings, write_flac
from engine_build.voices.rooms import make_room_bank
from engine_build.voices.synthesisers import read_wave

N_ROOMS = 100
N_BABBLERS = 40
# Harder than on the fly: these copies stand beside clean ones.
SETTINGS = AugmentSettings(chance_speed=0.0, chance_room=0.75, chance_noise=0.85, chance_microphone=0.9)


def make_augmented_corpus(
    sources: Sequence[Path],
    folder: Path,
    *,
    settings: AugmentSettings = SETTINGS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make one changed copy of each clip.

    Args:
        sources: folders of recordings; clips of the same name are the same speech.
        folder: the corpus; copies that are there stay.
        settings: how often and how strongly sound is changed; the pace is left as it is in any case.
        seed: chance.
        progress: called with (done, all) after each clip.

    Returns:
        The number of clips.

    Raises:
        InputError: there is no recording.
    """
    how = dataclasses.replace(settings, chance_speed=0.0)
    versions: dict[str, list[Path]] = {}
    for source in sources:
        for path in list_recordings(source):
            versions.setdefault(path.stem, []).append(path)
    if not versions:
        raise InputError("recordings to change", f"none in {[str(source) for source in sources]}", "Name other folders")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    banks: dict[int, tuple[Wave, NoiseBank]] = {}
    for n_done, clip in enumerate(sorted(versions), start=1):
        target = folder / "audio" / f"{clip}.flac"
        if not target.exists():
            rng = np.random.default_rng([seed, zlib.crc32(clip.encode())])
            wave, rate_hz = read_wave(versions[clip][int(rng.integers(len(versions[clip])))])
            if rate_hz not in banks:
                banks[rate_hz] = (make_room_bank(N_ROOMS, rate_hz, seed), _noise(versions, rate_hz, seed))
            rooms, noise = banks[rate_hz]
            changed, _ = augment(wave, rate_hz, rng, settings=how, rooms=rooms, noise=noise)
            write_flac(target, changed, rate_hz)
        if progress is not None:
            progress(n_done, len(versions))
    return len(versions)


def _noise(versions: dict[str, list[Path]], rate_hz: int, seed: int) -> NoiseBank:
    """Return noises with babble mixed from some of the clips."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(sorted(versions))[:N_BABBLERS]
    waves = [read_wave(versions[str(name)][0]) for name in names]
    return make_noise_bank(rate_hz, seed, [wave for wave, its_rate_hz in waves if its_rate_hz == rate_hz])
