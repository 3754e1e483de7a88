"""Wishes as OSC messages over UDP: `/face/mood ,sf`, `/face/look ,ff`, `/face/gesture ,s`, `/face/rest`, `/face/wake`.

`/face/mood ,s` is the whole mood, `/face/look` without angles looks freely again. Bundles are opened; numbers may be of
any numeric type. Who may send is who reaches the address: 127.0.0.1 unless the configuration says otherwise.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping

from edge.contracts import Expressive
from edge.control.address import parse_address
from edge.control.hearing import Hearing
from edge.errors import DeviceError
from edge.outputs.osc_reading import OscMessage, messages

PREFIX = "/face/"
KEYS: Mapping[str, tuple[str, ...]] = {  # of the wish, in the order of the arguments
    "mood": ("mood", "amount"),
    "look": ("yaw_deg", "pitch_deg"),
    "gesture": ("gesture",),
    "rest": (),
    "wake": (),
}
LARGEST_BYTES = 2048  # a wish has less than 100
BREATH_S = 0.001  # after each datagram: a flood takes no more than a thousandth of the time of whoever moves the face
WAKE_S = 0.2  # in which the thread sees that it is to end


class OscControl:
    """Hears OSC.

    Args:
        face: Whose wishes they are.
        address: "host:port", or a port of this machine alone.

    Raises:
        ConfigurationError: That is no address.
    """

    def __init__(self, face: Expressive, address: str) -> None:
        self._host, self.port = parse_address("control.osc", address)
        self._hearing = Hearing(face, "OSC control")
        self._socket: socket.socket | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def description(self) -> str:
        """Return the address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"OSC at udp://{host}:{self.port}"

    def open(self) -> None:
        """Listen.

        Raises:
            DeviceError: The address cannot be had.
        """
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                self._host, self.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.settimeout(WAKE_S)
            self._socket.bind(where)
            self.port = self._socket.getsockname()[1]
        except (OSError, UnicodeError) as err:
            self.close()
            remedy = "Set another `osc` in [control], an address of this machine"
            raise DeviceError(self.description, getattr(err, "strerror", None) or str(err), remedy) from err
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="control-osc", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set() and self._socket is not None:
            try:
                datagram = self._socket.recv(LARGEST_BYTES + 1)
            except TimeoutError:
                continue
            except OSError:  # closed, or an error of the network: neither ends the program
                if not self._stop.wait(WAKE_S):
                    continue
                return
            self.hear(datagram)
            time.sleep(BREATH_S)

    def hear(self, datagram: bytes) -> None:
        """Take the wishes of a datagram; what is none is counted."""
        try:
            if len(datagram) > LARGEST_BYTES:
                raise ValueError(f"a datagram of more than {LARGEST_BYTES} bytes")
            found = messages(datagram)
        except ValueError as err:
            self._hearing.refuse(ValueError(f"not OSC: {err}"))
            return
        for message in found:
            self._hearing.take(lambda message=message: wish_of(message))  # type: ignore[misc]

    def counters(self) -> Mapping[str, int]:
        """Return how many wishes were taken and refused."""
        return self._hearing.counters()

    def close(self) -> None:
        """Listen no more; may be called twice."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(2 * WAKE_S)
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None


def wish_of(message: OscMessage) -> dict[str, object]:
    """Return the wish that an OSC message is.

    Raises:
        ValueError: It is none; says why.
    """
    kind = message.address.removeprefix(PREFIX)
    arguments = message.arguments
    if kind == message.address or kind not in KEYS:
        known = ", ".join(f"{PREFIX}{word}" for word in KEYS)
        raise ValueError(f"the address is {message.address[:64]!r}; there are {known}")
    if len(arguments) > len(KEYS[kind]):
        raise ValueError(f"{message.address} has {len(arguments)} arguments and not {len(KEYS[kind])} at most")
    return {"type": kind, **dict(zip(KEYS[kind], arguments, strict=False))}
