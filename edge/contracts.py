"""The seams of the runtime: what a source, a feature, a backend, a codec and a transport must do, and no more.

Every implementation is tested against the laws in tests/contracts. Constructors store settings, `open()` acquires,
`close()` releases and may be called twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from edge.frames import AudioChunk, AUFrame, Float32Array
from edge.manifest import Manifest

Datagram = bytes | bytearray | memoryview


@runtime_checkable
class Clock(Protocol):
    """Time, so that tests can own it."""

    def monotonic_s(self) -> float:
        """Return CLOCK_MONOTONIC seconds."""
        ...

    def unix_s(self) -> float:
        """Return Unix time in seconds."""
        ...

    def sleep_until(self, monotonic_s: float) -> None:
        """Return at or after the given monotonic time (at once if it has passed)."""
        ...


@runtime_checkable
class AudioSource(Protocol):
    """Mono sound at a fixed rate, on its own absolute sample axis."""

    @property
    def rate_hz(self) -> int:
        """Return the rate of the samples that `read` returns; valid after `open`."""
        ...

    @property
    def description(self) -> str:
        """Return one line that tells a person what is heard ("USB mic, hw:1,0, 48000 Hz, channel 1 of 2")."""
        ...

    def open(self) -> None:
        """Acquire the device or file.

        Raises:
            DeviceError: The device cannot be had now; the caller may try again.
            ConfigurationError: The device is unknown, ambiguous or cannot do what is asked.
            InputError: The file cannot be used.
        """
        ...

    def read(self, timeout_s: float) -> AudioChunk | None:
        """Return the next sound, or None when none came within the time.

        A source never returns the same sample twice and never goes back; where samples were lost, the next chunk's
        `start_index` is larger than the last chunk's `end_index`. After a chunk with `is_last`, read is not called.

        Raises:
            DeviceError: The device is gone. `close()` and `open()` may bring it back; the axis then goes on, ahead by
                the time that passed.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """Return counts since the program started: at least `lost_samples` and `reopened`."""
        ...

    def warnings(self) -> Sequence[str]:
        """Return lines about the sound (silence, clipping, samples that are no numbers), each of them once."""
        ...

    def close(self) -> None:
        """Release everything; may be called twice and from another thread."""
        ...


@runtime_checkable
class Resampler(Protocol):
    """From a source's rate and axis to the model's."""

    @property
    def delay_s(self) -> float:
        """Return how much later than its sound an output sample is known."""
        ...

    def process(self, samples: Float32Array, start_index: int) -> tuple[Float32Array, int]:
        """Convert the next samples.

        Args:
            samples: float32 [n], any n.
            start_index: Index of samples[0] on the source's axis; a jump ahead is a gap and starts the filter anew.

        Returns:
            The samples that are ready, float32 [m] (valid until the next call), and the index of the first on the
            model's axis.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


@runtime_checkable
class Framer(Protocol):
    """Windows of the newest samples, one for each frame whose last sample has come."""

    follows_gap: bool
    skipped_frames: int

    @property
    def end_index(self) -> int:
        """Return the absolute index that the next chunk continues at."""
        ...

    def push(self, samples: Float32Array, start_index: int) -> None:
        """Take in sound; it is copied."""
        ...

    def next_window(self) -> tuple[int, Float32Array] | None:
        """Return a frame's index and its window [window_samples], or None where more sound is needed."""
        ...

    def end_of(self, frame_index: int) -> int:
        """Return the absolute index one past the last sample of a frame."""
        ...

    def reset(self) -> None:
        """Begin a new stream."""
        ...


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
        """Return one line for a person: protocol and address."""
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
class FeatureExtractor(Protocol):
    """A pure function of the newest `window_samples` samples; it keeps no history."""

    @property
    def window_samples(self) -> int:
        """Return how many samples, ending with a frame's last, one call looks at."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one frame's features, as the network takes it (with its batch axis of 1)."""
        ...

    def compute(self, window: Float32Array, out: Float32Array) -> None:
        """Write one frame's features.

        Args:
            window: float32 [window_samples], read only for the callee.
            out: float32, C-contiguous, of `shape`; overwritten.
        """
        ...


@runtime_checkable
class InferenceSession(Protocol):
    """The network with its recurrent state: one frame per call, into buffers that live as long as the session."""

    @property
    def features(self) -> Float32Array:
        """Return the input buffer, to be filled before `step`."""
        ...

    @property
    def activations(self) -> Float32Array:
        """Return the output buffer [n_channels]; overwritten by the next `step`."""
        ...

    @property
    def head_deg(self) -> Float32Array:
        """Return the output buffer [3], degrees; overwritten by the next `step`."""
        ...

    def step(self) -> None:
        """Run one frame: features and state in, activations, head and state out.

        Raises:
            BackendError: The library or the hardware failed.
        """
        ...

    def reset(self) -> None:
        """Return the state to that of a stream that has just begun."""
        ...

    def warm_up(self, n_frames: int) -> None:
        """Run frames of silence and reset, so that the first real frame is as fast as the others."""
        ...

    def close(self) -> None:
        """Release the session on the thread that opened it; may be called twice."""
        ...


@runtime_checkable
class InferenceBackend(Protocol):
    """A library that can run the network."""

    name: str

    def probe(self, manifest: Manifest) -> str | None:
        """Return None where the backend is usable here for this model, else why not and what to do."""
        ...

    def open(self, manifest: Manifest) -> InferenceSession:
        """Load the network; to be called on the thread that will step it.

        Raises:
            ModelError: The file is missing, damaged, of another kind, or disagrees with the manifest.
            BackendError: The library or the hardware cannot run it.
        """
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
