"""A new configuration in a running program: in force as a whole between two frames, or refused as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge.app import check_channels
from edge.config.settings import Settings
from edge.contracts import FrameOutput, FrameStage
from edge.errors import MOST_ASKED, AuEdgeError, ConfigurationError, shortened
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
        _apply(load(), parts, engine)
    except AuEdgeError as err:
        _log.error("configuration not changed: %s", err)
    except Exception as err:  # of any kind (no descriptor or thread is left): the face goes on as it was
        _log.error("configuration not changed: %s: %s", type(err).__name__, shortened(str(err), MOST_ASKED))
    else:
        _log.info("configuration read again and in force")
    finally:
        parts.notifier.ready()  # systemd waits for it also after a refusal


def _apply(settings: Settings, parts: LiveParts, engine: LiveEngine) -> None:
    """Put a configuration in force.

    Raises:
        Exception: It cannot be; nothing has changed then.
    """
    changed = [name for name in _FIXED_SECTIONS if getattr(settings, name) != getattr(parts.settings, name)]
    if changed:
        raise ConfigurationError(
            "the new configuration", f"it changes {', '.join(changed)}", "Restart the program for these"
        )
    check_channels(settings, parts.manifest)
    outputs = parts.make_outputs(settings)
    stages, last_stages = parts.make_stages(settings, outputs)
    _replace_outputs(parts, engine, stages, last_stages, outputs)
    parts.settings = settings


def _replace_outputs(
    parts: LiveParts,
    engine: LiveEngine,
    stages: Sequence[FrameStage],
    last_stages: Sequence[FrameStage],
    outputs: Sequence[FrameOutput],
) -> None:
    """Open the receivers that are new, hand them to the loop, close those that it no longer has."""
    before = {output.name: output for output in parts.outputs}
    opened: list[FrameOutput] = []
    try:
        # First what no receiver of now can go on as: where one cannot be opened, none has been changed yet.
        for output in outputs:
            if not _may_adopt(before.get(output.name), output):
                opened.append(output)
                output.open()
        after = [output if output in opened else _adopted(before[output.name], output) for output in outputs]
        for output in after:
            if output not in opened and output not in parts.outputs:
                opened.append(output)
                output.open()
    except BaseException:
        for output in opened:
            output.close()
        raise
    engine.replace(stages, last_stages, after)
    for output in parts.outputs:
        if output not in after:
            output.close()  # here and not on the engine thread: a robot takes a second to its safe pose
    parts.outputs = after


def _may_adopt(old: FrameOutput | None, new: FrameOutput) -> bool:
    """Return whether a receiver of now may be able to go on as a new one."""
    return old is not None and type(old) is type(new) and hasattr(old, "adopt")


def _adopted(old: FrameOutput, new: FrameOutput) -> FrameOutput:
    """Return the old receiver where it can go on, without a gap, as the new one is configured (a robot can)."""
    return old if old.adopt(new) else new  # type: ignore[attr-defined]  # see `_may_adopt`
