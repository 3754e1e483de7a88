"""What cannot be true of any network, whatever its manifest says."""

from __future__ import annotations

from edge.manifest.facts import Manifest

MAX_CHANNELS = 256


def inconsistencies(manifest: Manifest) -> list[str]:
    """Return what cannot be true of any network."""
    found = []
    if not 8_000 <= manifest.sample_rate_hz <= 192_000:
        found.append(f"sample_rate_hz {manifest.sample_rate_hz} is outside 8000 to 192000")
    if not 1 <= manifest.frame_rate <= 240:
        found.append(f"frame_rate {manifest.frame_rate} is outside 1 to 240 a second")
    if not 0 < len(manifest.channels) <= MAX_CHANNELS or len(set(manifest.channels)) != len(manifest.channels):
        found.append(f"channels must be 1 to {MAX_CHANNELS} different names")
    unknown = sorted(set(manifest.masked_channels) - set(manifest.channels))
    if unknown:
        found.append(f"masked_channels names {', '.join(unknown)}, which are no channels")
    found += _bent_wrongly(manifest)
    if not 0 <= manifest.lookahead_ms <= 1000:
        found.append(f"lookahead_ms {manifest.lookahead_ms} is outside 0 to 1000")
    if "kind" not in manifest.features:
        found.append("features has no `kind`")
    if any(d <= 0 for s in manifest.state for d in s.shape):
        found.append("a state tensor has a dimension that is not positive")
    return found


def _bent_wrongly(manifest: Manifest) -> list[str]:
    """Return what is wrong with curves and lips."""
    lips = manifest.lips
    named = {"articulation": manifest.articulation, "lips.gap_mm": lips.gap_mm if lips else {}}
    found = [
        f"{key} names {', '.join(unknown)}, which are no channels"
        for key, table in named.items()
        if (unknown := sorted(set(table) - set(manifest.channels)))
    ]
    found += [
        f"articulation of {name} needs 0 <= start <= 1, 0 <= knee <= 1 and 0 < gain <= 20"
        for name, curve in manifest.articulation.items()
        if not (0 <= curve.start <= 1 and 0 <= curve.knee <= 1 and 0 < curve.gain <= 20)
    ]
    if lips and not (
        0 <= lips.met_mm < lips.parted_mm <= 100
        and abs(lips.rest_mm) <= 100
        and all(abs(value) <= 1000 for value in lips.gap_mm.values())
    ):
        found.append("lips needs 0 <= met_mm < parted_mm, and distances of a face")
    return found
