"""The GPU: its context, one stream, and buffers that both sides see. The only file that names pycuda.

On boards whose GPU shares the memory of the CPU (every Jetson) a buffer is one piece of mapped memory and nothing is
copied; elsewhere it is pinned memory and a twin on the device. Everything belongs to the thread that opened it, and is
released there in reverse order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from edge.errors import BackendError
from edge.frames import Float32Array

INSTALL = (
    "pip install pycuda (it is compiled here: on a Jetson first `sudo apt install cuda-toolkit python3-dev "
    "build-essential` and `export PATH=/usr/local/cuda/bin:$PATH`)"
)


@dataclass(frozen=True)
class GpuFacts:
    """A GPU.

    Attributes:
        name: As the driver says ("Orin").
        compute_capability: Such as "8.7".
        is_integrated: Whether it shares the CPU's memory.
        memory_bytes: Its memory.
        driver_version: CUDA version that the driver speaks, such as 12060.
    """

    name: str
    compute_capability: str
    is_integrated: bool
    memory_bytes: int
    driver_version: int


def find_gpu() -> GpuFacts | str:
    """Return the first GPU, or in words why there is none; makes no context."""
    try:
        import pycuda.driver as driver
    except (ImportError, OSError) as err:
        return f"pycuda cannot be loaded ({err}): {INSTALL}"
    try:
        driver.init()
        if driver.Device.count() == 0:
            return "no CUDA device: check `nvidia-smi`, on a Jetson the group: sudo usermod -aG video,render $USER"
        return _facts(driver, driver.Device(0))
    except driver.Error as err:
        return str(_explain("looking for a CUDA device", err))


def _facts(driver: Any, device: Any) -> GpuFacts:
    major, minor = device.compute_capability()
    integrated = bool(device.get_attribute(driver.device_attribute.INTEGRATED))
    can_map = bool(device.get_attribute(driver.device_attribute.CAN_MAP_HOST_MEMORY))
    return GpuFacts(
        str(device.name()),
        f"{major}.{minor}",
        integrated and can_map,
        int(device.total_memory()),
        int(driver.get_driver_version()),
    )


class Buffer:
    """A float32 array that the CPU and the GPU see; made by `Gpu.buffer`.

    Attributes:
        host: The CPU's view.
        address: The GPU's address.
    """

    def __init__(self, gpu: Gpu, shape: tuple[int, ...]) -> None:
        driver = gpu.driver
        self._gpu = gpu
        flags = driver.host_alloc_flags.DEVICEMAP if gpu.facts.is_integrated else 0
        self.host: Float32Array = driver.pagelocked_empty(shape, np.float32, "C", flags)
        self.host.fill(0)
        self._allocation: Any = None
        if gpu.facts.is_integrated:
            self.address = int(self.host.base.get_device_pointer())
        else:
            self._allocation = driver.mem_alloc(self.host.nbytes)
            self.address = int(self._allocation)

    def to_device(self) -> None:
        """Enqueue the copy to the GPU; nothing where memory is shared."""
        if self._allocation is not None:
            self._gpu.driver.memcpy_htod_async(self.address, self.host, self._gpu.stream)

    def to_host(self) -> None:
        """Enqueue the copy from the GPU; nothing where memory is shared."""
        if self._allocation is not None:
            self._gpu.driver.memcpy_dtoh_async(self.host, self.address, self._gpu.stream)

    def free(self) -> None:
        """Give the memory back; what was last on the CPU's side stays readable in `host`."""
        self.host = self.host.copy()  # the pinned memory goes with the last array that shows it
        if self._allocation is not None:
            self._allocation.free()
            self._allocation = None


class DeviceMemory:
    """Zeroed memory that only the GPU sees; made by `Gpu.memory`."""

    def __init__(self, gpu: Gpu, n_bytes: int) -> None:
        self._gpu = gpu
        self._allocation: Any = gpu.driver.mem_alloc(n_bytes)
        self.address = int(self._allocation)
        self.n_bytes = n_bytes
        self.clear()

    def clear(self) -> None:
        """Enqueue setting it to zero."""
        self._gpu.driver.memset_d8_async(self.address, 0, self.n_bytes, self._gpu.stream)

    def free(self) -> None:
        """Give it back."""
        if self._allocation is not None:
            self._allocation.free()
            self._allocation = None


class Gpu:
    """The first GPU with its primary context current on this thread.

    Raises:
        BackendError: There is none, or pycuda is missing.
    """

    def __init__(self) -> None:
        found = find_gpu()
        if isinstance(found, str):
            raise BackendError("a CUDA device", found, "Or choose backend onnxruntime, which runs everywhere")
        import pycuda.driver as driver

        self.driver: Any = driver
        self.facts = found
        self._owned: list[Callable[[], None]] = []
        with self.explaining("opening the GPU"):
            self._context: Any = driver.Device(0).retain_primary_context()
            self._context.push()
            self.stream: Any = driver.Stream()

    @property
    def stream_handle(self) -> int:
        """Return the stream as the libraries take it."""
        return int(self.stream.handle)

    def buffer(self, shape: tuple[int, ...]) -> Buffer:
        """Return a new buffer of zeros; freed by `close`."""
        made = Buffer(self, shape)
        self._owned.append(made.free)
        return made

    def memory(self, n_bytes: int) -> DeviceMemory:
        """Return new zeroed device memory; freed by `close`."""
        made = DeviceMemory(self, n_bytes)
        self._owned.append(made.free)
        return made

    def synchronize(self) -> None:
        """Wait for everything that was enqueued."""
        self.stream.synchronize()

    def explaining(self, doing: str) -> Explaining:
        """Return a context in which CUDA's errors become ours."""
        return Explaining(self.driver.Error, doing)

    def close(self) -> None:
        """Free buffers, stream and context, in this order; may be called twice."""
        if self._context is None:
            return
        context, self._context = self._context, None
        try:
            while self._owned:
                self._owned.pop()()
            self.stream = None
        finally:
            context.pop()
            context.detach()


class Explaining:
    """A context in which CUDA's errors become a BackendError with a remedy.

    Args:
        kind: CUDA's exception class.
        doing: What is being done, for the message.
    """

    def __init__(self, kind: type[Exception], doing: str) -> None:
        self._kind = kind
        self._doing = doing

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Turn an error of CUDA into ours."""
        if isinstance(error, self._kind):
            raise _explain(self._doing, error) from error


def _explain(doing: str, err: Exception) -> BackendError:
    """Return what a CUDA error means for a person."""
    text = str(err) or type(err).__name__
    lower = text.lower()
    if "out of memory" in lower or type(err).__name__ == "MemoryError":
        remedy = "Close other programs that use the GPU (`tegrastats`, `nvidia-smi`), or build with a smaller workspace"
    elif "no cuda-capable device" in lower or "no device" in lower or "operatingsystem" in lower:
        remedy = "Check `nvidia-smi`; on a Jetson: sudo usermod -aG video,render $USER, and log in again"
    elif "insufficient" in lower or "system_driver_mismatch" in lower or "unsupported" in lower:
        remedy = "The driver is older than the CUDA that pycuda was built with: update it, or build pycuda again"
    elif "invalid device context" in lower or "context is destroyed" in lower:
        remedy = "Use the backend only on the thread that opened it"
    else:
        remedy = (
            "Restart the service; where it comes again, attach the output of `au-edge check --self-test` to a report"
        )
    return BackendError(doing, f"CUDA says: {text}", remedy)
