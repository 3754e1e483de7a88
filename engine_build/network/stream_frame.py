"""One frame of the default network in few operations: what an export writes.

`StreamNetwork.forward` serves whole stretches in training. For one frame most of its operations only turn, cut and join
axes of length one, and a runtime pays some microseconds for each of them, with cold caches more (measured: a third of a
live frame). Here the same numbers come from fewer of them:

- bands before columns, as the features have them: nothing is transposed;
- what a convolution over frames sees is one vector, and the convolution one product of a matrix;
- the columns that the next frame remembers are whole tensors of this one wherever they can be.

The state tensors have the names of the network's, and other shapes; they too begin with zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine_build.network.layers import QUIETEST_PEAK, weights_of
from engine_build.network.lip_seal import LipSeal, SealedNetwork
from engine_build.network.stream import HEAD_RANGE_DEG, StreamNetwork

_N_PARTS = 2  # of what the strided convolution sees: the columns of the frame before, and this one's


class StreamFrame(nn.Module):
    """A trained network, for one frame a call.

    Args:
        network: In evaluation mode, its norms folded into the convolutions; it is left as it is.
        seal: What closes lips behind it, if anything.

    Raises:
        ValueError: The strided convolution reaches further back than the frame before.
    """

    prior_sum: Tensor

    def __init__(self, network: StreamNetwork, seal: LipSeal | None = None) -> None:
        super().__init__()
        config = network.config
        if network.gather_kernel != _N_PARTS * config.columns_per_frame:
            raise ValueError("the convolution from columns to frames must see two frames")
        self.config, self.seal = config, seal
        normalise = network.normalise
        self.peak_fall, self.prior_frames, self.mean_keep = (
            normalise.peak_fall, normalise.prior_frames, normalise.mean_keep
        )  # fmt: skip
        self.register_buffer("prior_sum", (normalise.prior_frames * normalise.mean_prior).reshape(1, 1, -1, 1))
        self.first, self.second = _turned(network.first.convolve), _turned(network.second.convolve)
        self.n_past = network.first.n_past
        width = config.width
        parts = network.gather.weight.reshape(width, -1, _N_PARTS, config.columns_per_frame)
        self.gather = _product(parts.permute(0, 2, 1, 3).reshape(width, -1), network.gather.bias)
        self.reach, self.dilation = network.block_kernel - 1, network.block_dilation
        self.block = _product(network.block.weight.permute(0, 2, 1).reshape(width, -1), network.block.bias)
        self.cells = network.recurrent.cells if network.recurrent is not None else None
        self.dense, self.face, self.head = network.dense, network.face, network.head

    def initial_state(self) -> dict[str, Tensor]:
        """Return the state of a stream that has just begun: all zero, for a batch of one."""
        config, n_past = self.config, self.n_past
        shapes: dict[str, tuple[int, ...]] = {
            "peak": (1, 1, 1, 1),
            "mean_sum": (1, 1, config.n_bands, 1),
            "mean_weight": (1, 1, 1, 1),
            "first_columns": (1, 2, config.n_bands, n_past),
            "second_columns": (1, config.first_maps, config.n_bands // 2, n_past),
            "gather_columns": (1, self.gather.in_features // _N_PARTS),
            "block_frames": (1, self.reach * self.dilation * config.width),
        }
        if config.hidden:
            shapes["hidden"] = (1, config.hidden)
        return {name: torch.zeros(*shape) for name, shape in shapes.items()}

    def forward(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return activations [1, n_channels], head [1, 3] in degrees, and the state after the frame.

        Args:
            features: [1, n_bands, columns_per_frame], as the feature extractor gives them.
            state: In the order of `initial_state`.
        """
        peak, total, weight, first_past, second_past, gather_past, block_past, *hidden = state
        maps, peak, total, weight = self._normalise(features[None], peak, total, weight)
        maps, first_past = self._convolve(self.first, maps, first_past)
        maps, second_past = self._convolve(self.second, maps, second_past)
        columns = maps.reshape(1, -1)  # [1, maps x bands x columns], which the next frame remembers as it is
        frame = functional.leaky_relu(self.gather(torch.cat([gather_past, columns], dim=1)), 0.01)
        frames = torch.cat([block_past, frame], dim=1)
        block_past = frames[:, self.config.width :]
        if self.dilation > 1:
            frames = frames.reshape(1, -1, self.config.width)[:, :: self.dilation].reshape(1, -1)
        frame = frame + functional.leaky_relu(self.block(frames), 0.01)
        joined = frame
        if self.cells is not None:
            hidden = [self._recur(frame, hidden[0])]
            joined = torch.cat([frame, hidden[0]], dim=1)
        dense = functional.leaky_relu(self.dense(joined), 0.01)
        activations = torch.sigmoid(self.face(dense))
        if self.seal is not None:
            activations = self.seal(activations)
        head_deg = HEAD_RANGE_DEG * torch.tanh(self.head(dense))
        return (activations, head_deg, peak, total, weight, first_past, second_past, columns, block_past, *hidden)

    def _normalise(
        self, columns: Tensor, peak: Tensor, total: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return [1, 2, n_bands, n_columns] and the state, as `LevelNormaliser` does for [1, 1, n_bands, n_columns]."""
        loudest = columns.amax(dim=(2, 3), keepdim=True) - QUIETEST_PEAK
        peak = torch.maximum(torch.relu(peak - self.peak_fall), loudest)
        level = torch.relu(columns + (1.0 - QUIETEST_PEAK - peak))
        mean = (total + self.prior_sum) / (weight + self.prior_frames)
        maps = torch.cat([level, level - mean], dim=1)
        speech = torch.clamp(4.0 * (loudest - peak) + 2.0, 0.0, 1.0)  # 1 + loudest - peak: the level of the loudest
        total = self.mean_keep * total + speech * level.mean(dim=3, keepdim=True)
        return maps, peak, total, self.mean_keep * weight + speech

    def _convolve(self, convolution: nn.Conv2d, maps: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a `CausalColumns` makes of the maps, and the columns to remember."""
        padded = torch.cat([past, maps], dim=3)
        return functional.leaky_relu(convolution(padded), 0.01), padded[:, :, :, -self.n_past :]

    def _recur(self, frame: Tensor, hidden: Tensor) -> Tensor:
        """Return the state after the frame, as `GatedUnit.step`; both gates in one go."""
        cells, size = self.cells, self.config.hidden
        assert cells is not None
        weight_in, weight_back, bias_in, bias_back = weights_of(cells)
        into = functional.linear(frame, weight_in, bias_in)
        back = functional.linear(hidden, weight_back, bias_back)
        gates = torch.sigmoid(into[:, : 2 * size] + back[:, : 2 * size])
        candidate = torch.tanh(into[:, 2 * size :] + gates[:, :size] * back[:, 2 * size :])
        return candidate + gates[:, size:] * (hidden - candidate)


def stream_frame(network: Any) -> StreamFrame | None:
    """Return a network, sealed or not, as one frame of few operations; None where it is of another kind."""
    inner, seal = (network.network, network.seal) if isinstance(network, SealedNetwork) else (network, None)
    return StreamFrame(inner, seal) if isinstance(inner, StreamNetwork) else None


def network_weights(found: dict[str, Any], columns_per_frame: int, prior_frames: float) -> dict[str, Any]:
    """Return the weights of an exported `StreamFrame` under the names and in the shapes that the network has.

    Args:
        found: Arrays by name, as the graph holds them.
        columns_per_frame: Columns that a frame brings.
        prior_frames: Frames that the mean voice of training weighs.
    """
    result = dict(found)
    for name in ("first", "second"):
        result[f"{name}.convolve.weight"] = result.pop(f"{name}.weight").swapaxes(2, 3)
        result[f"{name}.convolve.bias"] = result.pop(f"{name}.bias")
    gather, block = result["gather.weight"], result["block.weight"]
    width = len(gather)
    parts = gather.reshape(width, _N_PARTS, -1, columns_per_frame).swapaxes(1, 2)
    result["gather.weight"] = parts.reshape(width, -1, _N_PARTS * columns_per_frame)
    result["block.weight"] = block.reshape(width, -1, width).swapaxes(1, 2)
    result["normalise.mean_prior"] = result.pop("prior_sum").reshape(-1) / prior_frames
    for name in [name for name in result if name.startswith("cells.")]:
        result[f"recurrent.{name}"] = result.pop(name)
    return result


def _turned(convolution: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution over columns and bands as one over bands and columns; it must have a bias."""
    assert convolution.bias is not None
    rows, columns = convolution.kernel_size
    turned = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        (columns, rows),
        stride=(convolution.stride[1], convolution.stride[0]),
        padding=(int(convolution.padding[1]), int(convolution.padding[0])),
    )
    with torch.no_grad():
        turned.weight.copy_(convolution.weight.transpose(2, 3))
        turned.bias.copy_(convolution.bias)  # type: ignore[union-attr]
    return turned.eval()


def _product(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a product with a matrix [n_out, n_in]."""
    assert bias is not None
    product = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        product.weight.copy_(weight)
        product.bias.copy_(bias)
    return product.eval()
