"""Keep a fitted phone-to-shape model in a file.

In: a model and the names of its tracks. Out: one file of tensors and plain values, no pickled code.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from edge.errors import InputError
from edge.machine.whole_file import write_whole
from engine_build.voices.phone_shape import PhoneShapeModel, build_network


def save_shape_model(path: Path, model: PhoneShapeModel, names: tuple[str, ...], width: int) -> None:
    """Write a model so that a reader sees none or the whole.

    Args:
        path: the file.
        model: the fitted model.
        names: its tracks.
        width: channels of its networks.
    """
    import torch

    content = io.BytesIO()
    torch.save(
        {
            "networks": [network.state_dict() for network in model.networks],
            "mean": torch.from_numpy(model.mean),
            "scale": torch.from_numpy(model.scale),
            "spread": torch.from_numpy(model.spread),
            "names": list(names),
            "width": width,
        },
        content,
    )
    write_whole(path, content.getvalue())


def load_shape_model(path: Path) -> tuple[PhoneShapeModel, tuple[str, ...]]:
    """Read a model.

    Args:
        path: the file.

    Returns:
        The model and the names of its tracks.

    Raises:
        InputError: the file is not such a model.
    """
    import torch

    try:
        stored = torch.load(path, weights_only=True)
        networks = []
        for state in stored["networks"]:
            network = build_network(len(stored["names"]), int(stored["width"]))
            network.load_state_dict(state)
            networks.append(network.eval())
        model = PhoneShapeModel(networks, *(np.asarray(stored[name]) for name in ("mean", "scale", "spread")))
        return model, tuple(stored["names"])
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as err:
        raise InputError(f"phone-to-shape model {path}", str(err)[:200], "Delete it: it will be fitted again") from err
    except Exception as err:  # torch reports damaged files with the unpickler's own error type
        if type(err).__name__ != "UnpicklingError":
            raise
        raise InputError(f"phone-to-shape model {path}", "is damaged", "Delete it: it will be fitted again") from err
