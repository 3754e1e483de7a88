"""The paper's network: a spectrogram window in, one face out; convolutions over frequency, then time, then memory.

Source: Pham, Wang, Pavlovic, arXiv 1710.00920, and the authors' published code: five frequency convolutions with
kernels (5,1) and (3,1), stride (2,1), 32 to 512 maps; three time convolutions (1,3), stride (1,2), 512 maps; batch norm
and leaky ReLU after each; GRU 256 (LSTM 256 or dense 1024 tanh as variants); dense and sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine_build.network.layers import GatedUnit, MemoryUnit
from engine_build.network.stream import HEAD_RANGE_DEG, N_HEAD_ANGLES, State, StreamOutput

SLOPE = 0.01  # of the leaky ReLU
FREQUENCY_MAPS = (32, 64, 128, 256, 512)
TIME_MAPS = 512


@dataclass(frozen=True)
class PaperConfig:
    """The variants of the paper.

    Attributes:
        n_channels: Activations.
        recurrence: "gru", "lstm" or "none" (dense 1024, tanh).
        hidden: Size of the recurrent state.
        dropout: Share silenced in training.
        n_geometry: Numbers of the lip-geometry head, which only training has.
        n_phones: Classes of the phone head, which only training has.
        scale: Share of the paper's maps; 1 is the paper, less is for tests.
    """

    n_channels: int = 52
    recurrence: str = "gru"
    hidden: int = 256
    dropout: float = 0.2
    n_geometry: int = 3
    n_phones: int = 40
    scale: float = 1.0


class PaperNetwork(nn.Module):
    """See the module.

    Args:
        config: The variant.
    """

    kind = "paper"

    def __init__(self, config: PaperConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or PaperConfig()
        layers: list[nn.Module] = []
        maps = 1
        for i, n in enumerate(FREQUENCY_MAPS):
            wide = max(4, round(n * config.scale))
            kernel = 5 if i == 0 else 3
            layers += _convolution(maps, wide, (kernel, 1), (2, 1), (kernel // 2, 0))
            maps = wide
        for _ in range(3):
            wide = max(4, round(TIME_MAPS * config.scale))
            layers += _convolution(maps, wide, (1, 3), (1, 2), (0, 1))
            maps = wide
        self.convolutions = nn.Sequential(*layers)
        flat = maps * 4 * 4
        self.recurrent: GatedUnit | MemoryUnit | None = None
        if config.recurrence == "gru":
            self.recurrent = GatedUnit(flat, config.hidden)
        elif config.recurrence == "lstm":
            self.recurrent = MemoryUnit(flat, config.hidden)
        elif config.recurrence != "none":
            raise ValueError(f"recurrence {config.recurrence!r} is none of gru, lstm, none")
        self.dense = nn.Linear(flat, 1024) if self.recurrent is None else nn.Identity()
        n_memory = config.hidden if self.recurrent is not None else 1024
        self.dropout = nn.Dropout(config.dropout)
        self.face = nn.Linear(n_memory, config.n_channels)
        self.head = nn.Linear(n_memory, N_HEAD_ANGLES)
        self.geometry = nn.Linear(n_memory, config.n_geometry)
        self.phones = nn.Linear(n_memory, config.n_phones) if config.n_phones else None
        nn.init.constant_(self.face.bias, -2.5)

    def initial_state(self, n_batch: int) -> State:
        """Return the state of a stream that has just begun: all zero."""
        names = {"gru": ("hidden",), "lstm": ("hidden", "cell"), "none": ()}[self.config.recurrence]
        device = self.face.weight.device
        return {name: torch.zeros(n_batch, self.config.hidden, device=device) for name in names}

    def forward(self, windows: Tensor, state: State) -> StreamOutput:
        """Turn spectrogram windows into faces.

        Args:
            windows: [batch, n_frames, 1, 128, 32] (or without the map axis), in [0, 1].
            state: The state before the first of these frames.
        """
        n_batch, n_frames = windows.shape[:2]
        maps = self.convolutions(windows.reshape(n_batch * n_frames, 1, *windows.shape[-2:]))
        sequence = maps.reshape(n_batch, n_frames, -1)
        is_step = n_frames == 1 and not self.training
        after: State = {}
        if isinstance(self.recurrent, GatedUnit):
            run = self.recurrent.step if is_step else self.recurrent
            memory, after["hidden"] = run(maps if is_step else sequence, state["hidden"])
        elif isinstance(self.recurrent, MemoryUnit):
            remember = self.recurrent.step if is_step else self.recurrent
            memory, after["hidden"], after["cell"] = remember(
                maps if is_step else sequence, state["hidden"], state["cell"]
            )
        else:
            memory = torch.tanh(self.dense(sequence))
        memory = self.dropout(memory)
        return StreamOutput(
            activations=torch.sigmoid(self.face(memory)),
            head_deg=HEAD_RANGE_DEG * torch.tanh(self.head(memory)),
            geometry=self.geometry(memory),
            phones=self.phones(memory) if self.phones is not None else None,
            state=after,
        )


def _convolution(
    n_in: int, n_out: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> list[nn.Module]:
    return [
        nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(n_out),
        nn.LeakyReLU(SLOPE),
    ]
