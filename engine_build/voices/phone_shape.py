"""Learn which shape the mouth has when which phone is spoken, and label synthetic speech with it.

In: phone times of labelled recordings and their tracks (activations or lip distances). Out: a model that gives tracks
for phone times alone. A small network reads the whole sentence in both directions, so it learns how sounds colour one
another: lips round before /uw/, close before /m/. It hears nothing, so a voice cannot confuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_build.voices.alignment import SILENCE, Span

STEP_S = 0.01  # the time axis of the phones, the aligner's
LARGEST_SPREAD = 1.5  # of `measure_spread`: beyond it the model knows nothing, and noise would be made larger
SHAPE_STEP_S = 0.02  # the time axis of the shapes: lips move slowly, and half the steps take half the time

PHONES: tuple[str, ...] = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH"),
    *("K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
    SILENCE,
)
# What the lips and the jaw share, so that a phone that the recordings lack borrows from its kin.
CLASSES: dict[str, tuple[str, ...]] = {
    "bilabial": ("B", "P", "M"),
    "labiodental": ("F", "V"),
    "dental": ("TH", "DH"),
    "alveolar": ("T", "D", "N", "L", "S", "Z"),
    "postalveolar": ("SH", "ZH", "CH", "JH"),
    "velar": ("K", "G", "NG"),
    "rounded": ("UW", "UH", "OW", "AO", "OY", "W", "R", "ER", "SH", "ZH", "CH", "JH", "AW"),
    "open": ("AA", "AE", "AY", "AW", "AO", "AH", "EH", "EY", "OW", "OY"),
    "close": ("IY", "IH", "UW", "UH", "Y", "W"),
    "spread": ("IY", "EY", "IH", "EH", "AE", "S", "Z", "Y", "AY"),
    "vowel": ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"),
    "diphthong": ("AW", "AY", "EY", "OW", "OY"),
    "nasal": ("M", "N", "NG"),
    "voiceless": ("P", "T", "K", "F", "S", "SH", "TH", "CH", "HH"),
}
N_FEATURES = len(PHONES) + len(CLASSES) + 4
_INDEX = {phone: index for index, phone in enumerate(PHONES)}
_CODES = np.concatenate(  # [n_phones, n_phones + n_classes]: which phone it is and to which classes it belongs
    [np.eye(len(PHONES)), np.array([[phone in members for members in CLASSES.values()] for phone in PHONES])], axis=1
).astype(np.float32)
Tracks = NDArray[np.float32]


def phone_features(phones: Sequence[Span], duration_s: float) -> Tracks:
    """Write phone times as columns on a 100 Hz axis.

    Args:
        phones: spans in order; what lies between is silence.
        duration_s: length of the axis.

    Returns:
        [n_steps, N_FEATURES]: which phone, its classes, the position in it, its length, the distance to its edges.
    """
    n_steps = max(1, round(duration_s / STEP_S))
    centre_s = (np.arange(n_steps) + 0.5) * STEP_S
    features = np.zeros((n_steps, N_FEATURES), dtype=np.float32)
    spoken = [span for span in phones if span.name != SILENCE]
    start_s = np.array([span.start_s for span in spoken] + [np.inf])
    end_s = np.array([span.end_s for span in spoken] + [np.inf])
    index = np.array([_INDEX[span.name] for span in spoken] + [_INDEX[SILENCE]])
    which = np.searchsorted(start_s, centre_s, side="right") - 1
    inside = (which >= 0) & (centre_s < end_s[which])
    phone = np.where(inside, index[which], _INDEX[SILENCE])
    features[:, : len(PHONES) + len(CLASSES)] = _CODES[phone]
    which = which[inside]
    length_s = end_s[which] - start_s[which]
    since_s = centre_s[inside] - start_s[which]
    features[inside, -4] = since_s / length_s
    features[inside, -3] = np.minimum(length_s, 0.4) * 5.0
    features[inside, -2] = np.exp(-since_s / 0.03)
    features[inside, -1] = np.exp(-(length_s - since_s) / 0.03)
    return features


@dataclass(frozen=True)
class LabelledSentence:
    """One recording to learn from: phones, and tracks [n_frames, n_tracks] whose frame i shows i / fps s."""

    phones: tuple[Span, ...]
    tracks: Tracks
    fps: float

    @property
    def duration_s(self) -> float:
        """Length of the tracks in seconds."""
        return len(self.tracks) / self.fps


def resample_tracks(tracks: Tracks, fps: float, times_s: NDArray[np.floating]) -> Tracks:
    """Read tracks at other times, between frames on a smooth curve.

    Args:
        tracks: [n_frames, n_tracks]; frame i shows i / fps.
        fps: frames per second.
        times_s: [n_times].

    Returns:
        [n_times, n_tracks]; beyond the ends the end frames hold.
    """
    from scipy.interpolate import PchipInterpolator

    if len(tracks) < 2:
        return np.repeat(tracks, len(times_s), axis=0)
    knots_s = np.arange(len(tracks)) / fps
    curve = PchipInterpolator(knots_s, tracks, axis=0)
    return np.asarray(curve(np.clip(times_s, knots_s[0], knots_s[-1])), dtype=np.float32)


def stretch_sentence(sentence: LabelledSentence, rng: np.random.Generator) -> tuple[Tracks, Tracks]:
    """Return features and tracks on the model's axis, spoken faster or slower and with boundaries a little off.

    Args:
        sentence: what to vary.
        rng: source of chance: pace 0.75 to 1.35, boundaries moved by 7 ms (standard deviation).

    Returns:
        Features [n_steps, N_FEATURES], tracks [ceil(n_steps / 2), n_tracks].
    """
    pace = float(np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
    moved: list[Span] = []
    edge_s = 0.0
    for span in sentence.phones:
        end_s = max(edge_s + STEP_S, (span.end_s + float(rng.normal(0.0, 0.007))) * pace)
        moved.append(Span(span.name, edge_s, end_s))
        edge_s = end_s
    features = phone_features(moved, sentence.duration_s * pace)
    times_s = (np.arange((len(features) + 1) // 2) * SHAPE_STEP_S + STEP_S / 2) / pace
    return features, resample_tracks(sentence.tracks, sentence.fps, times_s)


def build_network(n_tracks: int, width: int) -> Any:
    """Build the network: a convolution over 90 ms, a recurrent layer in both directions, a smoothing convolution."""
    import torch
    from torch import nn

    class PhoneShapeNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.Conv1d(N_FEATURES, width, 9, stride=2, padding=4)
            self.both_ways = nn.GRU(width, width, batch_first=True, bidirectional=True)
            self.drop = nn.Dropout(0.25)
            self.leave = nn.Conv1d(2 * width, n_tracks, 5, padding=2)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            entered = torch.relu(self.enter(features.transpose(1, 2))).transpose(1, 2)
            seen, _ = self.both_ways(self.drop(entered))
            out: torch.Tensor = self.leave(self.drop(seen).transpose(1, 2)).transpose(1, 2)
            return out

    return PhoneShapeNetwork()


@dataclass
class PhoneShapeModel:
    """Several fitted networks whose answers are averaged, with the scale of the tracks.

    Attributes:
        networks: From phones to tracks of mean 0 and standard deviation 1.
        mean, scale: [n_tracks], of the recordings.
        spread: [n_tracks], how much farther from the mean the recordings move than the answers (`measure_spread`).
    """

    networks: list[Any]
    mean: Tracks
    scale: Tracks
    spread: Tracks

    def predict(self, phones: Sequence[Span], duration_s: float, fps: float) -> Tracks:
        """Give the tracks of a sentence.

        Args:
            phones: spans in order.
            duration_s: length of the sentence.
            fps: wanted frames per second.

        Returns:
            [n_frames, n_tracks]; frame i shows i / fps.
        """
        import torch

        features = torch.from_numpy(phone_features(phones, duration_s))[None]
        with torch.no_grad():
            answers = [network.eval()(features)[0].numpy() for network in self.networks]
        tracks = np.mean(answers, axis=0) * self.scale * self.spread + self.mean
        times_s = np.arange(max(1, round(duration_s * fps))) / fps
        return resample_tracks(tracks.astype(np.float32), 1.0 / SHAPE_STEP_S, times_s - STEP_S / 2)


def fit_phone_shape(
    sentences: Sequence[LabelledSentence],
    *,
    weights: Tracks | None = None,
    seed: int = 0,
    n_networks: int = 2,
    n_epochs: int = 50,
    width: int = 96,
    progress: Callable[[int, int, float], None] | None = None,
) -> PhoneShapeModel:
    """Fit the model to labelled sentences.

    Args:
        sentences: what to learn from.
        weights: [n_tracks], what an error costs in each track, in standard deviations; None weighs all alike.
        seed: chance.
        n_networks: how many to average.
        n_epochs: passes over the sentences for each.
        width: channels.
        progress: called with (epochs done, all, loss).

    Returns:
        The fitted model.
    """
    import torch

    every = np.concatenate([sentence.tracks for sentence in sentences])
    mean = every.mean(axis=0).astype(np.float32)
    scale = np.maximum(every.std(axis=0), 1e-4).astype(np.float32)
    costs = np.ones_like(scale) if weights is None else weights / weights.mean()
    networks = []
    for number in range(n_networks):
        rng = np.random.default_rng([seed, number])
        torch.manual_seed(seed * 1000 + number)
        network = build_network(len(mean), width)
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_epochs, eta_min=5e-5)
        for epoch in range(n_epochs):
            network.train()
            losses = []
            for batch in np.array_split(rng.permutation(len(sentences)), max(1, len(sentences) // 32)):
                pairs = [stretch_sentence(sentences[int(i)], rng) for i in batch]
                n_steps = max(len(features) for features, _ in pairs)
                features = torch.zeros(len(pairs), n_steps, N_FEATURES)
                features[:, :, _INDEX[SILENCE]] = 1.0
                n_shapes = (n_steps + 1) // 2
                target = torch.zeros(len(pairs), n_shapes, len(mean))
                weight = torch.zeros(len(pairs), n_shapes, 1)
                for row, (known, tracks) in enumerate(pairs):
                    features[row, : len(known)] = torch.from_numpy(known)
                    target[row, : len(tracks)] = torch.from_numpy((tracks - mean) / scale)
                    weight[row, : len(tracks)] = 1.0
                error = (network(features) - target) ** 2 * weight * torch.from_numpy(costs)
                loss = error.sum() / (weight.sum() * len(mean))
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                losses.append(float(loss.detach()))
            schedule.step()
            if progress is not None:
                progress(number * n_epochs + epoch + 1, n_networks * n_epochs, float(np.mean(losses)))
        networks.append(network)
    model = PhoneShapeModel(networks, mean, scale, np.ones_like(scale))
    return replace(model, spread=measure_spread(model, sentences))


def measure_spread(model: PhoneShapeModel, sentences: Sequence[LabelledSentence]) -> Tracks:
    """Measure how much farther lips move than the model's answers, which are means over all ways to say a phone.

    Labels that move too little teach a network to move too little. The deviations are taken from each sentence's own
    mean while it is spoken: how speakers differ, and rest, is not movement.

    Args:
        model: Its present spread is left out of account.
        sentences: Recordings with their tracks.

    Returns:
        [n_tracks], 1 to LARGEST_SPREAD; 1 for what the model does not move.
    """
    plain = replace(model, spread=np.ones_like(model.scale))
    true, told = np.zeros(len(model.scale)), np.zeros(len(model.scale))
    for sentence in sentences:
        times_s = np.arange(len(sentence.tracks)) / sentence.fps
        spoken = np.zeros(len(times_s), dtype=bool)
        for span in sentence.phones:
            if span.name != SILENCE:
                spoken |= (times_s >= span.start_s) & (times_s < span.end_s)
        if not spoken.any():
            continue
        answer = plain.predict(sentence.phones, sentence.duration_s, sentence.fps)[spoken]
        true += sentence.tracks[spoken].var(axis=0) * spoken.sum()
        told += answer.var(axis=0) * spoken.sum()
    ratio = np.sqrt(true / np.maximum(told, 1e-12))
    return np.where(told > 1e-6, np.clip(ratio, 1.0, LARGEST_SPREAD), 1.0).astype(np.float32)
