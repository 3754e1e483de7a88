"""What bytes are, by how they begin: WAV, MP3, Ogg, a web page ... or nothing that has a name, as raw samples.

A stream of raw samples has no header, so that anything that is sent is heard as sound. Whoever sends an MP3, or the
error page of a speech service, hears a roar; `foreign_remedy` says what it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.sources.containers.mpeg_frames import FrameHeader, adts_frame, mpeg_frame

LOOK_BYTES = 4096  # enough for three frames of MP3 at 320 kbit/s
MIN_MARK_BYTES = 8  # of a shorter one that begins as no other thing does
MIN_TEXT_BYTES = 48  # 24 samples of 16 bit that are all printable: loud, positive and never that by chance
N_FRAMES_IN_A_ROW = 3
_WAV = "WAV"
_WAV_KINDS = (b"RIFF", b"RIFX", b"RF64", b"BW64")
_TEXTS = (
    (b"<!doctype html", "a web page (HTML)"),
    (b"<html", "a web page (HTML)"),
    (b"<?xml", "XML"),
    (b"http/1.", "an answer of a web server"),
    (b"get ", "a request of a web client"),
    (b"post ", "a request of a web client"),
    (b"put ", "a request of a web client"),
    (b"data:", "a stream of events of a web server"),
    (b"event:", "a stream of events of a web server"),
    (b'{"', "JSON"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"#extm3u", "a list of addresses (M3U)"),
)
_MAGICS = (
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"OggS\x00", "Ogg"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (4, b"ftyp", "MP4 or M4A"),
    (8, b"AIFF", "AIFF"),
    (8, b"AIFC", "AIFF"),
    (8, b"8SVX", "8SVX"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b".snd\x00\x00", "AU"),
    (0, b"caff\x00\x01", "CAF"),
    (0, b"wvpk", "WavPack"),
    (0, b"#!AMR", "AMR"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "WMA"),
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"PK\x03\x04", "ZIP"),
)
_SOUND_NAMES = frozenset({_WAV, "AAC", *(name for _, _, name in _MAGICS)} - {"gzip", "ZIP"})
_IN_OGG = (
    (b"OpusHead", "Ogg/Opus"),
    (b"\x01vorbis", "Ogg/Vorbis"),
    (b"\x7fFLAC", "Ogg/FLAC"),
    (b"Speex   ", "Ogg/Speex"),
)


@dataclass(frozen=True)
class Signature:
    """What bytes are.

    Attributes:
        name: As a person says it: "MP3", "Ogg/Opus", "a web page (HTML)".
        is_sound: Whether it is a format of sound (or of films, which have a sound track).
    """

    name: str
    is_sound: bool

    @property
    def is_text(self) -> bool:
        """Return whether it is something to read."""
        return not self.is_sound and self.name not in ("gzip", "ZIP")


def identify(head: bytes) -> Signature | None:
    """Say what bytes are.

    Args:
        head: The first bytes; `LOOK_BYTES` are enough, fewer may not be.

    Returns:
        The signature, or None where they have no name: raw samples, noise, or too few.
    """
    if head[:4] in _WAV_KINDS and head[8:12] == b"WAVE":
        return Signature(_WAV, True)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Signature("AVI", True)
    for offset, magic, name in _MAGICS:
        if head[offset : offset + len(magic)] == magic and not (offset == 8 and head[:4] != b"FORM"):
            name = _name_in_ogg(head) if name == "Ogg" else name
            return Signature(name, name in _SOUND_NAMES or name.startswith("Ogg"))
    if _is_text(head):
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return Signature(next((name for magic, name in _TEXTS if start.startswith(magic)), "text"), False)
    if _agree(head, mpeg=True):
        return Signature("MP3", True)
    if _agree(head, mpeg=False):
        return Signature("AAC", True)
    return None


def may_have_a_name(head: bytes) -> bool:
    """Return whether these bytes, the first of a stream, may turn out to be something with a name when more come.

    Raw samples rarely look so for longer than their first eight bytes.
    """
    if len(head) < MIN_MARK_BYTES or _is_text(head.ljust(MIN_TEXT_BYTES)):
        return True
    if head[:4] in _WAV_KINDS:
        return len(head) < 12
    is_frame = mpeg_frame(head) is not None or adts_frame(head) is not None
    return is_frame or any(_begins(head, offset, magic) for offset, magic, _ in _MAGICS if offset != 4)


def _begins(head: bytes, offset: int, magic: bytes) -> bool:
    return (offset == 0 or head[:4] == b"FORM") and magic.startswith(head[offset : offset + len(magic)])


def foreign_remedy(signature: Signature, declared: str) -> str:
    """Say what a stream of raw samples really is, and what to do.

    Args:
        signature: What was found.
        declared: What was said of it, such as "s16le at 24000 Hz".

    Returns:
        One line.
    """
    if signature.name == _WAV:
        remedy = "set audio.format = auto, which reads its header"
    elif signature.is_sound:
        remedy = "set audio.format = auto, which decodes it, or let the writer send raw samples (PCM) or WAV"
    elif signature.is_text:
        remedy = "look at what the writer received: is it an error message? Send only sound"
    else:
        remedy = "unpack it first"
    return f"the stream is said to be {declared}, but is {signature.name}, and is heard as noise: {remedy}"


def _name_in_ogg(head: bytes) -> str:
    return next((name for magic, name in _IN_OGG if magic in head[:256]), "Ogg")


def _is_text(head: bytes) -> bool:
    """Return whether bytes are something to read: UTF-8 without control characters, and enough of it."""
    if len(head) < MIN_TEXT_BYTES:
        start = head.lstrip().lower()  # short, but unmistakable
        is_marked = any(start.startswith(magic) for magic, _ in _TEXTS)
        return len(head) >= MIN_MARK_BYTES and is_marked and _is_readable(head)
    return _is_readable(head)


def _is_readable(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as err:
        if err.start < len(head) - 3:  # not just a character that is cut by the end of the look
            return False
        text = head[: err.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _agree(head: bytes, mpeg: bool) -> bool:
    """Return whether frames that agree follow one another from the beginning."""
    position, first, n_found = 0, None, 0
    while n_found < N_FRAMES_IN_A_ROW and position < len(head):
        frame: FrameHeader | None = mpeg_frame(head[position:]) if mpeg else adts_frame(head[position : position + 8])
        if frame is None or (first is not None and frame.kind != first):
            return False
        first, n_found, position = frame.kind, n_found + 1, position + frame.n_bytes
    return n_found == N_FRAMES_IN_A_ROW or (n_found > 0 and position == len(head) < LOOK_BYTES)
