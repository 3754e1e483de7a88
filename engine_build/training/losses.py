"""What training minimises: the paper's loss on the activations, and what keeps a face alive and lips in place.

Paper (Pham, Wang, Pavlovic, arXiv 1710.00920): squared error weighted by the inverse standard deviation of each
channel, plus 0.1 times an L1 term on the activations. Added here: the same on frame-to-frame differences (a face that
is right on average still trembles), lip geometry through the linear face, head rotation, phones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LIPS_PASS = 0.1  # slope of the gap below 0: lips that would pass through each other are shown as met
CLOSURE_EARLY_S, CLOSURE_LATE_S = 2 / 30, 1 / 30  # lips may meet so long before a /p b m/ is heard, and after
VELOCITY_FRAMES_PER_S = 30.0  # the rate at which a difference between frames counts as it is
CLOSED_AT_MOST = 6.0  # labels with a gap up to this many times `met` are closures, seen at too few frames a second


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term.

    Attributes:
        activations: Squared error over standard deviation.
        sparse: L1 of activations whose label is rest.
        velocity: Squared error of differences between frames.
        lips: Lip geometry of the predicted face, in standard deviations of the label's; it also teaches where only the
            geometry is labelled.
        closures: Gap that is left where /p b m/ close the lips, in standard deviations of the gap: a mean over many
            sentences is a mouth that never quite closes. What counts is the narrowest frame about each frame of the
            phone: lips have to meet once, where the network is surest, and the rest stays the best guess.
        spread: How much less than the label an activation or a lip distance moves about its mean while a sequence is
            spoken, squared, in standard deviations: the mean over all that a sound may look like moves less than any
            of it, most where the voice is unlike those of the films.
        geometry: Lip geometry predicted directly by the training-only head.
        head: Head rotation, in units of its standard deviation.
        phones: Cross-entropy of the training-only phone head.
        level: Largest change of an activation in a sequence that is heard up to 24 dB softer; where features have a
            level.
        generated: Factor on everything where the label came from a model.
    """

    activations: float = 1.0
    sparse: float = 0.1
    velocity: float = 4.0
    lips: float = 0.3
    closures: float = 0.05
    spread: float = 0.0
    geometry: float = 0.3
    head: float = 0.05
    phones: float = 0.1
    level: float = 0.5
    generated: float = 0.5


@dataclass(frozen=True)
class LabelScale:
    """Statistics of the real labels, and the face.

    Attributes:
        channel_std: [n_channels], at least 0.02.
        geometry_mean: [3].
        geometry_std: [3].
        head_std_deg: [3].
        face: [n_channels, 3] change of geometry per activation; 0 for channels that the real labels do not inform.
        rest: [3] geometry of the face at rest: the gap that of the face, width and chin those of the speakers.
        met: Gap under which the lips have met, in the unit of the geometry.
        closing: Class numbers of /p b m/.
        silence: Class number of silence.
    """

    channel_std: Tensor
    geometry_mean: Tensor
    geometry_std: Tensor
    head_std_deg: Tensor
    face: Tensor
    rest: Tensor
    met: float
    closing: Tensor
    silence: int


@dataclass(frozen=True)
class Target:
    """Labels of one batch, on [batch, n_frames].

    Attributes:
        activations: [batch, n_frames, n_channels].
        confidence: The same shape.
        head_deg: [batch, n_frames, 3].
        head_confidence: [batch, n_frames].
        geometry: [batch, n_frames, 3]; NaN where unknown.
        phones: [batch, n_frames]; -1 where unknown.
        trust: [batch], 1 for real labels, `LossWeights.generated` for others.
    """

    activations: Tensor
    confidence: Tensor
    head_deg: Tensor
    head_confidence: Tensor
    geometry: Tensor
    phones: Tensor
    trust: Tensor


SPREAD_KEPT = 0.9  # of the label's: what is left is the noise of landmarks
SPREAD_FRAMES, SPREAD_FLOOR = 15, 0.01
Part = tuple[Tensor, Tensor]  # of a term: the sum of value times weight, and the sum of the weights


def weighted(value: Tensor, weight: Tensor) -> Part:
    """Return what a mean of value under weight is made of."""
    return (value * weight).sum(), weight.sum()


def alone(weights: Tensor) -> Tensor:
    """Return the weights of a batch that one process has whole."""
    return weights


def largest_change(one: Tensor, other: Tensor) -> Tensor:
    """Return the largest difference of activations [batch, n_frames, n_channels] in a sequence, mean over the batch.

    The largest and not the mean: what changes with the level is one channel in the frame before a sentence, and a mean
    does not see it.
    """
    return (one - other).abs().amax(dim=(1, 2)).mean()


def narrowest_near(gap: Tensor, frames_per_s: float = 30.0) -> Tensor:
    """Return the least gap from CLOSURE_EARLY_S before to CLOSURE_LATE_S after each frame, [batch, n_frames]."""
    early, late = (round(time_s * frames_per_s) for time_s in (CLOSURE_EARLY_S, CLOSURE_LATE_S))
    padded = functional.pad(-gap[:, None], (early, late), value=-torch.inf)
    return -functional.max_pool1d(padded, early + 1 + late, stride=1)[:, 0]


def too_still(told: Tensor, wanted: Tensor, counts: Tensor) -> Part:
    """Return by how much less the told moves than the wanted in each sequence: standard deviation missing, squared.

    Args:
        told: [batch, n_frames, n].
        wanted: The same shape.
        counts: The same shape, 0 for frames that do not count; sequences with less than SPREAD_FRAMES do not count.

    Returns:
        Sum over sequences and the n of value times weight, and sum of the weights: the mean of counts.
    """
    counted = (counts > 0).float()
    n = counted.sum(dim=1)
    means = [(value * counted).sum(dim=1) / n.clamp(min=1) for value in (told, wanted)]
    squares = [
        ((value - mean[:, None]).square() * counted).sum(dim=1) / n.clamp(min=1)
        for value, mean in zip((told, wanted), means, strict=True)
    ]
    moved, should = ((square + SPREAD_FLOOR**2).sqrt() for square in squares)  # a root has no slope at 0
    weight = counts.mean(dim=1) * (n >= SPREAD_FRAMES)
    return weighted(torch.relu(SPREAD_KEPT * should - moved).square(), weight)


def face_loss(
    activations: Tensor,
    head_deg: Tensor,
    geometry: Tensor | None,
    phones: Tensor | None,
    target: Target,
    scale: LabelScale,
    weights: LossWeights,
    over_all: Callable[[Tensor], Tensor] = alone,
    frames_per_s: float = 30.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss and its terms; 0 where nothing has weight.

    Args:
        activations: [batch, n_frames, n_channels], predicted.
        head_deg: [batch, n_frames, 3], predicted.
        geometry: [batch, n_frames, 3] in standard deviations, predicted; None without that head.
        phones: [batch, n_frames, n_phones] logits; None without that head.
        target: The labels.
        scale: Their statistics.
        weights: Of the terms.
        over_all: Sums the terms' weights over the processes that share a batch; the sum of what they return is then
            the loss of the whole batch.
        frames_per_s: Frames a second.
    """
    trust = target.trust[:, None, None]
    confidence = target.confidence * trust
    by_channel = confidence / scale.channel_std
    error = activations - target.activations
    parts = {"activations": weighted(error.square() / scale.channel_std, confidence)}
    at_rest = confidence * (target.activations < 0.02)
    parts["sparse"] = (activations * at_rest).sum(), confidence.sum()
    steps = (error[:, 1:] - error[:, :-1]) * (frames_per_s / VELOCITY_FRAMES_PER_S)
    parts["velocity"] = (steps.square() * by_channel[:, 1:]).sum(), confidence[:, 1:].sum()
    known = ~torch.isnan(target.geometry) * trust
    wanted = torch.nan_to_num((target.geometry - scale.geometry_mean) / scale.geometry_std)
    lips = activations @ scale.face + scale.rest
    apart = functional.leaky_relu(lips[..., :1], LIPS_PASS)
    lips = (torch.cat([apart, lips[..., 1:]], dim=-1) - scale.geometry_mean) / scale.geometry_std
    parts["lips"] = weighted((lips - wanted).square(), known)
    closing = torch.isin(target.phones, scale.closing) & (target.geometry[..., 0] < CLOSED_AT_MOST * scale.met)
    narrowest = narrowest_near(apart[..., 0], frames_per_s)
    parts["closures"] = weighted(torch.relu(narrowest - scale.met) / scale.geometry_std[0], closing.float())
    if weights.spread:
        spoken = (target.phones >= 0) & (target.phones != scale.silence)
        told = torch.cat([activations / scale.channel_std, lips], dim=-1)
        meant = torch.cat([target.activations / scale.channel_std, wanted], dim=-1)
        counts = torch.cat([confidence, known], dim=-1) * spoken[..., None]
        parts["spread"] = too_still(told, meant, counts)
    if geometry is not None:
        parts["geometry"] = weighted((geometry - wanted).square(), known)
    turned = ((head_deg - target.head_deg) / scale.head_std_deg).square()
    parts["head"] = weighted(turned, (target.head_confidence[..., None] * trust).expand_as(turned))
    if phones is not None:
        cross = functional.cross_entropy(
            phones.flatten(0, 1).float(), target.phones.flatten().clamp(min=0), reduction="none"
        )
        parts["phones"] = weighted(cross, (target.phones >= 0).flatten().float())
    whole = over_all(torch.stack([weight for _, weight in parts.values()])).clamp(min=1e-6)
    terms = {name: value / weight for (name, (value, _)), weight in zip(parts.items(), whole, strict=True)}
    total = sum((getattr(weights, name) * term for name, term in terms.items()), start=activations.new_zeros(()))
    return total, terms
