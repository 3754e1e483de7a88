"""Runs a module of the page's sources in node, with JSON in and JSON out."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.requirements import need

WEB = Path(__file__).parent.parent.parent.parent / "edge" / "head" / "web"
BUNDLE = """
import { build } from "esbuild";
import { readFileSync } from "node:fs";
const made = await build({ entryPoints: ["src/%s.ts"], bundle: true, format: "esm", write: false });
const module = await import("data:text/javascript," + encodeURIComponent(made.outputFiles[0].text));
const given = JSON.parse(readFileSync(0, "utf8"));
"""


def run_module(name: str, script: str, given: Any) -> Any:
    """Return what a script prints that has `src/NAME.ts` as `module` and `given`."""
    ready = shutil.which("node") is not None and (WEB / "node_modules").is_dir()
    need("node", ready, "the page's build tools: `npm ci` in edge/head/web")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", BUNDLE % name + script], cwd=WEB, input=json.dumps(given),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
