"""Who may speak: by the host name that was asked for, the page that asks, and a token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit


class Admission:
    """Answers whether a connection is let in.

    A browser names the page that connects (Origin): it must come from an allowed host, so that no page of the wide web
    speaks through a browser on this machine. The name that was asked for (Host) must be allowed, too, so that no
    foreign name that resolves to this machine serves as a way around.

    Args:
        hosts: Allowed host names and addresses, without ports.
        token: What a client must bring; empty for nothing.
    """

    def __init__(self, hosts: Iterable[str], token: str) -> None:
        self._hosts = {host.strip().strip("[]").lower() for host in hosts if host.strip()}
        self._token = token.encode()

    def fault(self, target: str, host: str | None, origin: str | None, authorization: str | None) -> tuple[int, str]:
        """Return an HTTP status and the reason for a refusal, or (0, "") for nobody to refuse.

        Args:
            target: Path and query, as asked.
            host: The Host header.
            origin: The Origin header; programs send none.
            authorization: The Authorization header.
        """
        if target.partition("?")[0] != "/":
            return 404, "speech is taken at /"
        if host is None or "@" in host or _name_of(f"//{host}") not in self._hosts:
            return 403, "this host name is not in audio.allowed_hosts"
        if origin is not None and _name_of(origin) not in self._hosts:
            return 403, "the page's host is not in audio.allowed_hosts"
        if self._token and not self._has_token(target, authorization):
            return 401, "give the token of audio.token: `Authorization: Bearer TOKEN`, or ?token=TOKEN"
        return 0, ""

    def _has_token(self, target: str, authorization: str | None) -> bool:
        given = list(parse_qs(target.partition("?")[2]).get("token", []))
        scheme, _, bearer = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            given.append(bearer.strip())
        return any(hmac.compare_digest(token.encode("utf-8", "replace"), self._token) for token in given)


def _name_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
