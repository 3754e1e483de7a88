"""Everything that can be configured, as frozen dataclasses: one per section, one field per key.

A field's metadata holds its range, unit and reason; `edge/default.conf` shows the same keys to people, and a test holds
the two together. Files are read in edge/config/reading.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.config.options import Option, Value

_KINDS = {"bool": "flag", "int": "integer", "float": "number", "str": "text"}


def _key(
    default: Value,
    help: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a key of a section; its name and type are the field's."""
    return field(default=default, metadata={"help": help, "minimum": minimum, "maximum": maximum, "choices": choices})


@dataclass(frozen=True)
class AudioSettings:
    """Where sound comes from."""

    source: str = _key(
        "microphone", "kind of source; auto = a microphone where there is one, else the shipped recording",
        choices=("auto", "microphone", "file", "silence", "tone", "noise", "stdin", "tcp", "unix", "websocket"),
    )  # fmt: skip
    device: str = _key("", "microphone: exact name, unique part of it, or ALSA card id")
    wait: bool = _key(False, "microphone: wait for one that is not there yet, with neutral frames, instead of ending")
    rate_hz: int = _key(0, "microphone: rate to open it at; 0 = the model's rate if it can, else its own", 0, 384_000)
    channels: int = _key(0, "microphone: channels to open; 0 = what it has", 0, 64)
    channel: str = _key("1", "channel to listen to (from 1), or mix")
    period_samples: int = _key(256, "samples a period: smaller is sooner, larger is safer", 32, 8192)
    file: str = _key("", "sound file to speak; where audio.play = yes also several, one a line")
    pace: str = _key("realtime", "files and streams: at the speed of speech; as fast as it comes; or as it comes, and "
                     "what is out of date left out, for a writer that is itself live (streams)",
                     choices=("realtime", "fast", "live"))  # fmt: skip
    loop: bool = _key(False, "sound file: again and again")
    tone_hz: float = _key(220.0, "tone: frequency in Hz", 1, 20_000)
    level_dbfs: float = _key(-20.0, "tone and noise: level in dB of full scale", -120, 0)
    address: str = _key("127.0.0.1:8931", "tcp, websocket: host:port to listen at; unix: path of the socket")
    format: str = _key("auto", "stdin, tcp, unix: sample format, or auto: what a WAV or MP3 says itself",
                       choices=("auto", "s16le", "s24le", "s32le", "f32le"))  # fmt: skip
    stream_rate_hz: int = _key(44_100, "stdin, tcp, unix: rate in Hz where no WAV header says it; all streams: rate "
                               "that others are converted to", 8_000, 192_000)  # fmt: skip
    stream_channels: int = _key(1, "stdin, tcp, unix without a WAV header: channels", 1, 64)
    queue: int = _key(16, "tcp, unix: clients that may be connected beside the one that speaks; websocket: utterances "
                      "that may wait", 0, 256)  # fmt: skip
    on_disconnect: str = _key("finish", "tcp, unix, websocket: what a client that goes away wrote is heard to its end, "
                              "or cleared", choices=("finish", "clear"))  # fmt: skip
    buffer_s: float = _key(120.0, "websocket: unspoken sound of one client, after which its connection waits", 1, 3600)
    token: str = _key("", "websocket: what clients must bring (Authorization: Bearer TOKEN); empty = nothing")
    allowed_hosts: str = _key("localhost,127.0.0.1", "websocket: names by which clients may connect, with commas, and "
                              "hosts of pages that may")  # fmt: skip
    play: bool = _key(False, "whether what is spoken is played by the loudspeaker, and the face follows its clock")


@dataclass(frozen=True)
class PlaySettings:
    """The loudspeaker, where audio.play = yes."""

    device: str = _key("", "exact name, unique part of it, or ALSA card id; empty = the system's default")
    channels: int = _key(0, "channels to open, all with the same sound; 0 = two, or one where there is only one", 0, 64)
    volume_db: float = _key(0.0, "change of level in dB; what is then too loud is clipped", -60, 20)


@dataclass(frozen=True)
class ModelSettings:
    """The network and the library that runs it."""

    path: str = _key("stream", "name of a shipped network, or path of a manifest (.json)")
    backend: str = _key("auto", "library that runs it; auto takes the fastest that is usable",
                        choices=("auto", "tensorrt", "onnxruntime", "openvino"))  # fmt: skip
    engine: str = _key("", "tensorrt: path of an engine; empty = the cache of `engine_build build`")
    warm_up_frames: int = _key(30, "frames run before the first real one", 0, 1000)


@dataclass(frozen=True)
class SilenceSettings:
    """The gate that brings the face to rest."""

    enabled: bool = _key(True, "whether silence closes the gate")
    open_dbfs: float = _key(-58.0, "level (250 Hz to 5 kHz) that opens the gate while no voice is known, dBFS", -120, 0)
    close_dbfs: float = _key(-63.0, "level below which it then closes; lower than open_dbfs", -120, 0)
    below_speech_db: float = _key(28.0, "once a voice is known: how far below it a sound is still speech, dB", 10, 80)
    above_noise_db: float = _key(6.0, "how far speech must stand above the room's own level, dB", 0, 60)
    voice_only: bool = _key(True, "no = any sound above the levels keeps the face awake, whispers and claps too")
    hold_ms: float = _key(133.0, "pause bridged before the face begins to rest; half as much more in noise", 0, 2000)
    release_ms: float = _key(66.0, "time in which the face then comes to rest", 0, 5000)
    head_release_ms: float = _key(600.0, "time in which the head then comes to rest", 0, 10_000)


@dataclass(frozen=True)
class ArticulationSettings:
    """How far jaw and mouth move."""

    amount: float = _key(1.0, "factor on jaw and mouth together, for a stage or a shy face", 0.5, 2)


@dataclass(frozen=True)
class SmoothingSettings:
    """One Euro filters, one pair of numbers per group of channels."""

    enabled: bool = _key(True, "whether channels are smoothed")
    mouth_min_cutoff_hz: float = _key(8.0, "mouth, jaw, cheeks, tongue at rest: cut-off in Hz", 0.01, 1000)
    mouth_beta: float = _key(60.0, "mouth: how fast the cut-off rises with speed", 0, 1000)
    brows_min_cutoff_hz: float = _key(2.0, "brows at rest: cut-off in Hz", 0.01, 1000)
    brows_beta: float = _key(1.0, "brows: how fast the cut-off rises with speed", 0, 1000)
    eyes_min_cutoff_hz: float = _key(4.0, "eyes and lids at rest: cut-off in Hz", 0.01, 1000)
    eyes_beta: float = _key(4.0, "eyes: how fast the cut-off rises with speed", 0, 1000)
    head_min_cutoff_hz: float = _key(1.5, "head at rest: cut-off in Hz", 0.01, 1000)
    head_beta: float = _key(0.05, "head: how fast the cut-off rises with speed in degrees a second", 0, 1000)


@dataclass(frozen=True)
class EffortSettings:
    """Vocal effort and tension, relative to the speaker's own average, on mouth, brows, eyes, cheeks and head."""

    amount: float = _key(1.0, "of all of it; 0 = off", 0, 2)
    mouth: float = _key(1.0, "share of jaw and mouth, which open wider together; 0 = none", 0, 2)
    brows: float = _key(1.0, "share of the brows; 0 = none", 0, 2)
    eyes: float = _key(1.0, "share of the lids; 0 = none", 0, 2)
    cheeks: float = _key(1.0, "share of cheeks and nose; 0 = none", 0, 2)
    head: float = _key(1.0, "share of the head, which moves more; 0 = none", 0, 2)
    weights: str = _key("", "path of a file that `engine_build effort` wrote; empty = the shipped weights")


@dataclass(frozen=True)
class LifeSettings:
    """What a face does by itself: blinks, small eye movements, breathing, sway."""

    enabled: bool = _key(False, "whether it does any of it")
    seed: int = _key(1, "of the random times; the same seed gives the same blinks", 0, 2**31 - 1)
    blink: float = _key(1.0, "amplitude of blinks; 0 = none", 0, 1)
    saccade_deg: float = _key(2.0, "amplitude of small eye movements, degrees; 0 = none", 0, 10)
    breath_deg: float = _key(0.4, "amplitude of breathing in the head's pitch, degrees; 0 = none", 0, 10)
    sway_deg: float = _key(1.5, "amplitude of slow head sway, degrees; 0 = none", 0, 15)


@dataclass(frozen=True)
class ExpressionSettings:
    """What the application wants of the face: where it begins, and how far the rig can look."""

    mood: str = _key("neutral", "mood that the face begins with",
                     choices=("neutral", "happy", "sad", "angry", "afraid", "surprised", "disgusted"))  # fmt: skip
    amount: float = _key(1.0, "of that mood", 0, 1)
    eye_full_deg: float = _key(30.0, "how far the rig's eyes turn where an eyeLook channel is 1, degrees", 5, 90)
    head_yaw_deg: float = _key(30.0, "how far the head may turn sideways for a look, degrees", 0, 45)
    head_pitch_deg: float = _key(20.0, "how far the head may turn up or down for a look, degrees", 0, 45)


@dataclass(frozen=True)
class ControlSettings:
    """Where an application is heard that wants moods, looks and gestures; nothing listens unless asked."""

    osc: str = _key("", "OSC over UDP: host:port to listen at, or a port of this machine alone; empty = off")
    ros: bool = _key(False, "ROS 2 topics /face/mood, look, gesture, rest, where rclpy is installed")


@dataclass(frozen=True)
class LossSettings:
    """What the face does while no sound arrives, and how late a frame may be."""

    hold_ms: float = _key(200.0, "time without sound in which the last face is held", 0, 60_000)
    ease_ms: float = _key(300.0, "time in which it then eases to neutral", 0, 60_000)
    max_late_ms: float = _key(100.0, "a frame whose sound is older than this is dropped, not sent", 5, 10_000)


@dataclass(frozen=True)
class RealtimeSettings:
    """How the machine treats the engine thread."""

    fifo_priority: int = _key(15, "SCHED_FIFO priority of the engine thread where limits allow; 0 = off", 0, 99)
    freeze_heap: bool = _key(True, "keep the garbage collector away from what was made at start")


@dataclass(frozen=True)
class MetricsSettings:
    """What can be watched; nothing listens unless enabled."""

    log_period_s: float = _key(10.0, "seconds between two lines of counters in the log; 0 = off", 0, 86_400)
    enabled: bool = _key(False, "Prometheus metrics at /metrics and /healthz over HTTP")
    host: str = _key("127.0.0.1", "address to listen at")
    port: int = _key(9464, "port to listen at", 1, 65_535)


@dataclass(frozen=True)
class HeadSettings:
    """The display head of `au-edge head`."""

    enabled: bool = _key(False, "whether `au-edge run` also serves the page")
    host: str = _key("127.0.0.1", "HTTP address to listen at")
    port: int = _key(8930, "HTTP port", 1, 65_535)
    frames_host: str = _key("127.0.0.1", "UDP address at which frames arrive")
    frames_port: int = _key(9001, "UDP port at which frames arrive", 1, 65_535)
    allowed_hosts: str = _key("localhost,127.0.0.1", "host names by which the page may be opened, with commas")
    face: str = _key("", "path of a glTF binary with ARKit names; empty = the shipped face")


@dataclass(frozen=True)
class OutputSettings:
    """One receiver of frames: a section [output.NAME]."""

    name: str
    enabled: bool = _key(True, "whether frames go there")
    protocol: str = _key("osc", "wire format; `au-edge protocols` lists them")
    host: str = _key("127.0.0.1", "name or address of the receiver")
    port: int = _key(0, "port of the receiver; 0 = the protocol's own", 0, 65_535)
    mapping: str = _key("", "map to a rig's own names (shipped name or path); for robot: path of the actuator map")
    rate_hz: float = _key(0.0, "frames a second; 0 = every frame", 0, 1000)
    delay_ms: float = _key(0.0, "positive = the face comes later than its sound, robots too", 0, 5000)
    lead_ms: float = _key(0.0, "positive = the face is sent before its sound is heard, for what needs time to move; "
                          "for speech that is known before (files and streams)", 0, 500)  # fmt: skip
    interface: str = _key("", "send from (and hear hellos at) this interface: its name or address; empty = the route's")
    ttl: int = _key(1, "multicast: how many routers a datagram may cross", 0, 255)
    resolve_s: float = _key(60.0, "a name is looked up again after this time; 0 = only while nobody hears", 0, 86_400)
    options: Mapping[str, Value] = field(default_factory=dict)


SECTIONS: dict[str, type[Any]] = {
    "audio": AudioSettings,
    "play": PlaySettings,
    "model": ModelSettings,
    "silence": SilenceSettings,
    "articulation": ArticulationSettings,
    "smoothing": SmoothingSettings,
    "effort": EffortSettings,
    "life": LifeSettings,
    "expression": ExpressionSettings,
    "control": ControlSettings,
    "loss": LossSettings,
    "realtime": RealtimeSettings,
    "metrics": MetricsSettings,
    "head": HeadSettings,
}
RENAMED_SECTIONS = {"prosody": "effort"}  # a section that is gone: what stands in its place
CHANNEL_SECTIONS = {
    "gain": Option("gain", "number", "1", -10, 10, help="factor of a channel; `default` for the others"),
    "limit": Option("limit", "number", "1", 0, 1, help="largest activation of a channel; `default` for the others"),
}


@dataclass(frozen=True)
class Settings:
    """Everything that was configured.

    Attributes:
        gain: Factor per channel name, and under `default` for all others.
        limit: Largest activation per channel name, and under `default`.
        outputs: In the order of the files.
        origins: "section.key" -> the file or option that set it.
    """

    audio: AudioSettings
    play: PlaySettings
    model: ModelSettings
    silence: SilenceSettings
    articulation: ArticulationSettings
    smoothing: SmoothingSettings
    effort: EffortSettings
    life: LifeSettings
    expression: ExpressionSettings
    control: ControlSettings
    loss: LossSettings
    realtime: RealtimeSettings
    metrics: MetricsSettings
    head: HeadSettings
    gain: Mapping[str, float]
    limit: Mapping[str, float]
    outputs: tuple[OutputSettings, ...]
    origins: Mapping[str, str]


def section_options(section_type: type[Any]) -> dict[str, Option]:
    """Return the keys of a section's dataclass."""
    found = {}
    for item in dataclasses.fields(section_type):
        if "help" not in item.metadata:
            continue
        default = ("yes" if item.default else "no") if isinstance(item.default, bool) else str(item.default)
        found[item.name] = Option(item.name, _KINDS[str(item.type)], default, **item.metadata)
    return found
