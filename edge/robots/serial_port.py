"""A serial port, by pyserial, that never waits long and says when it is gone.

pyserial raises its own SerialException, which is an OSError; termios errors are not, and are turned into one.
"""

from __future__ import annotations

import termios
from typing import Any

from edge.errors import ConfigurationError, DeviceError

WRITE_TIMEOUT_S = 0.05  # two commands at 50 a second: a dead port cannot hold the tick up for long
BACKLOG_S = 0.1  # of the line's own speed: commands that wait longer are old, and would be played in a burst
_BITS_A_BYTE = 10  # with start and stop bit
READ_TIMEOUT_S = 0.3  # reads happen at open only, and a USB adapter may take its time


class SerialPort:
    """A port.

    Args:
        path: Device ("/dev/ttyACM0", better a link under /dev/serial/by-id).
        baud: Bits a second.
    """

    def __init__(self, path: str, baud: int) -> None:
        self.path = path
        self._baud = baud
        self._port: Any = None
        self._is_stuck = False

    def open(self) -> None:
        """Open exclusively.

        Raises:
            ConfigurationError: pyserial is not installed, or the path or the baud rate is not possible.
            DeviceError: The port cannot be had now.
        """
        try:
            import serial
        except ImportError as err:
            raise ConfigurationError(
                f"serial port {self.path}", "pyserial is not installed", "Install it: pip install 'au-edge[robots]'"
            ) from err
        self.close()
        try:
            self._port = serial.Serial(
                self.path, self._baud, timeout=READ_TIMEOUT_S, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except ValueError as err:
            raise ConfigurationError(f"serial port {self.path}", str(err), "Correct `port` and `baud`") from err
        except (OSError, termios.error) as err:
            remedy = (
                "Connect it, end other programs that use it, and add the user to the group dialout; "
                "the service gets serial ports by `install.sh --robots`"
            )
            raise DeviceError(f"serial port {self.path}", f"it cannot be opened ({err})", remedy) from err

    def write(self, content: bytes) -> None:
        """Write everything.

        Raises:
            OSError: The port is gone or does not take it.
        """
        port = self._opened()
        self._is_stuck = True  # until it has been taken
        try:
            n_waiting = port.out_waiting
            if n_waiting > max(2 * len(content), BACKLOG_S * self._baud / _BITS_A_BYTE):
                raise OSError(f"the port does not take what it is given: {n_waiting} bytes wait")
            port.write(content)
        except termios.error as err:
            raise OSError(f"the port is gone ({err})") from err
        self._is_stuck = False

    def read(self, n_bytes: int) -> bytes:
        """Return that many bytes.

        Raises:
            OSError: The port is gone, or they did not come in time.
        """
        try:
            content: bytes = self._opened().read(n_bytes)
        except termios.error as err:
            raise OSError(f"the port is gone ({err})") from err
        if len(content) != n_bytes:
            raise TimeoutError(f"{len(content)} of {n_bytes} bytes were answered in time")
        return content

    def discard_input(self) -> None:
        """Forget what was received and not read.

        Raises:
            OSError: The port is gone.
        """
        try:
            self._opened().reset_input_buffer()
        except termios.error as err:
            raise OSError(f"the port is gone ({err})") from err

    def close(self) -> None:
        """Close the port; may be called twice. What a port has not taken is thrown away: it would come late."""
        if self._port is not None:
            try:
                if self._is_stuck:
                    self._port.reset_output_buffer()
                self._port.close()
            except (OSError, termios.error):
                pass  # it is gone: there is nothing left to close
            self._port = None
        self._is_stuck = False

    def _opened(self) -> Any:
        if self._port is None:
            raise OSError("the port is closed")
        return self._port
