"""Layers whose memory is explicit: each takes the state before its input and gives the state after it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Weights = tuple[Tensor, Tensor, Tensor, Tensor]  # of a recurrent layer: from input, from state, and their biases

UNIT_DB = 60.0  # the features count level in units of 60 dB (`scale_db` of the manifest)
PEAK_FALL_DB_PER_S = 1.5  # of the running peak
QUIETEST_PEAK = -1.0  # a stream never louder than 60 dB under full scale is silence altogether
MEAN_PRIOR_S = 1.0  # so much speech weighs as much as the mean voice of training
MEAN_S = 8.0  # time constant, in speech, with which the running mean forgets


class LevelNormaliser(nn.Module):
    """Take level and voice out of log-mel columns: running peak, then running mean spectrum of what is loud.

    The first output map is the level relative to the running peak, in [0, 1] over 60 dB; the second is the first less
    the running mean spectrum. A gain applied to a whole recording therefore changes neither, as long as its peak stays
    above `QUIETEST_PEAK`.

    Args:
        n_bands: Mel bands of a column.
        columns_per_frame: Columns that one frame brings; peak and mean move once a frame.
        frames_per_s: Frames a second.
    """

    mean_prior: Tensor

    def __init__(self, n_bands: int, columns_per_frame: int, frames_per_s: float = 30.0) -> None:
        super().__init__()
        self.peak_fall = PEAK_FALL_DB_PER_S / frames_per_s / UNIT_DB
        self.prior_frames = MEAN_PRIOR_S * frames_per_s
        self.mean_keep = 1.0 - 1.0 / (MEAN_S * frames_per_s)
        self.n_bands = n_bands
        self.columns_per_frame = columns_per_frame
        self.register_buffer("mean_prior", torch.full((n_bands,), 0.5))  # set from the data before training

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the state tensors, without the batch axis."""
        return {"peak": (1,), "mean_sum": (self.n_bands,), "mean_weight": (1,)}

    def forward(self, columns: Tensor, state: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
        """Return [batch, 2, n_columns, n_bands] for columns [batch, n_frames, n_bands, columns_per_frame]."""
        peak, total, weight = state["peak"], state["mean_sum"], state["mean_weight"]
        loudest = columns.amax(dim=(2, 3)) - QUIETEST_PEAK
        levels, means = [], []
        for t in range(columns.shape[1]):
            peak = torch.maximum(torch.relu(peak - self.peak_fall), loudest[:, t : t + 1])
            offset = (peak + QUIETEST_PEAK)[:, :, None]
            level = torch.relu(columns[:, t] - offset + 1.0)
            mean = (total + self.prior_frames * self.mean_prior) / (weight + self.prior_frames)
            means.append(mean)
            levels.append(level)
            speech = torch.clamp(4.0 * level.amax(dim=(1, 2))[:, None] - 2.0, 0.0, 1.0)  # 1 within 15 dB of the peak
            total = self.mean_keep * total + speech * level.mean(dim=2)
            weight = self.mean_keep * weight + speech
        after["peak"], after["mean_sum"], after["mean_weight"] = peak, total, weight
        level = torch.stack(levels, dim=1)  # [batch, n_frames, n_bands, columns_per_frame]
        centred = level - torch.stack(means, dim=1)[:, :, :, None]
        n_columns = columns.shape[1] * self.columns_per_frame
        shape = (columns.shape[0], 1, n_columns, self.n_bands)
        return torch.cat([level.transpose(2, 3).reshape(shape), centred.transpose(2, 3).reshape(shape)], dim=1)


class CausalColumns(nn.Module):
    """A convolution over time and bands whose time padding is the past.

    Args:
        n_in: Maps in.
        n_out: Maps out.
        n_bands_kernel: Extent over bands, odd; padded so that only the stride shrinks them.
        n_columns_kernel: Extent over time.
        band_stride: Stride over bands.
    """

    def __init__(self, n_in: int, n_out: int, n_bands_kernel: int, n_columns_kernel: int, band_stride: int) -> None:
        super().__init__()
        self.n_in = n_in
        self.n_past = n_columns_kernel - 1
        self.convolve = nn.Conv2d(
            n_in,
            n_out,
            (n_columns_kernel, n_bands_kernel),
            stride=(1, band_stride),
            padding=(0, n_bands_kernel // 2),
            bias=False,
        )
        self.norm = nn.BatchNorm2d(n_out)

    def state_shape(self, n_bands: int) -> tuple[int, ...]:
        """Return the shape of the columns to remember, without the batch axis."""
        return (self.n_in, self.n_past, n_bands)

    def forward(self, maps: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps and the columns to remember."""
        padded = torch.cat([past, maps], dim=2)
        return functional.leaky_relu(self.norm(self.convolve(padded)), 0.01), padded[:, :, -self.n_past :]


class GatedUnit(nn.Module):
    """A GRU: torch's own over a sequence, written out as products for a single frame (TensorRT, quantisation).

    Args:
        n_in: Size of the input.
        hidden: Size of the state.
    """

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.cells = nn.GRU(n_in, hidden, batch_first=True)
        self.hidden = hidden

    def forward(self, sequence: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return [batch, n_frames, hidden] and the state after the last frame."""
        if sequence.shape[1] > 1 or self.training:
            output, last = self.cells(sequence, hidden[None])
            return output, last[0]
        return self.step(sequence[:, 0], hidden)

    def step(self, frame: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same for one frame [batch, n_in] or [batch, n_maps, height, width], by elementary operations.

        Maps are taken by a convolution of their whole size: a product that int8 runs as one integer operation, where
        a plain matrix product of 8192 inputs is the slowest part of the network (docs: CPU inference).
        """
        size = self.hidden
        weight_in, weight_back, bias_in, bias_back = weights_of(self.cells)
        into = _whole_product(frame, weight_in, bias_in)
        back = functional.linear(hidden, weight_back, bias_back)
        reset = torch.sigmoid(into[:, :size] + back[:, :size])
        update = torch.sigmoid(into[:, size : 2 * size] + back[:, size : 2 * size])
        candidate = torch.tanh(into[:, 2 * size :] + reset * back[:, 2 * size :])
        after = candidate + update * (hidden - candidate)
        return after[:, None], after


class MemoryUnit(nn.Module):
    """An LSTM: torch's own over a sequence, written out for a single frame.

    Args:
        n_in: Size of the input.
        hidden: Size of the state and of the cell.
    """

    def __init__(self, n_in: int, hidden: int) -> None:
        super().__init__()
        self.cells = nn.LSTM(n_in, hidden, batch_first=True)
        self.hidden = hidden

    def forward(self, sequence: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return [batch, n_frames, hidden], and hidden state and cell after the last frame."""
        output, (last, kept) = self.cells(sequence, (hidden[None], cell[None]))
        return output, last[0], kept[0]

    def step(self, frame: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same for one frame, as `GatedUnit.step`."""
        size = self.hidden
        weight_in, weight_back, bias_in, bias_back = weights_of(self.cells)
        gates = _whole_product(frame, weight_in, bias_in) + functional.linear(hidden, weight_back, bias_back)
        take, keep = torch.sigmoid(gates[:, :size]), torch.sigmoid(gates[:, size : 2 * size])
        fresh, show = torch.tanh(gates[:, 2 * size : 3 * size]), torch.sigmoid(gates[:, 3 * size :])
        kept = keep * cell + take * fresh
        after = show * torch.tanh(kept)
        return after[:, None], after, kept


def _whole_product(frame: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return weight times frame; maps as a convolution of their whole size."""
    if frame.dim() == 2:
        return functional.linear(frame, weight, bias)
    return functional.conv2d(frame, weight.reshape(-1, *frame.shape[1:]), bias).flatten(1)


def weights_of(cells: nn.RNNBase) -> Weights:
    """Return the tensors of the only layer."""
    named = dict(cells.named_parameters())
    return named["weight_ih_l0"], named["weight_hh_l0"], named["bias_ih_l0"], named["bias_hh_l0"]
