"""The paper as one writes it down: librosa for the spectrogram, PyTorch for the network, python-osc for the message.

No trick and no handicap: one thread like ours, no gradients, the window sliced from an array that is at hand.
"""

from __future__ import annotations

import socket
from typing import Any

import numpy as np

from edge.frames import Float32Array

WINDOW_SAMPLES = 3968
SAMPLES_PER_FRAME = 1470  # 44.1 kHz, 30 frames a second


def librosa_features(window: Float32Array) -> Float32Array:
    """Return the paper's input, float32 [1, 1, 128, 32], by librosa."""
    import librosa

    spectrum = np.abs(librosa.stft(window, n_fft=256, hop_length=128))[:-1]
    decibels = librosa.amplitude_to_db(spectrum, ref=np.max)
    scaled: Float32Array = (np.abs(decibels) / 80.0).astype(np.float32)
    return scaled[None, None]


class Straightforward:
    """A loop from samples to datagrams.

    Args:
        module: The network in PyTorch.
        channels: Names of its activations.
        port: Where the datagrams go on this machine.
    """

    def __init__(self, module: Any, channels: tuple[str, ...], port: int) -> None:
        import torch

        torch.set_num_threads(1)
        self._torch = torch
        self._module = module
        self._channels = channels
        self._state = module.initial_state(1)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def run(self, sound: Float32Array, n_frames: int) -> list[Float32Array]:
        """Compute and send frames; return their activations."""
        padded = np.concatenate([np.zeros(WINDOW_SAMPLES, np.float32), sound])
        found = []
        for k in range(n_frames):
            end = WINDOW_SAMPLES + (k * SAMPLES_PER_FRAME) % max(1, len(sound) - SAMPLES_PER_FRAME) + SAMPLES_PER_FRAME
            features = self._torch.from_numpy(librosa_features(padded[end - WINDOW_SAMPLES : end]))
            with self._torch.no_grad():
                out = self._module(features[None], self._state)
            self._state = out.state
            activations = out.activations[0, 0].numpy()
            self._socket.send(self._message(activations, out.head_deg[0, 0].numpy()))
            found.append(activations.copy())
        return found

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _message(self, activations: Float32Array, head_deg: Float32Array) -> bytes:
        from pythonosc.osc_message_builder import OscMessageBuilder

        builder = OscMessageBuilder("/face/au")
        for value in activations:
            builder.add_arg(float(value), "f")
        for value in head_deg:
            builder.add_arg(float(value), "f")
        content: bytes = builder.build().dgram
        return content
