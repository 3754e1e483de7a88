"""The network as a TensorRT engine on the GPU: finds library, GPU and engine, and says what is missing.

Everything is made and destroyed on the thread that calls `open`.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from edge.backends.cuda import Gpu, GpuFacts, find_gpu
from edge.backends.engine_file import Surroundings, find_engine, read_engine, read_fingerprint
from edge.backends.tensorrt_library import INSTALL, MODULES, TENSORRT, find_library, is_installed
from edge.backends.tensorrt_session import REBUILD, TensorRtSession
from edge.errors import ModelError
from edge.manifest import Manifest


class TensorRtBackend:
    """TensorRT, or TensorRT-RTX where only that has an engine.

    Args:
        engine: Path of an engine; empty looks through the caches of `engine_build build`.
        use_graph: Whether to record frames as CUDA graphs.
    """

    name = "tensorrt"

    def __init__(self, engine: str = "", use_graph: bool = True) -> None:
        self._engine = engine
        self._use_graph = use_graph

    def probe(self, manifest: Manifest) -> str | None:
        """Return None where a library, a GPU and a fitting engine are here, else what is missing and what to do."""
        gpu = find_gpu()
        if isinstance(gpu, str):  # then the libraries, of 200 MB each, are not loaded only to say more
            missing = (
                [] if any(is_installed(name) for name in MODULES) else [f"tensorrt is missing: {INSTALL[TENSORRT]}"]
            )
            return "; ".join([*missing, gpu])
        found = self._find(manifest, gpu)
        return found if isinstance(found, str) else None

    def open(self, manifest: Manifest) -> TensorRtSession:
        """Load the engine on this thread.

        Raises:
            BackendError: The library, pycuda or the GPU is missing, or memory is short.
            ModelError: There is no engine, or it is damaged, of another version or GPU, or disagrees with the manifest.
        """
        gpu = Gpu()
        session: TensorRtSession | None = None
        try:
            found = self._find(manifest, gpu.facts)
            if isinstance(found, str):
                asked = f"engine {self._engine}" if self._engine else f"engine of network {manifest.name}"
                raise ModelError(asked, found, REBUILD)
            library, path = found
            content = read_engine(path, read_fingerprint(path))
            with gpu.explaining(f"loading engine {path}"):
                session = TensorRtSession(gpu, library, path, manifest)
                session.load(content)
                session.prepare(self._use_graph)
            return session
        except BaseException as err:
            _forget_frames(err)
            (session or gpu).close()
            raise

    def _find(self, manifest: Manifest, gpu: GpuFacts) -> tuple[str, Path] | str:
        """Return the library's name and the engine, or in words what is missing."""
        reasons = []
        for name in MODULES:
            library = find_library(name)
            if isinstance(library, str):
                reasons.append(library)
                continue
            here = Surroundings(name, str(library.__version__), gpu.name, gpu.compute_capability)
            engine = find_engine(manifest, here, self._engine)
            if isinstance(engine, Path):
                return name, engine
            reasons.insert(0, engine)  # what a library that is here lacks matters more than one that is not
        return "; ".join(dict.fromkeys(reasons[:1])) or "no library"


def _forget_frames(err: BaseException | None) -> None:
    """Clear the locals of an error's frames and of its causes': they would keep the engine beyond its CUDA context."""
    while err is not None:
        traceback.clear_frames(err.__traceback__)
        err = err.__cause__ or err.__context__
