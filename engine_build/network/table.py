"""Networks by name: the paper's, and the streaming one of the same family that is the default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edge.errors import ConfigurationError


def make_network(
    name: str, options: Mapping[str, Any], n_channels: int, columns_per_frame: int = 3, frames_per_s: float = 30.0
) -> Any:
    """Return an untrained network.

    Args:
        name: "stream" or "paper".
        options: Fields of its config class that differ from the default.
        n_channels: Activations.
        columns_per_frame: Columns that a frame brings ("stream" only).
        frames_per_s: Frames a second ("stream" only).

    Raises:
        ConfigurationError: Unknown name or option.
    """
    from engine_build.network.paper import PaperConfig, PaperNetwork
    from engine_build.network.stream import StreamConfig, StreamNetwork

    classes: dict[str, tuple[Any, Any]] = {
        "stream": (StreamConfig, StreamNetwork),
        "paper": (PaperConfig, PaperNetwork),
    }
    if name not in classes:
        raise ConfigurationError(f"network {name!r}", "unknown", f"Use one of {', '.join(classes)}")
    config_class, network_class = classes[name]
    known = {field.name for field in dataclasses.fields(config_class)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigurationError(
            f"option {', '.join(unknown)} of network {name!r}", "unknown", f"Known: {sorted(known)}"
        )
    values = {"n_channels": n_channels, **options}
    if name == "stream":
        values.setdefault("columns_per_frame", columns_per_frame)
        values.setdefault("frames_per_s", frames_per_s)
    return network_class(config_class(**values))
