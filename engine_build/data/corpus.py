"""Recordings with labels as arrays on the frames of the network: what training and evaluation read.

A dataset of your own is a folder with `audio/<clip>.wav|flac` and `labels.npz` (as `python -m engine_build label`
writes it): `clips` [n], `n_frames` [n] (frames of all clips one after another), `fps`, `channels` [c], `activations`
[N, c] in [0, 1], `confidence` [c] or [N, c] (0: the label says nothing), and where known `head_deg` [N, 3], `geometry`
[N, 3] (gap of the inner lips, mouth width, nose to chin, in distances of the outer eye corners), `valid` [N], `phones`
[N] class numbers (-1 unknown). Features are computed once and kept in a cache folder, memory-mapped.

Time: label i of a clip is the face at i / fps. The target of the frame that ends at t is the face at t - lookahead_ms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.features.framing import FrameAxis
from edge.machine.whole_file import unwritable, whole_file

Float32Array = NDArray[np.float32]
AUDIO_SUFFIXES = (".flac", ".wav")


@dataclass(frozen=True)
class CorpusSpec:
    """Where a corpus lies and what may be believed of it.

    Attributes:
        name: Unique; names the cache file.
        audio: Folder of recordings.
        labels: The labels file; copies of a voice share those of the original.
        weight: How often it is drawn, relative to the others.
        is_generated: Labels come from a model, not from a face: the loss believes them less.
        is_rest: The face is at rest throughout (sounds that are not speech); `labels` is not read.
        clips: Which clips: "all", or "a % m" / "a ! m": those whose sorted index is / is not a modulo m.
        speakers: Whose: "all", "s2 s3", or "! s31 s5" for all but these; the labels name the speaker of each clip.
        is_partial: The folder holds the sound of some of the labelled clips only; the others are left out.
    """

    name: str
    audio: str
    labels: str = ""
    weight: float = 1.0
    is_generated: bool = False
    is_rest: bool = False
    clips: str = "all"
    speakers: str = "all"
    is_partial: bool = False


@dataclass(frozen=True)
class FeatureSpec:
    """What the network takes, as the manifest says it.

    Attributes:
        features: `kind` and parameters.
        sample_rate_hz: Rate of the samples.
        frame_rate: Frames a second.
    """

    features: Mapping[str, Any]
    sample_rate_hz: int
    frame_rate: Fraction

    def fingerprint(self) -> str:
        """Return a short name that changes with any of the parameters."""
        text = json.dumps([dict(self.features), self.sample_rate_hz, str(self.frame_rate)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass
class Corpus:
    """One corpus on the frames of the network; clip k has the frames first[k] to first[k + 1].

    Attributes:
        spec: Where it came from.
        clips: Names.
        first: int [n_clips + 1].
        features: float16 [N, ...], memory-mapped.
        activations: float32 [N, n_channels].
        confidence: float32 [N, n_channels]; 0 where the label says nothing.
        head_deg: float32 [N, 3].
        head_confidence: float32 [N].
        geometry: float32 [N, 3]; NaN where unknown.
        phones: int64 [N]; -1 where unknown.
    """

    spec: CorpusSpec
    clips: tuple[str, ...]
    first: NDArray[np.int64]
    features: NDArray[np.float16]
    activations: Float32Array
    confidence: Float32Array
    head_deg: Float32Array
    head_confidence: Float32Array
    geometry: Float32Array
    phones: NDArray[np.int64]

    def clip_frames(self, index: int) -> slice:
        """Return the frames of a clip."""
        return slice(int(self.first[index]), int(self.first[index + 1]))


def chosen_clips(names: Sequence[str], rule: str) -> list[str]:
    """Return the names that a rule of `CorpusSpec.clips` lets through, sorted."""
    ordered = sorted(names)
    if rule == "all":
        return ordered
    try:
        remainder, sign, modulus = rule.split()
        wanted, n = int(remainder), int(modulus)
    except ValueError as err:
        raise InputError(f"clips {rule!r}", "not understood", 'Write "all", "7 % 10" or "7 ! 10"') from err
    return [name for i, name in enumerate(ordered) if (i % n == wanted) == (sign == "%")]


def read_audio(path: Path, rate_hz: int) -> Float32Array:
    """Return a recording as mono float32 at a rate.

    Raises:
        InputError: It cannot be read or holds nothing.
    """
    import soundfile

    try:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as err:
        raise InputError(f"recording {path}", f"cannot be read ({err})", "Give WAV or FLAC files") from err
    mono = np.ascontiguousarray(wave.mean(axis=1, dtype=np.float32))
    if not len(mono):
        raise InputError(f"recording {path}", "it holds no sound", "Remove it or record it again")
    if rate != rate_hz:
        import soxr

        mono = soxr.resample(mono, rate, rate_hz).astype(np.float32)
    finite: Float32Array = np.nan_to_num(mono)
    return finite


def make_extractor(spec: FeatureSpec) -> Any:
    """Return the runtime's own extractor for a feature specification."""
    from edge.features.log_mel import LogMel
    from edge.features.spectrogram import PaperSpectrogram

    classes: dict[str, Any] = {LogMel.kind: LogMel, PaperSpectrogram.kind: PaperSpectrogram}
    kind = str(spec.features["kind"])
    if kind not in classes:
        raise InputError(f"features of kind {kind!r}", "unknown", f"Use one of {', '.join(classes)}")
    return classes[kind].from_manifest(spec.features, spec.sample_rate_hz, spec.frame_rate)


def compute_features(samples: Float32Array, spec: FeatureSpec) -> Float32Array:
    """Return the features of a recording, [n_frames, ...] without the batch axis, silence before its start."""
    extractor = make_extractor(spec)
    axis = FrameAxis(spec.sample_rate_hz, spec.frame_rate)
    if hasattr(extractor, "compute_sequence"):
        whole: Float32Array = extractor.compute_sequence(samples, axis)
        return whole
    n_window = extractor.window_samples
    padded = np.concatenate([np.zeros(n_window, np.float32), samples])
    out = np.empty((axis.n_frames_within(len(samples)), *extractor.shape), np.float32)
    for k in range(len(out)):
        end = axis.end_of(k)
        extractor.compute(padded[end : end + n_window], out[k])
    return out[:, 0]


def cached_features(spec: CorpusSpec, clips: Sequence[str], features: FeatureSpec, cache: Path) -> tuple[Path, Path]:
    """Compute the features of a corpus once: again where a recording was changed, as its size and time of change tell.

    Several processes may ask at once; each writes what it computed, whole, and the last one's stays.

    Returns:
        Two files: the features, float16 [N, ...], and the frames of each clip.

    Raises:
        InputError: A recording cannot be read, or the cache not be written.
    """
    paths = [find_audio(Path(spec.audio), clip) for clip in clips]
    states = [(path, path.stat()) for path in paths]
    known = "\n".join(f"{path} {state.st_size} {state.st_mtime_ns}" for path, state in states)
    digest = hashlib.sha256(known.encode()).hexdigest()[:8]
    stem = f"{spec.name}-{features.fingerprint()}-{digest}"  # not as a Path's suffix: a name may have dots
    array_path, frames_path = cache / f"{stem}.npy", cache / f"{stem}.frames.npy"
    if array_path.exists() and frames_path.exists():
        return array_path, frames_path
    cache.mkdir(parents=True, exist_ok=True)
    parts = [compute_features(read_audio(path, features.sample_rate_hz), features).astype(np.float16) for path in paths]
    for path, content in (
        (array_path, np.concatenate(parts)),
        (frames_path, np.array([len(part) for part in parts], np.int64)),
    ):
        try:
            with whole_file(path, "wb") as file:
                np.save(file, content)
        except OSError as err:
            raise unwritable(path, err) from err
    return array_path, frames_path


def find_audio(folder: Path, clip: str) -> Path:
    """Return the recording of a clip.

    Raises:
        InputError: There is none.
    """
    for suffix in AUDIO_SUFFIXES:
        path = folder / f"{clip}{suffix}"
        if path.exists():
            return path
    raise InputError(
        f"clip {clip!r}", f"no {clip}.flac or {clip}.wav in {folder}", "Put the recording there, or leave the label out"
    )
