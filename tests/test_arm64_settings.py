"""What pip is told here is told it in the root of another machine too (tests/arm64/own_arm64.sh)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.arm64.pip_settings import folders, handed_on


def listed_by_pip(tmp_path: Path, text: str, **environment: str) -> str:
    config = tmp_path / "pip.conf"
    config.write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=kept | {"PIP_CONFIG_FILE": str(config), "HOME": str(tmp_path), "PIP_USER": "0"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_pip_is_told_the_same_there(tmp_path: Path) -> None:
    index, wheels = tmp_path / "mirror" / "simple", tmp_path / "wheels"
    index.mkdir(parents=True)
    wheels.mkdir()
    listed = listed_by_pip(
        tmp_path,
        f"[global]\nindex-url = https://a.invalid/simple\nextra-index-url = file://{index}\nuser = yes\n"
        f"[install]\nfind-links =\n  {wheels}\n  https://b.invalid/wheels\n[freeze]\ntimeout = 3\n",
        PIP_INDEX_URL="https://c.invalid/simple",
        PIP_PROXY="http://user:it%27s@d.invalid:3128",
    )
    settings = handed_on(listed)
    assert settings["index-url"] == "https://c.invalid/simple", "the environment wins over a file, as in pip"
    assert "user" not in settings
    assert folders(settings) == [str(index.parent), str(wheels)]

    there = tmp_path / "root"
    (there / "etc").mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "tests.arm64.pip_settings", there], input=listed, text=True, check=True, timeout=60
    )
    read_there = handed_on(listed_by_pip(tmp_path, (there / "etc/pip.conf").read_text()))
    assert {key: value.split() for key, value in read_there.items()} == {
        key: value.split() for key, value in settings.items()
    }
