"""The network: a library that can run it, and the session that steps it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from edge.frames import Float32Array
from edge.manifest import Manifest


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
