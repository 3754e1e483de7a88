"""A script in Node that answers every line with a line of JSON: how programs for browsers are run here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class NodeLines:
    """A running script; `first` is what it said before it was asked.

    Args:
        name: For the error.
        script: What Node runs.
        arguments: Of the script.

    Raises:
        RuntimeError: It ended; also from `ask`.
    """

    def __init__(self, name: str, script: Path, arguments: Sequence[str]) -> None:
        self._name = name
        self._process = subprocess.Popen(
            ["node", str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.first = self._answer()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
