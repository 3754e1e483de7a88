"""Close lips that all but meet: what a network trained on squared error leaves open.

A mean over many sentences is a mouth that never quite closes: where the sound leaves it open whether the lips meet, the
best guess lies between. The seal lowers the gap of the predicted face by a fixed distance that fades out for an open
mouth, and stops short of pressing lips together that have met. It moves `mouthClose` alone, by a few hundredths. It is
put behind the network when it is exported, not while it is trained: training would learn to undo it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine_build.labels.channels import CHANNELS
from engine_build.labels.geometry import face_geometry_mm

MET_MM = 0.4  # lips this close have met; the seal does not go below it
FULL_TO_MM = 4.0  # up to this gap the seal is whole
GONE_AT_MM = 10.0  # from this gap on there is none: an open vowel keeps its opening
STEP = 0.02  # of activation, for slopes


def gap_slopes(channels: Sequence[str]) -> tuple[Any, float]:
    """Return how far each channel opens the lips of the blendshape face.

    Args:
        channels: Names in the order of a network's outputs.

    Returns:
        float32 [n_channels] in mm per activation (taken with the jaw a little open: at rest the lips touch), and the
        gap in mm at rest that they start from.
    """
    base = np.zeros((1, len(CHANNELS)))
    base[0, CHANNELS.index("jawOpen")] = 0.2
    slopes = np.zeros(len(channels), np.float32)
    for i, name in enumerate(channels):
        if name in CHANNELS:
            step = np.zeros_like(base)
            step[0, CHANNELS.index(name)] = STEP
            slopes[i] = (face_geometry_mm(base + step) - face_geometry_mm(base - step))[0, 0] / (2 * STEP)
    return slopes, float(face_geometry_mm(np.zeros_like(base))[0, 0])


class LipSeal(nn.Module):
    """Raise `mouthClose` where lips are nearly closed.

    Args:
        channels: Names in the order of the activations; must have `mouthClose`.
        seal_mm: How much of a small gap is taken away.

    Raises:
        ValueError: There is no `mouthClose`, or it does not close the lips of the face.
    """

    weights: Tensor
    offsets: Tensor
    to_close: Tensor

    def __init__(self, channels: Sequence[str], seal_mm: float) -> None:
        super().__init__()
        if "mouthClose" not in channels:
            raise ValueError("lips are sealed by `mouthClose`, which is not among the channels")
        slopes, self.rest_mm = gap_slopes(channels)
        place = list(channels).index("mouthClose")
        if slopes[place] >= 0.0:
            raise ValueError("`mouthClose` does not close the lips of this face")
        to_close = np.zeros_like(slopes)
        to_close[place] = -1.0 / slopes[place]
        self.seal_mm = seal_mm
        # Of two numbers in mm that both change with the gap: how far the lips are from having met, and how much of the
        # seal is left for a gap so wide. The smaller one is taken.
        fade = -seal_mm / (GONE_AT_MM - FULL_TO_MM)
        offsets = [self.rest_mm - MET_MM, fade * (self.rest_mm - GONE_AT_MM)]
        self.register_buffer("weights", torch.from_numpy(np.stack([slopes, np.float32(fade) * slopes])))
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.float32))
        self.register_buffer("to_close", torch.from_numpy(to_close))

    def forward(self, activations: Tensor) -> Tensor:
        """Return activations [..., n_channels] with the lips sealed."""
        both_mm = functional.linear(activations, self.weights, self.offsets)
        taken_mm = both_mm.amin(dim=-1, keepdim=True).clamp(0.0, self.seal_mm)
        return (activations + taken_mm * self.to_close).clamp(0.0, 1.0)


class SealedNetwork(nn.Module):
    """A trained network with a seal behind it, to be exported or to predict.

    Args:
        network: The network.
        seal: What is put behind it.
    """

    def __init__(self, network: Any, seal: LipSeal) -> None:
        super().__init__()
        self.network, self.seal = network, seal
        self.config = network.config

    def initial_state(self, n_batch: int) -> dict[str, Tensor]:
        """Return the network's own."""
        state: dict[str, Tensor] = self.network.initial_state(n_batch)
        return state

    def forward(self, features: Tensor, state: dict[str, Tensor]) -> Any:
        """Return the network's output with sealed lips."""
        out = self.network(features, state)
        return dataclasses.replace(out, activations=self.seal(out.activations))
