"""Pull a card out during an overrun, in a process of its own, since PortAudio's thread then spins for ever.

    python -m tests.virtual_microphone.wedge FOLDER

Prints one JSON object: when the loss was noticed, how long reads and openings took, and how it ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from edge.errors import BackendError, DeviceError
from edge.machine.clock import SystemClock
from edge.sources import microphone as microphone_module
from edge.sources.microphone import Microphone
from tests.virtual_microphone.air import Device
from tests.virtual_microphone.studio import Studio

GIVE_UP_S = 120.0


def main() -> None:
    """Wedge the microphone and try to open it again until that is given up."""
    folder = Path(sys.argv[1])
    studio = Studio(folder, [Device("mic")])
    os.environ["ALSA_CONFIG_PATH"] = str(studio.configuration)
    source = Microphone("mic", clock=SystemClock())
    source.open()
    microphone_module.OPEN_LIMIT_S = 0.5  # shorter than in life, so that the test is
    microphone_module.STUCK_LIMIT_S = 2.0
    heard_s = time.monotonic() + 0.3
    while time.monotonic() < heard_s:
        source.read(0.03)
    studio.airs["mic"].fault("wedged")
    report: dict[str, float | str] = {"longest_read_s": 0.0, "longest_open_s": 0.0, "end": "none"}
    began_s = time.monotonic()
    try:
        while time.monotonic() - began_s < GIVE_UP_S:
            read_s = time.monotonic()
            source.read(0.03)
            report["longest_read_s"] = max(float(report["longest_read_s"]), time.monotonic() - read_s)
    except DeviceError:
        report["noticed_s"] = time.monotonic() - began_s
    while time.monotonic() - began_s < GIVE_UP_S and report["end"] == "none":
        open_s = time.monotonic()
        try:
            source.open()
            report["end"] = "opened"
        except DeviceError:
            pass
        except BackendError as err:
            report["end"] = str(err)
        report["longest_open_s"] = max(float(report["longest_open_s"]), time.monotonic() - open_s)
    close_s = time.monotonic()
    source.close()
    report["close_s"] = time.monotonic() - close_s
    print(json.dumps(report), flush=True)
    os._exit(0)  # as a program is ended whose library never returns


if __name__ == "__main__":
    main()
