"""A browser that does not start: its own words are in the error."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import BackendError
from edge.head.chromium import Chromium


def test_a_browser_that_does_not_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "chromium"
    browser.write_text(
        "#!/bin/sh\necho first >&2\necho 'FATAL: No usable sandbox!' >&2\necho '#0 a stack' >&2\nexit 1\n"
    )
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BackendError, match=r"No usable sandbox!") as caught:
        Chromium().open()
    assert "chromium-sandbox" in caught.value.remedy
    assert "first" not in caught.value.found
