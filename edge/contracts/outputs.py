"""From the network's output to a receiver: stages that change a face, wire formats, and ways to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from edge.frames import AUFrame, Float32Array

Datagram = bytes | bytearray | memoryview


@runtime_checkable
class FrameStage(Protocol):
    """One step from the network's raw output to a face that can be shown."""

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Change a frame in place.

        Args:
            frame: The face so far.
            newest: Samples since the frame before, float32 [n]; empty where no sound arrived.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


@runtime_checkable
class FrameOutput(Protocol):
    """A receiver of frames: codec, transport, rate, delay and its own retries."""

    name: str

    @property
    def description(self) -> str:
        """Return one line for a person: protocol, address and state."""
        ...

    @property
    def state(self) -> str:
        """Return how it stands, in a word or three: "up" where no error came back lately, "off", or what is wrong."""
        ...

    def open(self) -> None:
        """Begin; a receiver that cannot be had now is tried again while frames go on to the others."""
        ...

    def send(self, frame: AUFrame) -> None:
        """Send a frame if its time has come, without waiting; never raises for the network's faults.

        Args:
            frame: Read during the call only.
        """
        ...

    def pump(self) -> None:
        """Send what a delay kept back and is due; called every few milliseconds."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since start: at least `sent` and `failed` frames."""
        ...

    def close(self) -> None:
        """Send what is due and release; may be called twice."""
        ...


@runtime_checkable
class Codec(Protocol):
    """A wire format: pure functions from frames to bytes; knows no sockets."""

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return the datagrams of one frame; the buffers are the codec's and valid until its next call."""
        ...

    def announce(self) -> Sequence[Datagram]:
        """Return what is sent at start and every two seconds (channel names, presence); may be empty."""
        ...


@runtime_checkable
class Transport(Protocol):
    """Somewhere that datagrams go."""

    @property
    def description(self) -> str:
        """Return the address as a person writes it ("udp://127.0.0.1:9000")."""
        ...

    def open(self) -> None:
        """Acquire the socket, port or file.

        Raises:
            DeviceError: It cannot be had now; the caller tries again with back-off while frames go on to the others.
            ConfigurationError: It can never be had as asked.
        """
        ...

    def send(self, datagram: Datagram) -> None:
        """Send without waiting.

        Raises:
            OSError: This datagram is lost (buffer full, host unreachable, port closed); the caller counts it.
        """
        ...

    def close(self) -> None:
        """Release; may be called twice."""
        ...
