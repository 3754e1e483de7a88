"""Find and read the float networks that int8 ones are made from.

Those of the shipped networks come with this package, in `networks/`: whoever has a microphone and voices of their own
can quantise again without training. The folder is the one place where they are looked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibration.onnx_graph import parse_onnx
from calibration.stored_weights import widen
from edge.errors import ModelError
from edge.manifest import Manifest

NETWORKS = Path(__file__).parent / "networks"
DEFAULT_NETWORK = "stream"


def shipped_networks(folder: Path = NETWORKS) -> dict[str, Path]:
    """Return the float networks that come with the package: name -> manifest."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def find_network(asked: str, folder: Path = NETWORKS) -> Path:
    """Return the manifest of a float network.

    Args:
        asked: Its path, or the name of one that comes with the package.
        folder: Where those lie.

    Raises:
        ModelError: It is neither.
    """
    if asked.endswith(".json") or "/" in asked:
        return Path(asked)
    shipped = shipped_networks(folder)
    if asked in shipped:
        return shipped[asked]
    found = f"no float network of that name comes with the package (there are: {', '.join(shipped) or 'none'})"
    raise ModelError(
        f"float network {asked}",
        found,
        "Give the manifest of a float32 network: python -m engine_build export RUN --out NAME.json",
    )


def read_network(manifest: Manifest) -> tuple[Any, int]:
    """Return a float network as an ONNX model with float32 weights, and the bytes that its file has.

    Raises:
        ModelError: It is not float32, not there, another file than its manifest says, or no ONNX.
    """
    if manifest.precision != "float32":
        raise ModelError(
            f"float network {manifest.path}",
            f"its precision is {manifest.precision}",
            "Give the manifest of the float32 network: python -m engine_build export RUN --out NAME.float32.json",
        )
    content = manifest.verify_graph()
    return widen(parse_onnx(content, f"network {manifest.graph_path}")), len(content)
