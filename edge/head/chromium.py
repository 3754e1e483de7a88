"""Drive a headless Chromium over its DevTools protocol: open a page, run script in it, take pictures.

Used to render videos and by the tests. It needs Chromium (Debian: `apt-get install chromium`) and the package
websockets; no driver program. Source: Chrome DevTools Protocol, domains Target, Page, Runtime and Network.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from edge.errors import BackendError, ConfigurationError
from edge.machine.child import ending_with_this

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 120.0  # a browser without a GPU beside other work was seen to take more than 30
MOST_SAID_BYTES = 16384  # of its complaints, the last is enough
LARGEST_REPLY_BYTES = 256 << 20
FLAGS = (
    "--headless",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu")


def find_browser() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _last_line(said: Path) -> str:
    """Return the last line that the browser said, or what it died of, in brackets; nothing where it said nothing."""
    with said.open("rb") as words:
        words.seek(max(0, said.stat().st_size - MOST_SAID_BYTES))
        lines = [line.strip() for line in words.read().decode("utf-8", errors="replace").split("\n") if line.strip()]
    fatal = [line for line in lines if "FATAL" in line]  # a trace of the stack may follow
    return f" ({(fatal or lines)[-1][:300]})" if lines else ""


class Chromium:
    """A browser process with its own, fresh profile.

    Args:
        size: Width and height of the page, pixels.
        extra_flags: Further command-line flags.
        software_gl: Draw without a GPU; set it False where a GPU is there.
    """

    def __init__(
        self, size: tuple[int, int] = (960, 720), extra_flags: Sequence[str] = (), software_gl: bool = True
    ) -> None:
        self.size = size
        self._flags = (*FLAGS, *(SOFTWARE_GL if software_gl else ()), *extra_flags)
        self._process: subprocess.Popen[bytes] | None = None
        self._profile: str | None = None
        self._endpoint = ""

    def open(self) -> None:
        """Start the browser.

        Raises:
            ConfigurationError: No Chromium is installed.
            BackendError: It does not start.
        """
        path = find_browser()
        if path is None:
            raise ConfigurationError(
                "a headless browser", "no Chromium is installed", "Run `sudo apt-get install chromium`"
            )
        self._profile = tempfile.mkdtemp(prefix="au-edge-chromium-")
        flags = [*self._flags, f"--user-data-dir={self._profile}", f"--window-size={self.size[0]},{self.size[1]}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # Chromium refuses to run its sandbox as root
        said = Path(self._profile) / "said.txt"
        with said.open("wb") as words:
            self._process = subprocess.Popen(
                ending_with_this([path, *flags, "about:blank"]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
            )
        port_file = Path(self._profile) / "DevToolsActivePort"
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            lines = port_file.read_text(encoding="ascii").split() if port_file.exists() else []
            if len(lines) == 2:
                self._endpoint = f"ws://127.0.0.1:{lines[0]}{lines[1]}"
                return
            time.sleep(0.05)
        reason = _last_line(said)  # before the profile goes
        self.close()
        remedy = f"Try `{path} --headless about:blank`; without a sandbox: `sudo apt-get install chromium-sandbox`"
        raise BackendError("a headless browser", f"{path} did not start{reason}", remedy)

    def page(self, url: str = "about:blank") -> Page:
        """Return a new page of this browser."""
        return Page(self._endpoint, url, self.size)

    @property
    def pid(self) -> int:
        """Return the process id; valid after `open`."""
        return self._process.pid if self._process else 0

    def close(self) -> None:
        """Stop the browser and remove its profile; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, sign)
                except ProcessLookupError:
                    break
                try:
                    process.wait(timeout=5.0)
                    break
                except subprocess.TimeoutExpired:
                    continue
        profile, self._profile = self._profile, None
        if profile is not None:
            shutil.rmtree(profile, ignore_errors=True)

    def __enter__(self) -> Chromium:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Page:
    """One page: navigation, script, pictures, and what it asked for and complained about.

    Attributes:
        requests: URLs that the page asked for.
        complaints: Errors of its console and uncaught exceptions.
    """

    def __init__(self, endpoint: str, url: str, size: tuple[int, int]) -> None:
        from websockets.sync.client import connect

        address = urlsplit(endpoint)
        # Connected here, so that no proxy of the environment comes between.
        sock = socket.create_connection((address.hostname, address.port or 80), START_TIMEOUT_S)
        self._link = contextlib.ExitStack()
        self._socket = self._link.enter_context(
            connect(endpoint, sock=sock, max_size=LARGEST_REPLY_BYTES, compression=None, ping_interval=None)
        )
        self._number = 0
        self._session = ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        # a window of its own: a page behind another would not be drawn
        target = self.call("Target.createTarget", url="about:blank", newWindow=True)["targetId"]
        self._target = target
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False
        )
        if url != "about:blank":
            self.go(url)

    def call(self, method: str, timeout_s: float = ANSWER_TIMEOUT_S, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            BackendError: The browser refused it or did not answer in time.
        """
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                reply = json.loads(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            except TimeoutError as err:
                raise BackendError(method, "the browser did not answer", "Look whether the machine is busy") from err
            if reply.get("id") == number:
                if "error" in reply:
                    raise BackendError(
                        method, str(reply["error"].get("message")), "This is a fault of au-edge: report it"
                    )
                result: dict[str, Any] = reply["result"]
                return result
            self._note(reply)

    def _note(self, event: dict[str, Any]) -> None:
        method, parameters = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(parameters["url"])
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(str(details.get("exception", {}).get("description", details.get("text"))))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.complaints.append(" ".join(str(a.get("value", a.get("description"))) for a in parameters["args"]))

    def go(self, url: str) -> None:
        """Load a URL; returns once the browser has begun to."""
        self.call("Page.navigate", url=url)

    def run(self, script: str, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """Return the value of a script; promises are awaited.

        Raises:
            BackendError: The script threw.
        """
        reply = self.call(
            "Runtime.evaluate", timeout_s, expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in reply:
            details = reply["exceptionDetails"]
            text = str(details.get("exception", {}).get("description", details.get("text")))
            raise BackendError("a script in the page", text, "This is a fault of au-edge: report it")
        return reply["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = 20.0) -> Any:
        """Return the value of an expression once it is true.

        Raises:
            BackendError: It did not become true in time; says what the page complained about.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            value = self.run(condition)
            if value:
                return value
            if time.monotonic() > deadline:
                found = "; ".join(self.complaints) or "the page did not complain"
                raise BackendError(f"{condition} in the page", f"not true after {timeout_s:g} s ({found})", "Try again")
            time.sleep(0.05)

    def picture(self) -> bytes:
        """Return the page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self) -> None:
        """Close the page; may be called twice."""
        session, self._session = self._session, ""
        if session:
            try:
                self.call("Target.closeTarget", timeout_s=5.0, targetId=self._target)
            except (BackendError, OSError):
                pass  # the browser may be gone already
            self._link.close()
