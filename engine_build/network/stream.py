"""The default network: log-mel columns in, a face out, one frame a call, every memory in a named state tensor.

Two-dimensional convolutions over bands and time (a voice whose formants lie elsewhere is a shift along the bands), one
strided convolution from columns to frames, one residual block over frames, a gated recurrent unit, two dense layers.
All padding in time is the past: `forward` takes many frames in training or one, with the same numbers. What is exported
is `stream_frame`, which computes one frame of it in fewer operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from engine_build.network.layers import CausalColumns, GatedUnit, LevelNormaliser

N_HEAD_ANGLES = 3  # pitch, yaw, roll
HEAD_RANGE_DEG = 30.0  # the head output is tanh times this
BLOCK_FRAMES_PER_S = 30.0  # of the frames that the residual block looks at: of more, every second or third


@dataclass(frozen=True)
class StreamConfig:
    """The sizes of the default network.

    Attributes:
        n_channels: Activations.
        n_bands: Mel bands of a column.
        columns_per_frame: New columns that a frame brings.
        frames_per_s: Frames a second; the residual block reaches back about as far in time at any rate.
        first_maps: Maps of the first convolution over bands and time.
        second_maps: Maps of the second.
        width: Maps of the convolutions over frames.
        hidden: Size of the recurrent unit; 0 leaves it out.
        dropout: Share of features silenced in training.
        n_phones: Classes of the phone head, which only training has; 0 leaves it out.
        n_geometry: Numbers of the lip-geometry head, which only training has.
    """

    n_channels: int = 52
    n_bands: int = 80
    columns_per_frame: int = 3
    frames_per_s: float = 30.0
    first_maps: int = 16
    second_maps: int = 48
    width: int = 256
    hidden: int = 256
    dropout: float = 0.2
    n_phones: int = 40
    n_geometry: int = 3


State = dict[str, Tensor]


@dataclass
class StreamOutput:
    """What one pass over a stretch of frames gives.

    Attributes:
        activations: [batch, n_frames, n_channels] in [0, 1].
        head_deg: [batch, n_frames, 3].
        geometry: [batch, n_frames, n_geometry], the training-only head.
        phones: [batch, n_frames, n_phones] logits, the training-only head; None where left out.
        state: The state after the last frame.
    """

    activations: Tensor
    head_deg: Tensor
    geometry: Tensor
    phones: Tensor | None
    state: State


class StreamNetwork(nn.Module):
    """See the module.

    Args:
        config: The sizes.
    """

    kind = "stream"

    def __init__(self, config: StreamConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StreamConfig()
        self.normalise = LevelNormaliser(config.n_bands, config.columns_per_frame, config.frames_per_s)
        self.first = CausalColumns(2, config.first_maps, n_bands_kernel=7, n_columns_kernel=3, band_stride=2)
        self.second = CausalColumns(
            config.first_maps, config.second_maps, n_bands_kernel=5, n_columns_kernel=3, band_stride=2
        )
        flat = config.second_maps * (config.n_bands // 4)
        self.gather_kernel = 2 * config.columns_per_frame
        self.gather = nn.Conv1d(flat, config.width, self.gather_kernel, stride=config.columns_per_frame)
        self.block_kernel = 5
        self.block_dilation = max(1, round(config.frames_per_s / BLOCK_FRAMES_PER_S))
        self.block = nn.Conv1d(config.width, config.width, self.block_kernel, dilation=self.block_dilation)
        self.recurrent = GatedUnit(config.width, config.hidden) if config.hidden else None
        joined = config.width + config.hidden
        self.dense = nn.Linear(joined, 128)
        self.face = nn.Linear(128, config.n_channels)
        self.head = nn.Linear(128, N_HEAD_ANGLES)
        self.geometry = nn.Linear(128, config.n_geometry)
        self.phones = nn.Linear(joined, config.n_phones) if config.n_phones else None
        self.dropout = nn.Dropout(config.dropout)
        self.drop_maps = nn.Dropout1d(config.dropout)  # whole maps, for a whole sequence: cheap, and as hard
        nn.init.constant_(self.face.bias, -2.5)  # a face starts near rest: sigmoid(-2.5) = 0.08

    def set_prior(self, columns: NDArray[np.float32]) -> None:
        """Take the mean voice of training from a batch [batch, n_frames, n_bands, columns_per_frame]."""
        with torch.no_grad():
            level = self.normalise(torch.from_numpy(columns), self.initial_state(len(columns)), {})[:, 0]
            loud = level.amax(dim=2) > 0.6
            self.normalise.mean_prior.copy_(level[loud].mean(dim=0))

    def initial_state(self, n_batch: int) -> State:
        """Return the state of a stream that has just begun: all zero."""
        config = self.config
        device = self.face.weight.device
        shapes = {
            **self.normalise.state_shapes(),
            "first_columns": self.first.state_shape(config.n_bands),
            "second_columns": self.second.state_shape(config.n_bands // 2),
            "gather_columns": (self.gather.in_channels, self.gather_kernel - config.columns_per_frame),
            "block_frames": (config.width, self.block_dilation * (self.block_kernel - 1)),
        }
        if config.hidden:
            shapes["hidden"] = (config.hidden,)
        return {name: torch.zeros(n_batch, *shape, device=device) for name, shape in shapes.items()}

    def forward(self, columns: Tensor, state: State) -> StreamOutput:
        """Turn log-mel columns into faces.

        Args:
            columns: [batch, n_frames, n_bands, columns_per_frame], as the feature extractor gives them.
            state: The state before the first of these frames.

        Returns:
            The faces and the state after the last frame.
        """
        n_batch, n_frames = columns.shape[:2]
        after: State = {}
        maps = self.normalise(columns, state, after)  # [batch, 2, n_columns, n_bands]
        maps, after["first_columns"] = self.first(maps, state["first_columns"])
        maps, after["second_columns"] = self.second(maps, state["second_columns"])
        flat = maps.permute(0, 1, 3, 2).reshape(n_batch, -1, n_frames * self.config.columns_per_frame)
        flat = torch.cat([state["gather_columns"], self.drop_maps(flat)], dim=2)
        after["gather_columns"] = flat[:, :, -state["gather_columns"].shape[2] :]
        frames = functional.leaky_relu(self.gather(flat), 0.01)
        padded = torch.cat([state["block_frames"], frames], dim=2)
        after["block_frames"] = padded[:, :, -state["block_frames"].shape[2] :]
        frames = frames + functional.leaky_relu(self.block(padded), 0.01)
        sequence = frames.transpose(1, 2)  # [batch, n_frames, width]
        joined = sequence
        if self.recurrent is not None:
            hidden, after["hidden"] = self.recurrent(self.dropout(sequence), state["hidden"])
            joined = torch.cat([sequence, hidden], dim=2)
        joined = self.dropout(joined)
        dense = functional.leaky_relu(self.dense(joined), 0.01)
        return StreamOutput(
            activations=torch.sigmoid(self.face(dense)),
            head_deg=HEAD_RANGE_DEG * torch.tanh(self.head(dense)),
            geometry=self.geometry(dense),
            phones=self.phones(joined) if self.phones is not None else None,
            state=after,
        )
