"""Label speech whose phone times are known: by the phone-to-shape model, with lips that close and faces that rest.

In: a labelled corpus with its phone times (to learn from) and corpora of synthetic speech with theirs. Out:
`labels.npz` in the format of the real labels, `source` = generated; only mouth, jaw and cheek channels are believed.
No head rotation is written: what is absent is not learnt.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import InputError
from edge.machine.whole_file import write_whole
from engine_build.voices.alignment import SILENCE, Span
from engine_build.voices.phone_shape import PHONES, LabelledSentence, PhoneShapeModel, Tracks
from engine_build.voices.spoken_corpus import SpokenClip

LABEL_FPS = 50.0
LABELS_VERSION = 1
MIN_CONFIDENCE = 0.02  # channels believed less are not worth a track
GEOMETRY_WEIGHT = 2.0  # measured, not fitted: worth more than any activation
MOUTH_PREFIXES = ("mouth", "jaw", "cheek")
GEOMETRY = ("gap", "width", "chin")
BILABIALS = ("B", "P", "M")
REST_BEFORE_S, REST_AFTER_S, REST_FADE_S = 0.30, 0.35, 0.25  # lips part before the sound and linger after it
CLOSURE_MARGIN_S = 0.03
SURELY_OPEN_GAP = 0.05  # eye distances, about 4 mm: a mouth this wide open takes the whole closed posture


@dataclass(frozen=True)
class Posture:
    """Shapes that the real labels take at certain moments, one value for each track."""

    rest: Tracks
    closed: Tracks


@dataclass(frozen=True)
class Teacher:
    """Real labels as the phone-to-shape model takes them.

    Attributes: names of the tracks (channels, then gap, width, chin), confidence of the channels, clips, sentences, and
    the speaker of each clip ("" where the labels do not tell).
    """

    names: tuple[str, ...]
    confidence: Tracks
    clips: tuple[str, ...]
    sentences: tuple[LabelledSentence, ...]
    speakers: tuple[str, ...] = ()

    @property
    def weights(self) -> Tracks:
        """What an error costs in each track: the activations' confidence, and GEOMETRY_WEIGHT."""
        return np.append(self.confidence, np.full(len(GEOMETRY), GEOMETRY_WEIGHT)).astype(np.float32)


def load_teacher(labels: Path, phones: Mapping[str, Sequence[Span]]) -> Teacher:
    """Read the real labels of the recordings whose phone times are known.

    Args:
        labels: a labels file with geometry.
        phones: clip -> spans.

    Returns:
        The believed mouth channels and the three lip distances, for each clip.

    Raises:
        InputError: no clip is in both.
    """
    with np.load(labels) as archive:
        stored = {name: archive[name] for name in archive.files}
    channels = [str(name) for name in stored["channels"]]
    confidence = np.atleast_2d(stored["confidence"]).mean(axis=0)
    kept = [
        index
        for index, name in enumerate(channels)
        if confidence[index] >= MIN_CONFIDENCE and name.startswith(MOUTH_PREFIXES)
    ]
    tracks = np.concatenate([stored["activations"][:, kept], stored["geometry"]], axis=1).astype(np.float32)
    tracks = _bridge(tracks, np.asarray(stored["valid"], dtype=bool))
    first = np.concatenate([[0], np.cumsum(stored["n_frames"])])
    fps = float(stored["fps"])
    clips: list[str] = []
    speakers: list[str] = []
    sentences: list[LabelledSentence] = []
    who = stored.get("speakers", np.full(len(stored["clips"]), ""))
    for index, clip in enumerate(str(name) for name in stored["clips"]):
        if clip in phones:
            clips.append(clip)
            speakers.append(str(who[index]))
            sentences.append(LabelledSentence(tuple(phones[clip]), tracks[first[index] : first[index + 1]], fps))
    if not clips:
        raise InputError(f"labels {labels}", "no clip of it has phone times", "Align its recordings first")
    names = (*(channels[index] for index in kept), *GEOMETRY)
    return Teacher(names, confidence[kept].astype(np.float32), tuple(clips), tuple(sentences), tuple(speakers))


def _bridge(tracks: Tracks, valid: NDArray[np.bool_]) -> Tracks:
    """Draw straight lines over frames that are not valid."""
    usable = valid & np.isfinite(tracks).all(axis=1)
    rows = np.arange(len(tracks))
    columns = [np.interp(rows, rows[usable], column[usable]) for column in tracks.T]
    return np.stack(columns, axis=1).astype(np.float32)


def measure_posture(sentences: Sequence[LabelledSentence], n_channels: int) -> Posture:
    """Measure the face at rest and the face with closed lips.

    Args:
        sentences: real labels; the first n_channels tracks are activations, then gap, width, chin.
        n_channels: how many tracks are activations.

    Returns:
        Rest: the lip distances in silence, activations zero. Closed: the median at the narrowest frame of each /p b m/.
    """
    resting: list[Tracks] = []
    closed: list[Tracks] = []
    for sentence in sentences:
        times_s = np.arange(len(sentence.tracks)) / sentence.fps
        resting.append(sentence.tracks[rest_weight(sentence.phones, times_s) > 0.99])
        for span in sentence.phones:
            near = (times_s >= span.start_s - CLOSURE_MARGIN_S) & (times_s <= span.end_s + CLOSURE_MARGIN_S)
            if span.name in BILABIALS and near.any():
                candidates = sentence.tracks[near]
                closed.append(candidates[np.argmin(candidates[:, n_channels])][None])
    rest = np.median(np.concatenate(resting), axis=0).astype(np.float32)
    rest[:n_channels] = 0.0
    return Posture(rest, np.median(np.concatenate(closed), axis=0).astype(np.float32))


def rest_weight(phones: Sequence[Span], times_s: NDArray[np.floating]) -> Tracks:
    """Say how far the face is at rest: 0 in speech, 1 well before and after it.

    Args:
        phones: spans in order.
        times_s: [n_times].

    Returns:
        [n_times] in [0, 1].
    """
    spoken = [span for span in phones if span.name != SILENCE]
    if not spoken:
        return np.ones(len(times_s), dtype=np.float32)
    start_s = np.array([span.start_s for span in spoken])
    end_s = np.array([span.end_s for span in spoken])
    following = np.searchsorted(start_s, times_s, side="right")
    until_s = np.where(following < len(start_s), start_s[np.minimum(following, len(start_s) - 1)] - times_s, np.inf)
    since_s = np.where(following > 0, times_s - end_s[np.maximum(following - 1, 0)], np.inf)
    before = np.clip((until_s - REST_BEFORE_S) / REST_FADE_S, 0.0, 1.0)
    after = np.clip((since_s - REST_AFTER_S) / REST_FADE_S, 0.0, 1.0)
    return np.asarray(np.minimum(before, after), dtype=np.float32)


def close_lips(tracks: Tracks, phones: Sequence[Span], fps: float, posture: Posture, n_channels: int) -> Tracks:
    """Close the lips in /p b m/ where the model left them open; the other tracks follow as far as they were off.

    Args:
        tracks: [n_frames, n_tracks].
        phones: spans in order.
        fps: frames per second.
        posture: the closed face.
        n_channels: how many tracks are activations; the gap is the next one.

    Returns:
        [n_frames, n_tracks], a new array.
    """
    result = tracks.copy()
    times_s = np.arange(len(tracks)) / fps
    for span in phones:
        if span.name not in BILABIALS:
            continue
        middle_s = (span.start_s + span.end_s) / 2
        half_s = (span.end_s - span.start_s) / 2 + CLOSURE_MARGIN_S
        bump = np.clip(1.4 * np.cos(np.clip((times_s - middle_s) / half_s, -1, 1) * np.pi / 2), 0.0, 1.0)
        near = np.flatnonzero(bump > 0.5)
        if not len(near):
            continue
        excess = float(result[near, n_channels].min() - posture.closed[n_channels])
        if excess <= 0:
            continue
        bump = bump.astype(np.float32)
        share = bump * np.float32(min(1.0, excess / SURELY_OPEN_GAP))
        gap = result[:, n_channels] - bump * np.float32(excess)
        result = (1 - share[:, None]) * result + share[:, None] * posture.closed
        result[:, n_channels] = np.maximum(gap, 0.0)
    return np.asarray(result, dtype=np.float32)


def label_clip(model: PhoneShapeModel, posture: Posture, clip: SpokenClip, n_channels: int) -> Tracks:
    """Label one clip.

    Args:
        model: from phones to tracks.
        posture: rest and closed lips.
        clip: phones and duration.
        n_channels: how many tracks are activations.

    Returns:
        [n_frames, n_tracks] at LABEL_FPS; activations within [0, 1].
    """
    tracks = model.predict(clip.phones, clip.duration_s, LABEL_FPS)
    tracks = close_lips(tracks, clip.phones, LABEL_FPS, posture, n_channels)
    weight = rest_weight(clip.phones, np.arange(len(tracks)) / LABEL_FPS)[:, None]
    tracks = (1 - weight) * tracks + weight * posture.rest
    tracks[:, :n_channels] = np.clip(tracks[:, :n_channels], 0.0, 1.0)
    tracks[:, n_channels] = np.maximum(tracks[:, n_channels], 0.0)
    return np.asarray(tracks, dtype=np.float32)


def phone_numbers(phones: Sequence[Span], n_frames: int, fps: float) -> NDArray[np.int64]:
    """Return the index in PHONES of what is said at each frame, [n_frames]."""
    times_s = np.arange(n_frames) / fps
    numbers = np.full(n_frames, PHONES.index(SILENCE), dtype=np.int64)
    for span in phones:
        numbers[(times_s >= span.start_s) & (times_s < span.end_s)] = PHONES.index(span.name)
    return numbers


def write_labels(
    folder: Path,
    clips: Sequence[SpokenClip],
    model: PhoneShapeModel,
    posture: Posture,
    names: Sequence[str],
    known_confidence: Tracks,
    channels: Sequence[str],
) -> None:
    """Write `labels.npz` of a synthetic corpus.

    Args:
        folder: the corpus.
        clips: its clips.
        model: from phones to tracks.
        posture: rest and closed lips.
        names: the model's tracks: channel names, then gap, width, chin.
        known_confidence: of those channels in the real labels; it passes on to the generated ones.
        channels: all channels of the file, in order; those that the model does not know have confidence 0.
    """
    ordered = sorted(clips, key=lambda clip: clip.clip)
    n_known = len(names) - len(GEOMETRY)
    labelled = [label_clip(model, posture, clip, n_known) for clip in ordered]
    tracks = np.concatenate(labelled)
    activations = np.zeros((len(tracks), len(channels)), dtype=np.float32)
    columns = [list(channels).index(name) for name in names[:n_known]]
    activations[:, columns] = tracks[:, :n_known]
    confidence = np.zeros(len(channels), dtype=np.float32)
    confidence[columns] = known_confidence
    arrays: dict[str, Any] = {
        "version": LABELS_VERSION,
        "clips": np.array([clip.clip for clip in ordered]),
        "n_frames": np.array([len(part) for part in labelled], dtype=np.int32),
        "fps": np.float32(LABEL_FPS),
        "channels": np.array(list(channels)),
        "activations": activations,
        "confidence": confidence,
        "geometry": tracks[:, n_known:],
        "valid": np.ones(len(tracks), dtype=bool),
        "phones": np.concatenate(
            [phone_numbers(clip.phones, len(part), LABEL_FPS) for clip, part in zip(ordered, labelled, strict=True)]
        ),
        "phone_names": np.array(PHONES),
        "voice": np.array([clip.voice for clip in ordered]),
        "source": np.array("generated"),
    }
    write_arrays(folder / "labels.npz", **arrays)


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write a file of labels so that a reader sees the old one or the new one.

    Raises:
        InputError: It cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_whole(path, content.getvalue())


def add_phones(labels: Path, phones: Mapping[str, Sequence[Span]], target: Path) -> None:
    """Copy a labels file and add the phone of each frame; -1 where a clip has no phone times."""
    with np.load(labels) as archive:
        stored: dict[str, Any] = {name: archive[name] for name in archive.files}
    fps = float(stored["fps"])
    numbers = [
        phone_numbers(phones[str(clip)], int(n), fps) if str(clip) in phones else np.full(int(n), -1, dtype=np.int64)
        for clip, n in zip(stored["clips"], stored["n_frames"], strict=True)
    ]
    stored["phones"] = np.concatenate(numbers)
    stored["phone_names"] = np.array(PHONES)
    write_arrays(target, **stored)
