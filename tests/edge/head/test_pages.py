"""Only the files of the table are served, and only to configured hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigurationError, InputError
from edge.head.pages import Pages
from tests.edge.head.test_face_file import named

HERE = "127.0.0.1:8930"


@pytest.fixture(scope="module")
def pages() -> Pages:
    made = Pages(["localhost", "127.0.0.1", "::1", "Kiosk.local"], "")
    made.open()
    return made


@pytest.mark.parametrize("target", ["/", "/index.html", "/app.js", "/style.css", "/face.glb", "/?kiosk", "/?inspect=1"])
def test_the_page_and_its_parts_are_served_with_the_safety_headers(pages: Pages, target: str) -> None:
    answer = pages.answer(target, HERE, None, None)
    assert answer.status == 200
    assert len(answer.body) > 50
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "/../server.py", "/..%2fserver.py", "/%2e%2e/server.py", "//etc/passwd", "/static/../../errors.py",
        "/face.glb/..",
        "/faces/../../server.py", "/faces/..%2f..%2fserver.glb", "/..\\server.py", "/app.js\0", "/APP.JS", "/app.js/",
        "",
        "http://127.0.0.1/app.js/../../server.py", "/faces/" + "a" * 100_000 + ".glb",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_table(pages: Pages, target: str) -> None:
    assert pages.answer(target, HERE, None, None).status == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8930", 200), ("localhost:8930", 200), ("LOCALHOST", 200), ("[::1]:8930", 200), ("kiosk.local", 200),
        ("evil.example:8930", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example:8930", 403),
        ("evil.example#localhost", 403), ("localhost@evil.example", 403),
        ("evil@localhost", 403), ("", 403), (None, 403), ("[::1", 403),
    ],
)  # fmt: skip
def test_only_configured_hosts_are_answered(pages: Pages, host: str | None, status: int) -> None:
    assert pages.answer("/", host, None, None).status == status


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("http://127.0.0.1:8930", True), ("http://127.0.0.1", False), ("http://127.0.0.1:80", False),
        ("http://localhost:8930", False), ("https://evil.example", False), ("null", False), ("file://", False),
        ("http://127.0.0.1:8930.evil.example", False), (None, False), ("http://[", False),
    ],
)  # fmt: skip
def test_a_websocket_needs_the_origin_of_our_own_page(pages: Pages, origin: str | None, admitted: bool) -> None:
    assert pages.admits(HERE, origin, needs_origin=True) is admitted


def test_a_page_that_the_browser_knows_is_not_sent_again(pages: Pages) -> None:
    first = pages.answer("/face.glb", HERE, None, None)
    again = pages.answer("/face.glb", HERE, None, first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_users_faces_are_found_by_name_and_the_first_is_the_default(tmp_path: Path) -> None:
    bodies = {name: named("jawOpen", name) for name in ("b", "a")}
    for name, body in bodies.items():
        (tmp_path / f"{name}.glb").write_bytes(body)
    (tmp_path / "secret.txt").write_text("no")
    pages = Pages(["127.0.0.1"], str(tmp_path))
    pages.open()
    assert pages.answer("/face.glb", HERE, None, None).body == bodies["a"]
    assert pages.answer("/faces/b.glb", HERE, None, None).body == bodies["b"]
    assert pages.answer("/faces/secret.txt", HERE, None, None).status == 404


def test_a_face_that_is_missing_or_none_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="glTF binary"):
        Pages([], str(tmp_path / "none.glb")).open()
    wrong = tmp_path / "wrong.glb"
    wrong.write_bytes(b"<html>")
    with pytest.raises(InputError, match="ARKit"):
        Pages([], str(wrong)).open()
