"""Build a TensorRT engine from an exported network, for the machine that it runs on.

The engine goes into the cache, where the runtime looks for it, with a fingerprint beside it; it is built again when
network, library, GPU or options are others. An int8 network (Q/DQ, from `python -m calibration quantize`) becomes an
int8 engine, a float32 network one in half or full precision. On a PC without TensorRT, --library tensorrt_rtx builds.

    python -m engine_build build edge/models/stream.json
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from calibration.command_line import count
from calibration.whole_files import write_together
from edge.backends.cuda import GpuFacts, find_gpu
from edge.backends.engine_file import (
    ANY_GPU,
    Fingerprint,
    Surroundings,
    engine_file_name,
    fingerprint_bytes,
    mismatch,
    read_fingerprint,
    sidecar_path,
    writable_cache,
)
from edge.backends.tensorrt_library import MODULES, TENSORRT, TENSORRT_RTX, find_library
from edge.errors import BackendError, ModelError
from edge.manifest import Manifest, load_manifest
from engine_build.engine.graph_check import check_graph
from engine_build.engine.tensorrt_build import PRECISIONS, BuildOptions, BuiltEngine, build_engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("manifest", type=Path, help="manifest of the network (.json)")
    parser.add_argument(
        "--library", choices=("auto", *MODULES), default="auto", help="default: auto, what is installed"
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="default: int8 for a Q/DQ network, else fp16")
    parser.add_argument("--out", type=Path, help="engine to write (default: into the cache)")
    parser.add_argument("--force", action="store_true", help="build even where the engine is up to date")
    parser.add_argument("--workspace-mib", type=count, default=256, help="memory for a layer (default: 256)")
    parser.add_argument("--optimization-level", type=int, choices=range(6), help="0 (fast build) to 5 (fast engine)")
    parser.add_argument("--layers", action="store_true", help="list layers and their types")


def run(args: argparse.Namespace) -> int:
    """Build as the command line says."""
    manifest = load_manifest(args.manifest)
    precision = choose_precision(manifest, args.precision)
    options = BuildOptions(precision, args.workspace_mib, args.optimization_level)
    here = find_surroundings(args.library)
    engine = args.out or writable_cache() / engine_file_name(manifest, precision, here.library)
    if not args.force and is_up_to_date(engine, manifest, here, options):
        print(f"{engine}: up to date", file=sys.stderr)
        return 0
    model = check_graph(manifest.verify_graph(), manifest)
    gpu = "any GPU" if here.gpu == ANY_GPU else f"{here.gpu} ({here.compute_capability})"
    print(
        f"building {manifest.name} {precision} with {here.library} {here.library_version} for {gpu}; "
        "seconds on a PC, up to minutes on a Jetson",
        file=sys.stderr,
    )
    built = build_engine(here.library, model, options, f"network {manifest.graph_path}")
    fingerprint = make_fingerprint(manifest, here, options, built)
    write_engine(engine, built.content, fingerprint)
    print(f"{engine}: {len(built.content) / 1e6:.2f} MB, built in {built.seconds:.1f} s", file=sys.stderr)
    if args.layers:
        print("\n".join(inspect_layers(engine, manifest) or built.layers))
    return 0


def choose_precision(manifest: Manifest, wanted: str | None) -> str:
    """Return the engine's precision.

    Raises:
        ModelError: The network cannot become that.
    """
    is_int8 = manifest.precision == "int8"
    precision = wanted or ("int8" if is_int8 else "fp16")
    if (precision == "int8") != is_int8:
        raise ModelError(
            f"an engine of precision {precision}",
            f"network {manifest.name} is {manifest.precision}",
            "For int8 give the network that `python -m calibration quantize` wrote, for fp16 and fp32 the float32 one",
        )
    return precision


def find_surroundings(library: str) -> Surroundings:
    """Return the library that builds and the GPU that it builds for.

    Args:
        library: "tensorrt", "tensorrt_rtx", or "auto" for the first that is installed.

    Raises:
        BackendError: The library is missing, or TensorRT has no GPU to build on.
    """
    reasons = []
    for name in MODULES if library == "auto" else (library,):
        module = find_library(name)
        if isinstance(module, str):
            reasons.append(module)
            continue
        version = str(module.__version__)
        if name == TENSORRT_RTX:
            return Surroundings(name, version, ANY_GPU, "")
        gpu = find_gpu()
        if isinstance(gpu, GpuFacts):
            return Surroundings(name, version, gpu.name, gpu.compute_capability)
        reasons.append(f"{TENSORRT} {version} builds only on the GPU that will run the engine: {gpu}")
    raise BackendError("building an engine", "; ".join(reasons), "Install one of them, then try again")


def is_up_to_date(engine: Path, manifest: Manifest, here: Surroundings, options: BuildOptions) -> bool:
    """Return whether an engine is the one that a build would give."""
    try:
        fingerprint = read_fingerprint(engine)
        is_whole = engine.stat().st_size == fingerprint.engine_bytes
    except (ModelError, OSError):
        return False
    is_same = fingerprint.precision == options.precision and dict(fingerprint.options) == options_of(options)
    return is_whole and is_same and mismatch(fingerprint, manifest, here) is None


def options_of(options: BuildOptions) -> dict[str, Any]:
    """Return the options as the fingerprint keeps them."""
    return {"workspace_mib": options.workspace_mib, "optimization_level": options.optimization_level}


def make_fingerprint(manifest: Manifest, here: Surroundings, options: BuildOptions, built: BuiltEngine) -> Fingerprint:
    """Return an engine's fingerprint."""
    kept: Mapping[str, Any] = options_of(options)
    return Fingerprint(
        model_name=manifest.name,
        model_sha256=manifest.sha256,
        library=here.library,
        library_version=here.library_version,
        gpu=here.gpu,
        compute_capability=here.compute_capability,
        precision=options.precision,
        options=kept,
        engine_sha256=hashlib.sha256(built.content).hexdigest(),
        engine_bytes=len(built.content),
        built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        build_s=round(built.seconds, 2),
    )


def write_engine(engine: Path, content: bytes, fingerprint: Fingerprint) -> None:
    """Write engine and fingerprint; where that fails the old engine stays.

    Raises:
        BackendError: The disk is full or the folder cannot be written.
    """
    try:
        write_together({engine: content, sidecar_path(engine): fingerprint_bytes(fingerprint)})
    except OSError as err:
        raise BackendError(
            f"writing engine {engine}",
            err.strerror or str(err),
            f"{len(content) / 1e6:.0f} MB are needed: free some space, or give another place with --out",
        ) from err


def inspect_layers(engine: Path, manifest: Manifest) -> list[str]:
    """Return the built engine's own layer list, or nothing where it cannot be loaded here (no GPU)."""
    from edge.backends.tensorrt import TensorRtBackend

    try:
        session = TensorRtBackend(str(engine), use_graph=False).open(manifest)
    except (BackendError, ModelError) as err:
        print(f"layers as parsed; the engine itself cannot be looked at here: {err.found}", file=sys.stderr)
        return []
    try:
        return session.layers()
    finally:
        session.close()
