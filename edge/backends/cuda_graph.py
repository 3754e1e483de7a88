"""Record what a frame enqueues once, and launch it with one call: most of a small network's time is launching.

pycuda knows no CUDA graphs, so the six functions are called in the driver itself. Where recording does not work, the
caller goes on without: it is a matter of speed only.

Source: CUDA Driver API, "Stream Management" and "Graph Management"; cuGraphInstantiateWithFlags since CUDA 11.4.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge.errors import BackendError

_DRIVER = "libcuda.so.1"
_THREAD_LOCAL_CAPTURE = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do with the GPU is no matter
_SUCCESS = 0


def load_driver() -> Any:
    """Return the CUDA driver's library; loaded already wherever a context exists."""
    return ctypes.CDLL(_DRIVER)


class CudaGraph:
    """A recorded frame; made by `record`."""

    def __init__(self, driver: Any, executable: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:
        self._driver = driver
        self._executable: ctypes.c_void_p | None = executable
        self._stream = stream
        self._launch = driver.cuGraphLaunch

    def launch(self) -> None:
        """Enqueue the frame.

        Raises:
            BackendError: The driver refuses.
        """
        result = self._launch(self._executable, self._stream)
        if result != _SUCCESS:
            raise BackendError("launching a CUDA graph", f"CUDA error {result}", "Restart the service")

    def close(self) -> None:
        """Let it go; may be called twice."""
        if self._executable is not None:
            self._driver.cuGraphExecDestroy(self._executable)
            self._executable = None


def record(stream_handle: int, enqueue: Callable[[], None]) -> CudaGraph | str:
    """Record what is enqueued on a stream.

    Args:
        stream_handle: The stream; nothing else may use it meanwhile.
        enqueue: Puts one frame's work on it, without waiting.

    Returns:
        The graph, or in words why there is none; the stream is usable again in both cases.
    """
    try:
        driver = load_driver()
        begin, end = driver.cuStreamBeginCapture_v2, driver.cuStreamEndCapture
        instantiate, destroy = driver.cuGraphInstantiateWithFlags, driver.cuGraphDestroy
    except (OSError, AttributeError) as err:
        return f"the CUDA driver has no graphs ({err})"
    stream, graph, executable = ctypes.c_void_p(stream_handle), ctypes.c_void_p(), ctypes.c_void_p()
    result = begin(stream, ctypes.c_int(_THREAD_LOCAL_CAPTURE))
    if result != _SUCCESS:
        return f"recording cannot begin (CUDA error {result})"
    reason = ""
    try:
        enqueue()
    except Exception as err:  # of pycuda or of ours: all of them mean that this work cannot be recorded
        reason = f"the network cannot be recorded ({err})"
    result = end(stream, ctypes.byref(graph))
    if not reason and (result != _SUCCESS or not graph.value):
        reason = f"recording failed (CUDA error {result})"
    if not reason:
        result = instantiate(ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        if result != _SUCCESS:
            reason = f"the recording cannot be prepared (CUDA error {result})"
    if graph.value:
        destroy(graph)
    return reason or CudaGraph(driver, executable, stream)
