"""Write files whole: those that belong together, all of them or none; one that is replaced, at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.machine.whole_file import write_whole


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files so that where one cannot be written every old one stays.

    Args:
        files: Path -> content; folders are made where they are missing.

    Raises:
        OSError: The disk is full or a folder cannot be written to; nothing was changed.
    """
    unfinished = {path: path.with_name(f".{path.name}.unfinished") for path in files}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, temporary in unfinished.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in unfinished.values():
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, raw: Mapping[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one.

    Raises:
        InputError: It cannot be written.
    """
    write_whole(path, json.dumps(raw, indent=1) + "\n")
