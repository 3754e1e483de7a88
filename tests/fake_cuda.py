"""A GPU of numpy arrays with the interface of pycuda.driver and of the driver's graph functions.

It is stricter than the real one: work on a stream happens only when someone waits for it, every call needs a context
that is current on the calling thread, freed memory may not be touched, and what is left over at the end is counted.
Names and parameters are those of pycuda 2025.1 (src/wrapper/wrap_cudadrv.cpp).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


class Error(Exception):
    """pycuda._driver.Error."""


class LogicError(Error):
    pass


class MemoryError(Error):
    pass


class FakeGpu:
    """The machine behind the fake modules.

    Attributes:
        is_integrated: Whether host memory is mapped.
        events: What was created and destroyed, in order.
        fail: Name of a function -> the error that its next call raises.
    """

    def __init__(self, is_integrated: bool = True, n_devices: int = 1) -> None:
        self.is_integrated = is_integrated
        self.n_devices = n_devices
        self.name = "Orin"
        self.events: list[str] = []
        self.fail: dict[str, Exception] = {}
        self.n_copies = 0
        self.supports_graphs = True
        self._memory: dict[int, np.ndarray] = {}
        self._streams: dict[int, FakeStream] = {}
        self._next = 0x1000
        self._current = threading.local()
        self._handles: dict[int, object] = {}

    def call(self, name: str, needs_context: bool = True) -> None:
        """Count a call, and fail it where that was asked for."""
        if name in self.fail:
            raise self.fail.pop(name)
        if needs_context and not getattr(self._current, "stack", []):
            raise LogicError(f"{name} failed: invalid device context")

    def allocate(self, n_bytes: int, what: str) -> int:
        """Return the address of new memory, full of garbage."""
        address, self._next = self._next, self._next + n_bytes + 256
        self._memory[address] = np.full(n_bytes, 0xA5, np.uint8)
        self.events.append(f"allocate {what}")
        return address

    def adopt(self, memory: np.ndarray) -> int:
        """Give an address to memory of the host."""
        address, self._next = self._next, self._next + memory.nbytes + 256
        self._memory[address] = memory
        return address

    def free(self, address: int, what: str) -> None:
        if address not in self._memory:
            raise LogicError("cuMemFree failed: invalid argument")
        del self._memory[address]
        self.events.append(f"free {what}")

    def floats(self, address: int) -> np.ndarray:
        """Return memory as float32."""
        if address not in self._memory:
            raise LogicError("an illegal memory access was encountered")
        return self._memory[address].view(np.float32)

    def stream(self, handle: int) -> FakeStream:
        return self._streams[int(handle)]

    @property
    def n_device_allocations(self) -> int:
        """Return how much device memory was never freed."""
        return self.events.count("allocate device") - self.events.count("free device")


class FakeStream:
    """A queue that is worked off by `synchronize`."""

    def __init__(self, gpu: FakeGpu, handle: int) -> None:
        self._gpu = gpu
        self.handle = handle
        self.queue: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None

    def enqueue(self, work: Callable[[], None]) -> None:
        (self.queue if self.recording is None else self.recording).append(work)

    def synchronize(self) -> None:
        self._gpu.call("synchronize")
        if self.recording is not None:
            raise LogicError("operation not permitted when stream is capturing")
        work, self.queue = self.queue, []
        for item in work:
            item()


class PagelockedHostAllocation:
    """The owner of pinned memory, as the base of its array."""

    def __init__(self, gpu: FakeGpu, n_bytes: int, is_mapped: bool) -> None:
        self._memory = np.full(n_bytes, 0xA5, np.uint8)
        self._gpu = gpu
        self._is_mapped = is_mapped
        self.__array_interface__ = self._memory.__array_interface__

    def get_device_pointer(self) -> int:
        if not self._is_mapped:
            raise LogicError("cuMemHostGetDevicePointer failed: invalid argument")
        return self._gpu.adopt(self._memory)

    def free(self) -> None:
        pass


class DeviceAllocation:
    def __init__(self, gpu: FakeGpu, n_bytes: int) -> None:
        self._gpu, self._address = gpu, gpu.allocate(n_bytes, "device")

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self._gpu.free(self._address, "device")


class Context:
    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu

    def push(self) -> None:
        stack = getattr(self._gpu._current, "stack", [])
        self._gpu._current.stack = [*stack, self]

    def pop(self) -> None:
        if not getattr(self._gpu._current, "stack", []):
            raise LogicError("context::pop failed: invalid device context")
        self._gpu._current.stack = self._gpu._current.stack[:-1]
        self._gpu.events.append("pop context")

    def detach(self) -> None:
        self._gpu.events.append("detach context")


class Device:
    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu

    def name(self) -> str:
        return self._gpu.name

    def compute_capability(self) -> tuple[int, int]:
        return 8, 7

    def total_memory(self) -> int:
        return 8 << 30

    def get_attribute(self, attr: str) -> int:
        return int(self._gpu.is_integrated) if attr == "INTEGRATED" else 1

    def retain_primary_context(self) -> Context:
        self._gpu.call("retain_primary_context", needs_context=False)
        self._gpu.events.append("retain context")
        return Context(self._gpu)


def make_driver(gpu: FakeGpu) -> ModuleType:
    """Return a stand-in for pycuda.driver."""
    driver = ModuleType("pycuda.driver")

    class BoundDevice(Device):
        def __init__(self, ordinal: int) -> None:
            if ordinal >= gpu.n_devices:
                raise LogicError("cuDeviceGet failed: invalid device ordinal")
            super().__init__(gpu)

        @staticmethod
        def count() -> int:
            return gpu.n_devices

    def init() -> None:
        gpu.call("init", needs_context=False)

    def stream(flags: int = 0) -> FakeStream:
        gpu.call("Stream")
        handle = 0x70000000000 + len(gpu._streams)  # wider than 32 bits, as real handles are
        gpu._streams[handle] = FakeStream(gpu, handle)
        gpu.events.append("stream")
        return gpu._streams[handle]

    def pagelocked_empty(shape: object, dtype: object, order: str = "C", mem_flags: int = 0) -> np.ndarray:
        gpu.call("pagelocked_empty")
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        allocation = PagelockedHostAllocation(gpu, n_bytes, bool(mem_flags & 2))

        class Pinned(np.ndarray):
            base = property(lambda self: allocation)  # type: ignore[assignment]

        return allocation._memory.view(dtype).reshape(shape).view(Pinned)

    def mem_alloc(bytes: int) -> DeviceAllocation:
        gpu.call("mem_alloc")
        return DeviceAllocation(gpu, bytes)

    def memcpy_htod_async(dest: int, src: np.ndarray, stream: FakeStream) -> None:
        gpu.call("memcpy_htod_async")
        gpu.n_copies += 1
        stream.enqueue(lambda: gpu.floats(dest).__setitem__(slice(None), np.asarray(src).ravel()))

    def memcpy_dtoh_async(dest: np.ndarray, src: int, stream: FakeStream) -> None:
        gpu.call("memcpy_dtoh_async")
        gpu.n_copies += 1
        stream.enqueue(lambda: np.asarray(dest).reshape(-1).__setitem__(slice(None), gpu.floats(src)))

    def memset_d8_async(dest: int, data: int, size: int, stream: FakeStream) -> None:
        gpu.call("memset_d8_async")
        stream.enqueue(lambda: gpu.floats(dest).view(np.uint8)[:size].fill(data))

    for name, value in {
        "Error": Error, "LogicError": LogicError, "MemoryError": MemoryError, "init": init, "Device": BoundDevice,
        "Stream": stream, "pagelocked_empty": pagelocked_empty, "mem_alloc": mem_alloc,
        "memcpy_htod_async": memcpy_htod_async, "memcpy_dtoh_async": memcpy_dtoh_async,
        "memset_d8_async": memset_d8_async, "get_driver_version": lambda: 12060,
        "host_alloc_flags": SimpleNamespace(DEVICEMAP=2),
        "device_attribute": SimpleNamespace(INTEGRATED="INTEGRATED", CAN_MAP_HOST_MEMORY="CAN_MAP_HOST_MEMORY"),
    }.items():  # fmt: skip
        setattr(driver, name, value)
    return driver


class FakeLibcuda:
    """The graph functions of libcuda.so, called as ctypes calls them."""

    def __init__(self, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._objects: dict[int, list[Callable[[], None]]] = {}
        self._next = 0
        self.results: dict[str, int] = {}
        self.n_alive = 0
        self.n_launches = 0

    def _new(self, work: list[Callable[[], None]]) -> int:
        self._next += 1
        handle = 0x7F0000000000 + self._next
        self._objects[handle] = work
        self.n_alive += 1
        return handle

    def cuStreamBeginCapture_v2(self, stream, mode) -> int:
        assert mode.value in (0, 1, 2)
        if not self._gpu.supports_graphs:
            return 801  # CUDA_ERROR_NOT_SUPPORTED
        self._gpu.stream(stream.value).recording = []
        return 0

    def cuStreamEndCapture(self, stream, graph) -> int:
        recorded, self._gpu.stream(stream.value).recording = self._gpu.stream(stream.value).recording, None
        if "cuStreamEndCapture" in self.results:
            return self.results["cuStreamEndCapture"]
        graph._obj.value = self._new(recorded)
        return 0

    def cuGraphInstantiateWithFlags(self, executable, graph, flags) -> int:
        if "cuGraphInstantiateWithFlags" in self.results:
            return self.results["cuGraphInstantiateWithFlags"]
        executable._obj.value = self._new(self._objects[graph.value])
        return 0

    def cuGraphLaunch(self, executable, stream) -> int:
        if "cuGraphLaunch" in self.results:
            return self.results["cuGraphLaunch"]
        self.n_launches += 1
        for work in self._objects[executable.value]:
            self._gpu.stream(stream.value).enqueue(work)
        return 0

    def cuGraphDestroy(self, graph) -> int:
        del self._objects[graph.value]
        self.n_alive -= 1
        return 0

    def cuGraphExecDestroy(self, executable) -> int:
        del self._objects[executable.value]
        self.n_alive -= 1
        self._gpu.events.append("destroy graph")
        return 0


def install(monkeypatch: pytest.MonkeyPatch, gpu: FakeGpu) -> FakeLibcuda:
    """Put the fakes where edge imports and loads them from."""
    driver = make_driver(gpu)
    package = ModuleType("pycuda")
    package.driver = driver  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    libcuda = FakeLibcuda(gpu)
    monkeypatch.setattr("edge.backends.cuda_graph.load_driver", lambda: libcuda)
    return libcuda
