"""What is inferred from a voice bears no emotion's name: not in frames, files, metrics, logs or keys."""

from __future__ import annotations

import ast
import re
from importlib import resources
from pathlib import Path

import edge
from edge.config.settings import EffortSettings, section_options
from edge.postprocess.effort import DRIVES
from edge.postprocess.effort_weights import SHIPPED

EMOTION = re.compile(
    r"emotion|arousal|aroused|valence|affect\b|happy|happiness|\bjoy|\bsad|sadness|angry|anger|afraid|\bfear|surpris|disgust"
    r"|bored|\bcalm|mood",
    re.IGNORECASE,
)
ROOT = Path(edge.__file__).parent
# Moods that an application sets live in edge.expression and edge.control; here is what hears, counts and writes.
HEARING = ("postprocess", "metrics", "runtime", "features", "recording.py")


def spoken_strings(path: Path) -> list[str]:
    """Every string of a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs
    ]


def test_no_string_of_what_hears_names_an_emotion() -> None:
    named = {}
    for place in HEARING:
        paths = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
        assert paths
        for path in paths:
            found = [text for text in spoken_strings(path) if EMOTION.search(text)]
            if found:
                named[str(path.relative_to(ROOT))] = found
    assert named == {}


def test_drives_keys_and_weights_name_none() -> None:
    options = section_options(EffortSettings)
    texts = [*DRIVES, *options, *(option.help for option in options.values())]
    texts.append(resources.files("edge").joinpath("models", SHIPPED).read_text(encoding="utf-8"))
    assert [text for text in texts if EMOTION.search(text)] == []
