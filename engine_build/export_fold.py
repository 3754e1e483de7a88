"""Fold batch norms into the convolutions before them: what remains is what the graph computes."""

from __future__ import annotations

from typing import Any


def fold_batch_norms(network: Any) -> Any:
    """Fold every `Conv2d` that is followed by a `BatchNorm2d`, in place, and return the network.

    Args:
        network: In evaluation mode; its norms are replaced by identities and its convolutions get a bias.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from engine_build.network_layers import CausalColumns

    for module in network.modules():
        if isinstance(module, CausalColumns) and isinstance(module.norm, nn.BatchNorm2d):
            module.convolve = fuse_conv_bn_eval(module.convolve, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
        elif isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                first, second = module[i], module[i + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return network
