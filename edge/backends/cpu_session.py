"""What every session on the CPU is made of: buffers that live as long as it does, and state by ping-pong.

Two sides share the feature and result buffers; side 0 reads state A and writes state B, side 1 the reverse. A library
binds both once, and a frame is then one call without copies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from edge.backends.graph_interface import N_HEAD_ANGLES
from edge.errors import BackendError
from edge.frames import Float32Array
from edge.manifest import Manifest


class CpuSession(ABC):
    """A network with its state; a library's session adds how a side is run.

    Args:
        manifest: Names and shapes, already checked.
        feature_shape: Shape of the feature input.
        library: Its name, for messages.
    """

    def __init__(self, manifest: Manifest, feature_shape: tuple[int, ...], library: str) -> None:
        self._asked = f"network {manifest.graph_path.name} on {library}"
        self._manifest = manifest
        self._features = np.zeros(feature_shape, np.float32)
        self._activations = np.zeros((1, manifest.n_channels), np.float32)
        self._head = np.zeros((1, N_HEAD_ANGLES), np.float32)
        self._activations_row: Float32Array = self._activations[0]
        self._head_row: Float32Array = self._head[0]
        self._states = [[np.zeros(state.shape, np.float32) for state in manifest.state] for _ in range(2)]
        self._turn = 0
        self._is_open = True

    @property
    def features(self) -> Float32Array:
        """Return the input buffer."""
        return self._features

    @property
    def activations(self) -> Float32Array:
        """Return the output buffer [n_channels]."""
        return self._activations_row

    @property
    def head_deg(self) -> Float32Array:
        """Return the output buffer [3]."""
        return self._head_row

    def inputs(self, side: int) -> dict[str, Float32Array]:
        """Return the graph's inputs and their buffers."""
        before = self._states[side]
        states = {state.input: array for state, array in zip(self._manifest.state, before, strict=True)}
        return {self._manifest.input: self._features, **states}

    def outputs(self, side: int) -> dict[str, Float32Array]:
        """Return the graph's outputs and their buffers."""
        after = self._states[1 - side]
        states = {state.output: array for state, array in zip(self._manifest.state, after, strict=True)}
        return {self._manifest.activations: self._activations, self._manifest.head: self._head, **states}

    def step(self) -> None:
        """Run one frame.

        Raises:
            BackendError: The library failed, or the session is closed.
        """
        if not self._is_open:
            raise BackendError(self._asked, "the session is closed", "Open the backend again")
        self.run_side(self._turn)
        self._turn = 1 - self._turn

    def reset(self) -> None:
        """Begin a stream anew: the state is zero."""
        for side in self._states:
            for state in side:
                state.fill(0)
        self._turn = 0

    def warm_up(self, n_frames: int) -> None:
        """Run frames of zeros and reset."""
        self._features.fill(0)
        for _ in range(n_frames):
            self.step()
        self.reset()

    def close(self) -> None:
        """Let the library go; may be called twice."""
        self._is_open = False
        self.release()

    @abstractmethod
    def run_side(self, side: int) -> None:
        """Run the network on the buffers of a side.

        Raises:
            BackendError: The library failed.
        """

    @abstractmethod
    def release(self) -> None:
        """Let the library go; may be called twice."""
