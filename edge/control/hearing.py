"""What every way of hearing an application has in common: wishes are taken, what is none is counted and told once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from edge.contracts import Expressive, take_wish
from edge.errors import ConfigurationError

_log = logging.getLogger("au-edge.control")


class Hearing:
    """Hands wishes to a face. Used by one thread.

    Args:
        face: Whose wishes they are.
        name: Of the way they come, for the log.
    """

    def __init__(self, face: Expressive, name: str) -> None:
        self._face = face
        self._name = name
        self._counts = {"taken": 0, "refused": 0}

    def take(self, read: Callable[[], Mapping[str, object]]) -> None:
        """Take one wish; nothing that another program sends raises here.

        Args:
            read: Returns the wish as `edge.contracts.wishes` writes it, or raises ValueError with the reason.
        """
        try:
            take_wish(self._face, read())
        except (ConfigurationError, ValueError) as err:
            self.refuse(err)
        else:
            self._counts["taken"] += 1

    def refuse(self, reason: Exception) -> None:
        """Count what is no wish, and tell the first one."""
        self._counts["refused"] += 1
        if self._counts["refused"] == 1:
            _log.warning("%s: %s (further ones are only counted)", self._name, reason)

    def counters(self) -> Mapping[str, int]:
        """Return how many wishes were taken and refused."""
        return dict(self._counts)
