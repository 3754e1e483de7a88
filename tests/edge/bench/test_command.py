"""`au-edge bench` as a user meets it: the real program, a result, a page, a comparison."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edge.bench.measured_process import MeasuredProcess, ProgramWish
from edge.bench.process_usage import memory_mib, sample_usage, usage_between
from edge.bench.receiver import StampedReceiver
from edge.cli import main
from edge.commands.bench import NO_MICROPHONE
from edge.errors import DeviceError
from edge.machine.realtime import ENGINE_PRIORITY, MAIN_PRIORITY
from tests.edge.machine.test_child import wait_until_gone
from tests.pace import Pace
from tests.requirements import need
from tests.system.programs import GIVE_UP_S, ROOT

SPEECH = Path("edge/demo/speech.flac").resolve()


@pytest.fixture(scope="module")
def pace() -> Pace:
    """Return the measure of the machine, which `result` takes while the program runs."""
    return Pace()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, pace: Pace) -> tuple[dict[str, object], Path, str]:
    folder = tmp_path_factory.mktemp("bench")
    command = [
        sys.executable, "-m", "edge", "bench", "--input", str(SPEECH), "--duration", "3", "--warm-up", "0.5",
        "--rounds", "2", "--frames", "30", "--backend", "onnxruntime",
        "--json", str(folder / "a.json"), "--html", str(folder / "a.html"),
    ]  # fmt: skip
    with pace:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "a.json").read_text()), folder, done.stdout


def test_every_stage_is_there_with_its_quantiles(result, pace: Pace) -> None:
    found, _, _ = result
    (live,) = found["live"].values()
    wanted = {"capture_wait", "arrival", "resample", "features", "inference", "postprocess", "encode", "send"}
    assert wanted <= live["stages"].keys()
    assert live["control"]["n"] > pace.expected(300), "3 s of a wake-up every 4 ms"
    for values in [*live["stages"].values(), live["end_to_end"], live["control"]]:
        assert 0 <= values["p50_ms"] <= values["p90_ms"] <= values["p99_ms"] <= values["p99_9_ms"] <= values["max_ms"]


def test_three_seconds_are_ninety_frames(result, pace: Pace) -> None:
    found, _, _ = result
    (live,) = found["live"].values()
    assert pace.expected(85) <= live["n_frames"] <= pace.allowed(95)
    assert live["misses"]["datagrams_lost"] == 0
    assert 0 < live["startup_s"][0] < pace.allowed(60.0)
    assert 20 < live["memory_mib"]["now"] <= live["memory_mib"]["peak"] < 150
    assert 0.001 < live["core_share"] < 1.5


def test_every_thread_that_can_hold_the_interpreters_lock_is_real_time(result) -> None:
    need("realtime", os.geteuid() == 0, "only root may set priorities beyond its limit")
    found, _, _ = result
    (live,) = found["live"].values()
    assert {f"real-time {MAIN_PRIORITY}", f"real-time {ENGINE_PRIORITY}"} <= live["by_thread"].keys()


def test_the_parts_of_a_frame_do_not_exceed_the_whole(result) -> None:
    found, _, _ = result
    (live,) = found["live"].values()
    stages = live["stages"]
    parts = sum(stages[name]["p50_ms"] for name in ("features", "inference", "postprocess", "encode", "send"))
    assert parts < live["end_to_end"]["max_ms"]
    assert stages["encode"]["p50_ms"] < stages["outputs"]["p50_ms"]


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(result) -> None:
    _, folder, _ = result
    page = (folder / "a.html").read_text()
    stack: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "line", "p"):
                stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in ("line", "p"):
                assert stack.pop() == tag

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

    Balance().feed(page)
    assert stack == []
    assert page.count("<svg") >= 15
    assert "http" not in page


def test_a_result_compared_with_itself_has_not_changed(result, capsys: pytest.CaptureFixture[str]) -> None:
    _, folder, _ = result
    assert main(["bench", "--compare", str(folder / "a.json"), str(folder / "a.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    ratios = [line.split()[-1] for line in lines if line.endswith("x")]
    assert len(ratios) > 15
    assert set(ratios) == {"1.00x"}


def test_a_file_that_is_no_result_is_refused(tmp_path: Path, result, capsys: pytest.CaptureFixture[str]) -> None:
    _, folder, _ = result
    (tmp_path / "other.json").write_text('{"format": "something else"}')
    assert main(["bench", "--compare", str(tmp_path / "other.json"), str(folder / "a.json")]) == 65
    assert "not of format" in capsys.readouterr().err


def test_the_table_says_where_it_was_run(result) -> None:
    _, _, text = result
    assert "Jetson" in text
    assert "deadline misses in" in text


def test_usage_of_a_process_is_what_it_used() -> None:
    before = sample_usage(os.getpid())
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    while time.process_time() - began_cpu_s < 0.5:
        sum(range(1000))
    used = usage_between(before, sample_usage(os.getpid()))
    oracle = (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)
    assert used.core_share == pytest.approx(oracle, rel=0.15)
    assert memory_mib(os.getpid())["peak"] >= memory_mib(os.getpid())["private"] > 5


def test_two_backends_take_turns_in_one_run(tmp_path: Path) -> None:
    need("openvino", importlib.util.find_spec("openvino") is not None, "a second CPU backend: pip install openvino")
    path = tmp_path / "two.json"
    command = [
        sys.executable, "-m", "edge", "bench", "stages", "--rounds", "3", "--frames", "20", "--json", str(path),
        "--backend", "onnxruntime", "--backend", "openvino",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lanes = json.loads(path.read_text())["back_to_back"]["lanes"]
    assert [lane["label"].rpartition(" ")[2] for lane in lanes] == ["onnxruntime", "openvino"]
    assert all(len(lane["cpu_ms_per_frame"]) == 3 for lane in lanes)


def test_a_backend_that_is_not_there_is_named_and_the_others_are_measured(tmp_path: Path) -> None:
    need("no-tensorrt", importlib.util.find_spec("pycuda") is None, "this machine can run TensorRT")
    command = [sys.executable, "-m", "edge", "bench", "stages", "--rounds", "1", "--frames", "5"]
    command += ["--backend", "tensorrt", "--backend", "onnxruntime"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "not run: stream on tensorrt" in done.stdout
    assert "stream on onnxruntime" in done.stdout


def test_stages_on_no_backend_that_is_here_measure_nothing_and_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    need("no-tensorrt", importlib.util.find_spec("pycuda") is None, "this machine can run TensorRT")
    assert main(["bench", "stages", "--rounds", "1", "--frames", "5", "--backend", "tensorrt"]) == 69
    found = capsys.readouterr()
    assert "stream on tensorrt" in found.err
    assert not found.out


def test_a_program_that_does_not_start_is_an_error_that_says_what_it_said() -> None:
    wish = ProgramWish(("-o", "audio.source=file", "-o", "audio.file=/no/such/file.wav"))
    with pytest.raises(DeviceError, match="no such file"), MeasuredProcess(wish) as process:
        process.wait_first()


HANGING = """
import sys, threading, time
from edge.bench.measured_program import main
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()  # as a library leaves one behind
sys.exit(main())
"""


def test_a_thread_that_a_library_leaves_behind_does_not_cost_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with contextlib.closing(StampedReceiver()) as receiver:
        command = [sys.executable, "-c", HANGING, str(report), str(receiver.port), "osc", "0", "onnxruntime"]
        process = subprocess.Popen([*command, str(os.getpid()), "-o", "audio.source=tone"], stderr=subprocess.DEVNULL)
        try:
            assert receiver.wait_first(60.0)
            process.send_signal(signal.SIGTERM)
            assert process.wait(120.0) == 0
        finally:
            process.kill()
    assert json.loads(report.read_text())["frame_period_s"] == pytest.approx(1 / 30)


def test_a_bench_that_is_killed_leaves_no_program_running() -> None:
    command = [sys.executable, "-m", "edge", "bench", "live", "--input", str(SPEECH), "--backend", "onnxruntime"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as bench:
        ends_s, child = time.monotonic() + GIVE_UP_S, None
        while child is None:
            assert time.monotonic() < ends_s
            time.sleep(0.02)
            started = Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()
            child = next((n for n in started if b"measured_program" in Path(f"/proc/{n}/cmdline").read_bytes()), None)
        bench.kill()
        wait_until_gone(int(child))


def test_without_a_microphone_the_shipped_recording_is_measured_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edge.commands.bench.has_microphone", lambda: False)
    arguments = ["bench", "live", "--duration", "1", "--warm-up", "0.2", "--backend", "onnxruntime"]
    assert main(arguments) == 0
    found = capsys.readouterr()
    assert NO_MICROPHONE in found.err
    assert NO_MICROPHONE in found.out
    assert "end to end" in found.out
    named = [*arguments, "-o", "audio.source=microphone", "-o", "audio.device=no such microphone"]
    assert main(named) == 69, "a source that was named is not replaced"
