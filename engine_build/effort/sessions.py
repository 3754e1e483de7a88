"""One long recording of each speaker, in blocks of sentences that are acted alike, as somebody talks for minutes.

A voice that is measured relative to its speaker's average has to be heard as it would be: from neutral speech on, with
pauses, one gain for all of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edge.frames import Float32Array
from engine_build.data.corpus import read_audio
from engine_build.effort.corpus import NEUTRAL, ActedClip

BLOCK_CLIPS, LEAST_CLIPS = 5, 3  # of a block; fewer that remain are left out, unless they are all there are
PAUSE_S = 0.5
LEVEL_RMS = 0.05  # of a speaker's median sentence: -26 dBFS
NOISE_DBFS = -78.0
QUIETEST = 1e-4  # what is less at a sentence's ends is cut off
ACTIVE_SHARE = 1e-3  # of the power of the loudest 25 ms: what has less is a pause
SEED = 7


@dataclass(frozen=True)
class Mark:
    """Where a sentence lies in a session.

    Attributes:
        clip: Which.
        begin_s: First sample.
        end_s: One past the last.
    """

    clip: ActedClip
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Session:
    """What one speaker says.

    Attributes:
        speaker: Who.
        samples: float32 [n], full scale = 1.
        rate_hz: Of the samples.
        marks: In order of time.
    """

    speaker: str
    samples: Float32Array
    rate_hz: int
    marks: tuple[Mark, ...]


def sessions(clips: Sequence[ActedClip], rate_hz: int) -> Iterator[Session]:
    """Yield the session of each speaker, by name.

    Args:
        clips: Of a whole corpus, in a fixed order: the same clips give the same sessions.
        rate_hz: Of the samples.

    Raises:
        InputError: A recording cannot be read or holds nothing.
    """
    for speaker in sorted({clip.speaker for clip in clips}):
        yield _session(speaker, _order([clip for clip in clips if clip.speaker == speaker]), rate_hz)


def _order(clips: Sequence[ActedClip]) -> list[ActedClip]:
    """Return the clips of one speaker in blocks, in random order, a neutral block first."""
    by_block: dict[str, list[ActedClip]] = {}
    for clip in clips:
        by_block.setdefault(clip.block, []).append(clip)
    shuffling, blocks = random.Random(SEED), []
    for group in by_block.values():
        shuffling.shuffle(group)
        for begin in range(0, len(group), BLOCK_CLIPS):
            if begin == 0 or len(group) - begin >= LEAST_CLIPS:
                blocks.append(group[begin : begin + BLOCK_CLIPS])
    shuffling.shuffle(blocks)
    first = next(i for i, block in enumerate(blocks) if block[0].level == NEUTRAL)
    blocks.insert(0, blocks.pop(first))
    return [clip for block in blocks for clip in block]


def _session(speaker: str, clips: Sequence[ActedClip], rate_hz: int) -> Session:
    waves = []
    for clip in clips:
        wave = read_audio(clip.path, rate_hz)
        loud = np.flatnonzero(np.abs(wave) > QUIETEST)
        waves.append(wave[loud[0] : loud[-1] + 1] if len(loud) else wave)
    gain = LEVEL_RMS / float(np.median([active_rms(wave, rate_hz) for wave in waves]))
    pause = np.zeros(round(PAUSE_S * rate_hz), np.float32)
    parts: list[Float32Array] = []
    marks, n = [], 0
    for clip, wave in zip(clips, waves, strict=True):
        marks.append(Mark(clip, n / rate_hz, (n + len(wave)) / rate_hz))
        parts += [np.tanh(gain * wave), pause]
        n += len(wave) + len(pause)
    samples = np.concatenate(parts)
    noise = np.random.default_rng(1).standard_normal(len(samples), np.float32)
    samples += np.float32(10.0 ** (NOISE_DBFS / 20.0)) * noise
    return Session(speaker, np.clip(samples, -1.0, 1.0), rate_hz, tuple(marks))


def active_rms(wave: Float32Array, rate_hz: int) -> float:
    """Return the RMS of a recording without its pauses; of one that is nothing, a little above 0."""
    n = max(1, round(0.025 * rate_hz))
    if len(wave) < n:
        wave = np.pad(wave, (0, n - len(wave)))
    power = np.square(wave[: len(wave) // n * n].reshape(-1, n)).mean(axis=1)
    return float(np.sqrt(power[power >= ACTIVE_SHARE * power.max()].mean())) + 1e-9
