"""The channels of a label file, in order: the 52 ARKit shapes in Apple's order (docs/PROTOCOLS.md B3)."""

from __future__ import annotations

from edge.vocabulary import ARKIT_APPLE

CHANNELS: tuple[str, ...] = ARKIT_APPLE
