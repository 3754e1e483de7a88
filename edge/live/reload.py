"""A new configuration in a running program: in force as a whole between two frames, or refused as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge.app import check_channels
from edge.config.settings import Settings
from edge.contracts import FrameOutput, FrameStage
from edge.errors import AuEdgeError, ConfigurationError
from edge.live.engine import LiveEngine
from edge.live.parts import LiveParts

# What cannot change in a running program.
_FIXED_SECTIONS = ("audio", "play", "model", "expression", "control", "realtime", "metrics", "head")
_log = logging.getLogger("au-edge")


def reload_configuration(load: Callable[[], Settings], parts: LiveParts, engine: LiveEngine) -> None:
    """Read the configuration again and hand it to the loop, or log why not; on the main thread.

    Args:
        load: Reads it.
        parts: Hold the receivers of now, and the new ones afterwards.
        engine: Turns the loop.
    """
    parts.notifier.reloading()
    try:
        settings = load()
        changed = [name for name in _FIXED_SECTIONS if getattr(settings, name) != getattr(parts.settings, name)]
        if changed:
            raise ConfigurationError(
                "the new configuration", f"it changes {', '.join(changed)}", "Restart the program for these"
            )
        check_channels(settings, parts.manifest)
        outputs = parts.make_outputs(settings)
        stages, last_stages = parts.make_stages(settings, outputs)
    except AuEdgeError as err:
        _log.error("configuration not changed: %s", err)
    else:
        _replace_outputs(parts, engine, stages, last_stages, outputs)
        parts.settings = settings
        _log.info("configuration read again and in force")
    parts.notifier.ready()


def _replace_outputs(
    parts: LiveParts,
    engine: LiveEngine,
    stages: Sequence[FrameStage],
    last_stages: Sequence[FrameStage],
    outputs: Sequence[FrameOutput],
) -> None:
    """Open the receivers that are new, hand them to the loop, close those that it no longer has."""
    before = {output.name: output for output in parts.outputs}
    after = [_adopted(before.get(output.name), output) for output in outputs]
    for output in after:
        if output not in parts.outputs:
            output.open()
    engine.replace(stages, last_stages, after)
    for output in parts.outputs:
        if output not in after:
            output.close()  # here and not on the engine thread: a robot takes a second to its safe pose
    parts.outputs = after


def _adopted(old: FrameOutput | None, new: FrameOutput) -> FrameOutput:
    """Return the old receiver where it can go on, without a gap, as the new one is configured (a robot can)."""
    adopt = getattr(old, "adopt", None)
    if old is None or adopt is None or type(old) is not type(new) or not adopt(new):
        return new
    return old
