"""An engine and its fingerprint: which network, library, GPU and options a file was built from and for.

An engine runs on the library version and GPU that it was built with, and says nothing useful elsewhere. The sidecar
ENGINE.json lets the runtime say what is wrong before the library is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from edge.bounded_file import read_bounded
from edge.errors import ModelError
from edge.manifest import Manifest

FORMAT = "au-edge-engine/1"
SYSTEM_CACHE = Path("/var/cache/au-edge")
ANY_GPU = "any"  # TensorRT-RTX builds for every GPU and finishes on the one it meets
MAX_SIDECAR_BYTES = 1 << 20
MAX_ENGINE_BYTES = 4 << 30
_TYPES: dict[str, type | tuple[type, ...]] = {"options": dict, "engine_bytes": int, "build_s": (int, float)}
_BUILD = "python -m engine_build build MANIFEST"


@dataclass(frozen=True)
class Fingerprint:
    """What must agree for an engine to be the right one, and what people want to know of it.

    Attributes:
        model_name: Of the manifest.
        model_sha256: Of the ONNX file.
        library: "tensorrt" or "tensorrt_rtx".
        library_version: As it says.
        gpu: Name of the GPU, or "any".
        compute_capability: Such as "8.7"; empty for any.
        precision: "int8", "fp16" or "fp32".
        options: How it was built.
        engine_sha256: Of the engine.
        engine_bytes: Its size.
        built: When, UTC.
        build_s: How long it took.
    """

    model_name: str
    model_sha256: str
    library: str
    library_version: str
    gpu: str
    compute_capability: str
    precision: str
    options: Mapping[str, Any]
    engine_sha256: str
    engine_bytes: int
    built: str
    build_s: float


@dataclass(frozen=True)
class Surroundings:
    """What an engine meets here.

    Attributes:
        library: "tensorrt" or "tensorrt_rtx".
        library_version: As it says.
        gpu: Name of the GPU.
        compute_capability: Such as "8.7".
    """

    library: str
    library_version: str
    gpu: str
    compute_capability: str


def mismatch(fingerprint: Fingerprint, manifest: Manifest, here: Surroundings) -> str | None:
    """Return in words why an engine does not fit here, or None where it fits."""
    found = []
    if fingerprint.model_sha256 != manifest.sha256:
        found.append(f"it was built from another network ({fingerprint.model_name} {fingerprint.model_sha256[:12]})")
    if (fingerprint.library, fingerprint.library_version) != (here.library, here.library_version):
        found.append(
            f"it was built by {fingerprint.library} {fingerprint.library_version}, "
            f"here is {here.library} {here.library_version}"
        )
    if fingerprint.gpu != ANY_GPU and (fingerprint.gpu, fingerprint.compute_capability) != (
        here.gpu,
        here.compute_capability,
    ):
        found.append(
            f"it was built for {fingerprint.gpu} (compute capability {fingerprint.compute_capability}), "
            f"here is {here.gpu} ({here.compute_capability})"
        )
    return "; ".join(found) or None


def cache_folders() -> list[Path]:
    """Return where engines are looked for, the system's place first."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return [SYSTEM_CACHE, Path(home) / "au-edge"]


def writable_cache() -> Path:
    """Return where engines are written: the system's place where it may be written, else the user's."""
    system, user = cache_folders()
    return system if os.access(system, os.W_OK) else user


def engine_file_name(manifest: Manifest, precision: str, library: str) -> str:
    """Return the name of an engine in the cache."""
    return f"{manifest.name}-{manifest.sha256[:12]}-{precision}-{library}.engine"


def sidecar_path(engine: Path) -> Path:
    """Return where an engine's fingerprint lies."""
    return engine.with_name(f"{engine.name}.json")


def fingerprint_bytes(fingerprint: Fingerprint) -> bytes:
    """Return a fingerprint as its file has it."""
    return (json.dumps({"format": FORMAT, **asdict(fingerprint)}, indent=1) + "\n").encode()


def read_fingerprint(engine: Path) -> Fingerprint:
    """Return an engine's fingerprint.

    Raises:
        ModelError: It has none, or the file is not one.
    """
    path = sidecar_path(engine)
    asked = f"engine {engine}"
    try:
        raw = json.loads(read_bounded(path, MAX_SIDECAR_BYTES).decode("utf-8"))
        if raw.pop("format") != FORMAT:
            raise ValueError("another format")
        values = {field.name: raw[field.name] for field in fields(Fingerprint)}
        wrong = [name for name, value in values.items() if not isinstance(value, _TYPES.get(name, str))]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} of another type")
        fingerprint = Fingerprint(**values)
    except OSError as err:
        found = f"its fingerprint {path.name} cannot be read: {err.strerror or err}"
        raise ModelError(asked, found, f"Build it with `{_BUILD}`, and copy both files together") from err
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as err:
        raise ModelError(
            asked, f"{path.name} is no fingerprint of an engine ({err})", f"Build again: `{_BUILD}`"
        ) from err
    return fingerprint


def read_engine(engine: Path, fingerprint: Fingerprint) -> bytes:
    """Return an engine's bytes after checking that they are the ones that were built.

    Raises:
        ModelError: Missing, truncated or damaged.
    """
    asked = f"engine {engine}"
    try:
        size = engine.stat().st_size
        if size != fingerprint.engine_bytes or size > MAX_ENGINE_BYTES:
            found = f"it has {size} bytes of {fingerprint.engine_bytes} (truncated, or another file)"
            raise ModelError(asked, found, f"Copy it again, or build again: `{_BUILD}`")
        content = read_bounded(engine, fingerprint.engine_bytes)
    except OSError as err:
        raise ModelError(asked, f"cannot be read: {err.strerror or err}", f"Build it: `{_BUILD}`") from err
    if hashlib.sha256(content).hexdigest() != fingerprint.engine_sha256:
        raise ModelError(asked, "its SHA-256 is not the one that was built (damaged)", f"Build again: `{_BUILD}`")
    return content


def find_engine(manifest: Manifest, here: Surroundings, configured: str = "") -> Path | str:
    """Return the engine to run, or in words why there is none.

    Args:
        manifest: Of the network.
        here: What the engine will meet.
        configured: Path of an engine; empty looks through the caches.
    """
    if configured:
        return _fits(Path(configured).expanduser(), manifest, here)
    reasons = []
    for folder in cache_folders():
        for engine in sorted(folder.glob(f"{manifest.name}-{manifest.sha256[:12]}-*.engine")):
            found = _fits(engine, manifest, here)
            if isinstance(found, Path):
                return found
            reasons.append(f"{engine}: {found}")
    build = f"python -m engine_build build {manifest.path}"
    if reasons:
        return f"{'; '.join(reasons)}: build again with `{build}`"
    return f"no engine of network {manifest.name} in {' or '.join(str(f) for f in cache_folders())}: `{build}`"


def _fits(engine: Path, manifest: Manifest, here: Surroundings) -> Path | str:
    """Return the engine if it fits, or why not."""
    try:
        reason = mismatch(read_fingerprint(engine), manifest, here)
    except ModelError as err:
        return err.found
    return engine if reason is None else reason
