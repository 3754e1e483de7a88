"""The display head with the real program: real speech, a server that dies, its cost, and films."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.config.settings import HeadSettings
from edge.head.chromium import Chromium, Page, find_browser
from edge.head.running import start_head_thread
from edge.head.video import missing_tools
from edge.outputs.receiving import StreamDecoder
from tests.ports import free_tcp_port, free_udp_port
from tests.requirements import need
from tests.system.head_page import FOREHEAD, MOUTH, difference, keep, opened, processor_s, sending, settle
from tests.system.programs import GIVE_UP_S, SPEECH, au_edge, running

need("chromium", find_browser() is not None, "a browser to look with: `apt-get install chromium`")
CPU_SHARE_LIMIT = 0.05  # of a core, at 30 frames a second


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with Chromium((400, 400)) as browser:
        made = browser.page()
        yield made
        made.close()


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_tcp_port(), free_udp_port()


def options(ports: tuple[int, int]) -> list[str]:
    return ["-o", f"head.port={ports[0]}", "-o", f"head.frames_port={ports[1]}"]


def wait_until_served(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"au-edge head does not serve (exit {process.poll()})")


def test_real_speech_moves_the_face(page: Page) -> None:
    head = start_head_thread(HeadSettings(port=0, frames_port=0), lambda: StreamDecoder().read)
    port = head.server.frames_port
    output = ["-o", "output.page.protocol=json", "-o", "output.page.host=127.0.0.1", "-o", f"output.page.port={port}"]
    try:
        opened(page, head.address, "?quality=low")
        with running("run", "--input", str(SPEECH), "--loop", *output):
            page.wait_for("auEdge.player.delayS > 0", GIVE_UP_S)
            jaws = page.run(
                """(async () => {
                  const seen = [];
                  const end = performance.now() + 3000;
                  const giveUp = end + 240000;  // a busy machine draws a picture or two a second
                  while (performance.now() < end || (seen.length < 20 && performance.now() < giveUp)) {
                    await new Promise((done) => setTimeout(done, 30));
                    auEdge.player.update(performance.now() / 1000);
                    if (auEdge.player.delayS > 0) seen.push(auEdge.face.get('jawOpen'));
                  }
                  return seen;
                })()""",
                GIVE_UP_S,
            )
            delay_s = page.run("auEdge.player.delayS")
        assert len(jaws) > 10
        assert max(jaws) - min(jaws) > 0.1
        assert delay_s is None or 0.0 < delay_s < 3.0
    finally:
        head.close()


def test_a_head_elsewhere_draws_and_records_the_sound_that_is_sent_beside_the_frames(
    page: Page, ports: tuple[int, int]
) -> None:
    outputs = [f"output.{name}={value}" for name, value in (
        ("page.protocol", "json"), ("page.port", ports[1]), ("waveform.protocol", "sound"), ("waveform.port", ports[1]),
    )]  # fmt: skip
    with running("head", *options(ports)) as process:
        wait_until_served(ports[0], process)
        opened(page, f"http://127.0.0.1:{ports[0]}/", "?inspect&quality=low")
        page.wait_for("document.getElementById('sound-text').textContent.includes('protocol = sound')", GIVE_UP_S)
        with running("run", "--input", str(SPEECH), "--loop", *(part for o in outputs for part in ("-o", o))):
            page.wait_for("auEdge.player.delayS > 0", GIVE_UP_S)
            page.run("document.getElementById('record').click()")
            time.sleep(4.0)
            page.run("document.getElementById('record').click()")
            page.wait_for("document.getElementById('sound-text').textContent.includes('kHz')", GIVE_UP_S)
            loudest, n_bins, duration_s, sound_s, peak = page.run(
                """(async () => {
                  const { envelope, replay } = auEdge.inspector;
                  const { recording } = replay;
                  const wav = new Int16Array(await recording.sound.arrayBuffer(), 44);
                  const peak = wav.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 32768;
                  const loudest = Math.max(...[...envelope.bins.values()].map(([low, high]) => high - low));
                  return [loudest, envelope.bins.size, recording.durationS, wav.length / envelope.rateHz, peak];
                })()"""
            )
    print(f"\n{n_bins} bins, recording {duration_s:.2f} s, its sound {sound_s:.2f} s")
    assert loudest > 0.1  # real speech
    assert peak > 0.1
    assert n_bins > 150
    assert duration_s > 2.5
    assert sound_s == pytest.approx(duration_s, abs=0.2)


def test_the_mouth_differs_between_an_open_vowel_and_silence(page: Page, tmp_path: Path) -> None:
    frames = tmp_path / "frames.jsonl"
    made = au_edge("render", str(SPEECH), "--out", str(frames), "--quiet", timeout_s=600.0)
    assert made.returncode == 0, made.stderr
    rows = [json.loads(line) for line in frames.read_text(encoding="utf-8").splitlines()]
    vowel = max(rows, key=lambda row: row["au"]["jawOpen"])
    silence = min((row for row in rows if row["state"] == "silence"), key=lambda row: row["au"]["jawOpen"])
    head = start_head_thread(HeadSettings(port=0, frames_port=0), lambda: StreamDecoder().read)
    pictures = {}
    try:
        opened(page, head.address, "?quality=low")
        with sending(head.server.frames_port, silence["au"]) as face:
            for name, row in (("silence", silence), ("vowel", vowel)):
                face.update(row["au"])
                wanted = row["au"]["jawOpen"]
                page.wait_for(
                    f"Math.abs(auEdge.face.get('jawOpen') - {wanted}) < 0.02 && auEdge.player.delayS > 0", GIVE_UP_S
                )
                settle(page, 2)
                pictures[name] = keep(f"speech_{name}.png", page.picture())
    finally:
        head.close()
    mouth = difference(pictures["vowel"], pictures["silence"], MOUTH)
    assert mouth > 4.0
    assert mouth > 3 * difference(pictures["vowel"], pictures["silence"], FOREHEAD)


def test_the_page_comes_back_after_its_server_died(page: Page, ports: tuple[int, int]) -> None:
    address = f"http://127.0.0.1:{ports[0]}/"
    with running("head", *options(ports)) as first:
        wait_until_served(ports[0], first)
        opened(page, address, "?kiosk&quality=low")
        with sending(ports[1], {"jawOpen": 0.6}):
            page.wait_for("auEdge.face.get('jawOpen') > 0.5", GIVE_UP_S)
        first.send_signal(signal.SIGKILL)
        first.wait(120.0)
    page.wait_for("document.getElementById('caption-text').textContent.startsWith('no connection')", GIVE_UP_S)
    page.wait_for("auEdge.face.get('jawOpen') < 0.01", GIVE_UP_S)
    # The graphics driver fails as well: a page that loads itself anew now would end on the browser's own error page.
    page.run("auEdge.isOld = true; auEdge.stage.renderer.getContext().getExtension('WEBGL_lose_context').loseContext()")
    time.sleep(4.0)
    with running("head", *options(ports)) as second:
        wait_until_served(ports[0], second)
        with sending(ports[1], {"jawOpen": 0.4}):
            page.wait_for("window.auEdge && !auEdge.isOld", GIVE_UP_S)
            page.wait_for("Math.abs(auEdge.face.get('jawOpen') - 0.4) < 0.02", GIVE_UP_S)
        second.send_signal(signal.SIGTERM)
        assert second.wait(120.0) == 0


def test_serving_thirty_frames_a_second_costs_little(page: Page, ports: tuple[int, int]) -> None:
    names = {f"c{i}": 0.5 for i in range(51)} | {"jawOpen": 0.3}
    with running("head", *options(ports)) as process:
        wait_until_served(ports[0], process)
        opened(page, f"http://127.0.0.1:{ports[0]}/", "?quality=low")
        with sending(ports[1], names):
            page.wait_for("auEdge.face.get('jawOpen') > 0.25", GIVE_UP_S)
            before, start_s = processor_s(process.pid), time.monotonic()
            time.sleep(3.0)
            share = (processor_s(process.pid) - before) / (time.monotonic() - start_s)
    print(f"\nserver: {100 * share:.1f} % of a core at 30 frames a second")
    assert share < CPU_SHARE_LIMIT


def test_the_command_films_a_recording_with_the_length_of_its_frames_and_sound(tmp_path: Path) -> None:
    import soundfile

    need("film tools", not missing_tools(), ", ".join(missing_tools()))
    samples, rate = soundfile.read(SPEECH, frames=44_100)
    soundfile.write(tmp_path / "short.wav", samples[: rate // 3], rate)
    film = tmp_path / "face.mp4"
    made = au_edge(
        "render", str(tmp_path / "short.wav"), "--video", str(film), "--video-quality", "low", timeout_s=600.0
    )
    assert made.returncode == 0, made.stderr
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,nb_frames,duration", "-of", "json", str(film)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    streams = {stream["codec_name"]: stream for stream in json.loads(probe.stdout)["streams"]}
    assert set(streams) == {"h264", "aac"}
    assert streams["h264"]["nb_frames"] == "10"  # a third of a second
    assert float(streams["h264"]["duration"]) == pytest.approx(1 / 3, abs=0.01)
    assert float(streams["aac"]["duration"]) == pytest.approx(1 / 3, abs=0.1)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
