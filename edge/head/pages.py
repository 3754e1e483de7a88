"""What the web server answers: a fixed table of files, to configured hosts only.

The files are read once, when the table is made. A request names a key of that table; no path of a request ever
reaches the file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.errors import ConfigurationError, InputError
from edge.head.face_file import fault_of

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".glb": "model/gltf-binary",
}
# Scripts, styles and connections of this server only; blob: is how the browser hands a glTF's picture and a replay's
# sound to itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    "connect-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFETY_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, its phrase, headers, body."""

    status: int
    phrase: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Asset:
    body: bytes
    media_type: str
    tag: str


class Pages:
    """The table of files and who may ask for them.

    Args:
        allowed_hosts: Names (without port) by which the page may be opened.
        face: A glTF binary, or a folder of them; empty for the shipped one.
    """

    def __init__(self, allowed_hosts: Iterable[str], face: str) -> None:
        self._allowed = {host.strip().lower().strip("[]") for host in allowed_hosts if host.strip()}
        self._face = face
        self._assets: dict[str, _Asset] = {}

    def open(self) -> None:
        """Read the files.

        Raises:
            ConfigurationError: The page or the face is missing.
            InputError: The face is no whole glTF binary, or nothing in it would move.
        """
        for path in sorted(STATIC.iterdir()):
            if path.suffix in MEDIA_TYPES:
                self._add(f"/{path.name}", path, MEDIA_TYPES[path.suffix])
        if "/index.html" not in self._assets or "/app.js" not in self._assets:
            raise ConfigurationError(
                "the display head's page", f"it is not in {STATIC}", "Run `npm ci && npm run build` in edge/head/web"
            )
        self._assets["/"] = self._assets["/index.html"]
        for path in self._faces():
            self._add(f"/faces/{path.stem}.glb", path, MEDIA_TYPES[".glb"])  # `fault_of` has looked inside
            self._assets["/face.glb"] = self._assets[f"/faces/{path.stem}.glb"]

    def _faces(self) -> list[Path]:
        """Return the user's faces, the one to show by default last."""
        if not self._face:
            return []
        asked = Path(self._face).expanduser()
        found = sorted(asked.glob("*.glb"), reverse=True) if asked.is_dir() else [asked]
        if not found or not all(path.is_file() for path in found):
            raise ConfigurationError(f"head.face = {self._face}", "there is no such .glb file", "Give a glTF binary")
        for path in found:
            fault = fault_of(path)
            if fault is not None:
                raise InputError(
                    f"head.face = {path}", fault, "Export it as .glb with ARKit names (jawOpen) on its morph targets"
                )
        return found

    def _add(self, key: str, path: Path, media_type: str) -> None:
        body = path.read_bytes()
        self._assets[key] = _Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:24]}"')

    def admits(self, host: str | None, origin: str | None, *, needs_origin: bool) -> bool:
        """Return whether a request may be answered.

        Args:
            host: The Host header.
            origin: The Origin header.
            needs_origin: A WebSocket: browsers always name the page it comes from.
        """
        if host is None or "@" in host or _name_of(f"//{host}") not in self._allowed:
            return False
        if origin is None:
            return not needs_origin
        return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")

    def answer(self, target: str, host: str | None, origin: str | None, known_tag: str | None) -> Answer:
        """Return the answer to a GET.

        Args:
            target: Path and query, as asked.
            host: The Host header.
            origin: The Origin header.
            known_tag: The If-None-Match header.
        """
        if not self.admits(host, origin, needs_origin=False):
            return _plain(403, "Forbidden", "This host name or origin is not in head.allowed_hosts.\n")
        asset = self._assets.get(target.partition("?")[0])
        if asset is None:
            return _plain(404, "Not Found", "There is no such page.\n")
        headers = {**SAFETY_HEADERS, "ETag": asset.tag, "Cache-Control": "no-cache", "Content-Type": asset.media_type}
        if known_tag == asset.tag:
            return Answer(304, "Not Modified", headers, b"")
        return Answer(200, "OK", headers, asset.body)


def _name_of(netloc: str) -> str | None:
    try:
        return urlsplit(netloc).hostname
    except ValueError:
        return None


def _plain(status: int, phrase: str, text: str) -> Answer:
    return Answer(status, phrase, {**SAFETY_HEADERS, "Content-Type": "text/plain; charset=utf-8"}, text.encode())
