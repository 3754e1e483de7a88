"""Fold batch norms into the convolutions before them: what remains is what the graph computes."""

from __future__ import annotations

from typing import Any


def folded_pairs(network: Any) -> list[tuple[str, Any, Any]]:
    """Return the convolutions of a network that are followed by a batch norm: name of the convolution, it, the norm."""
    from torch import nn

    from engine_build.network.layers import CausalColumns

    found: list[tuple[str, Any, Any]] = []
    for path, module in network.named_modules():
        if isinstance(module, CausalColumns) and isinstance(module.norm, nn.BatchNorm2d):
            found.append((f"{path}.convolve", module.convolve, module.norm))
        elif isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    found.append((f"{path}.{i}", module[i], module[i + 1]))
    return found


def fold_batch_norms(network: Any) -> Any:
    """Fold every `Conv2d` that is followed by a `BatchNorm2d`, in place, and return the network.

    Args:
        network: In evaluation mode; its norms are replaced by identities and its convolutions get a bias.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    modules = {id(module): path for path, module in network.named_modules()}
    for name, convolution, norm in folded_pairs(network):
        _replace(network, name, fuse_conv_bn_eval(convolution, norm))
        _replace(network, modules[id(norm)], nn.Identity())
    return network


def _replace(network: Any, name: str, module: Any) -> None:
    """Put a module in the place of another (`set_submodule` came with PyTorch 2.5)."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
