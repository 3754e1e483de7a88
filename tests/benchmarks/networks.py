"""The networks that are compared: the shipped one, and the paper's in its two precisions.

Where no trained paper network is at hand, one with random weights is made: times do not depend on weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.manifest import Manifest, load_manifest

PAPER_FEATURES = {
    "kind": "paper_spectrogram", "n_fft": 256, "hop": 128, "n_columns": 32, "floor_db": -80.0, "padding": "constant",
}  # fmt: skip


@dataclass(frozen=True)
class PaperNetworks:
    """One network three times.

    Attributes:
        module: In PyTorch.
        float32: As exported.
        int8: As quantised.
    """

    module: Any
    float32: Manifest
    int8: Manifest


def make_paper_networks(folder: Path, speech: Path) -> PaperNetworks:
    """Make, export and quantise the paper's network.

    Args:
        folder: Where the files go.
        speech: Folder of recordings to calibrate on.
    """
    import torch

    from calibration.quantize import quantize
    from engine_build.export import export_network
    from engine_build.training.config import TrainConfig
    from engine_build.training.train import build_network

    torch.manual_seed(1)
    config = TrainConfig(network="paper", features=PAPER_FEATURES)
    module = build_network(config).eval()
    facts = {"name": "paper-random-weights", "version": "0", "licence": "none"}
    export_network(module, config, folder / "paper.float32.json", facts)
    quantize(folder / "paper.float32.json", speech, folder / "paper.json", "percentile")
    return PaperNetworks(module, load_manifest(folder / "paper.float32.json"), load_manifest(folder / "paper.json"))
