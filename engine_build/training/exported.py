"""Read an exported float network back, to write it anew as today's export does: the same weights, another graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import InputError
from engine_build.training.config import TrainConfig

# What an export writes into a manifest by itself; the rest is what somebody said or measured.
_WRITTEN = frozenset(
    ("format", "graph", "sha256", "precision", "sample_rate_hz", "frame_rate", "features", "input", "state",
     "activations", "head", "channels", "lookahead_ms", "created", "masked_channels")
)  # fmt: skip


def load_exported(path: Path) -> tuple[TrainConfig, Any, dict[str, Any]]:
    """Return configuration and network of an exported float network, and what else its manifest says.

    Args:
        path: Manifest of a float32 network of the kind "stream"; those of `calibration/networks` are such.

    Returns:
        The configuration as far as a graph shows it, the network in evaluation mode without the lip seal (its norms are
        folded, heads that only training has are new), and the facts of the manifest.

    Raises:
        InputError: It is a network of another kind.
        ModelError: The file cannot be used.
    """
    import torch

    from calibration.float_network import read_network
    from edge.manifest import load_manifest
    from engine_build.network.fold import fold_batch_norms
    from engine_build.network.start_weights import TRAINING_HEADS, exported_weights
    from engine_build.training.train import build_network

    manifest = load_manifest(path)
    model, _ = read_network(manifest)
    raw = json.loads(path.read_text(encoding="utf-8"))
    try:
        found = exported_weights(model, float(manifest.frame_rate))
        width, first_maps = len(found["gather.weight"]), len(found["first.convolve.weight"])
        options = {"first_maps": first_maps, "second_maps": len(found["second.convolve.weight"]), "width": width,
                   "hidden": found["dense.weight"].shape[1] - width, "n_phones": 0}  # fmt: skip
        config = TrainConfig(
            options=options,
            features=raw["features"],
            sample_rate_hz=manifest.sample_rate_hz,
            frame_rate=tuple(raw["frame_rate"]),
            channels=manifest.channels,
            lookahead_ms=manifest.lookahead_ms,
        )
        network = fold_batch_norms(build_network(config).eval())
        wanted = {name for name in network.state_dict() if not name.startswith(TRAINING_HEADS)}
        network.load_state_dict(
            {name: torch.from_numpy(np.ascontiguousarray(found[name])) for name in wanted}, strict=False
        )
    except (KeyError, RuntimeError) as err:
        raise InputError(
            f"network {path}", f"it is not of the kind `stream` ({err})", "Export it from its run"
        ) from err
    network.masked_channels = list(raw.get("masked_channels", ()))
    return config, network, {name: value for name, value in raw.items() if name not in _WRITTEN}
