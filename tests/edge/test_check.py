"""`au-edge check`: what a bug report is made of, and exit statuses that can be trusted."""

from __future__ import annotations

import json
import os
import pty
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.app import shipped_models
from edge.cli import main
from edge.manifest import load_manifest
from tests import fake_cuda
from tests.pace import Pace
from tests.requirements import need_module

MAP = "[robot]\ndriver = {}\n[actuator.jaw]\noutput = 0\nneutral = 10\nminimum = 5\nmaximum = 20\nmix = jawOpen 1\n"
QUIET = ("-o", "audio.source=silence")


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    status = main(["check", "--json", *QUIET, *words])
    return status, json.loads(capsys.readouterr().out)


def test_a_self_test_runs_the_network_and_tells_machine_and_versions(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = checked(capsys, "--self-test")
    assert status == report["exit_status"] == 0
    first = report["self_test"][0]
    assert (first["backend"], first["passed"], first["mean_difference"]) == ("onnxruntime", True, 0.0)
    assert 0 < first["inference_p50_ms"] <= first["inference_p99_ms"]
    assert all(test["passed"] for test in report["self_test"])
    assert report["machine"]["packages"]["numpy"] == np.__version__
    assert report["machine"]["kernel"]


def test_the_gpu_is_told_or_why_there_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cuda.install(monkeypatch, fake_cuda.FakeGpu())
    _, report = checked(capsys)
    assert {"name", "compute_capability", "driver_version", "is_integrated"} <= report["gpu"].keys()
    monkeypatch.setattr("edge.backends.cuda.find_gpu", lambda: "no CUDA device: check `nvidia-smi`")
    _, report = checked(capsys)
    assert report["gpu"].startswith("no CUDA device")


def test_a_face_that_does_not_move_fails_the_self_test(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.backends.cpu_session.CpuSession.step", lambda session: None)
    status, report = checked(capsys, "--self-test")
    assert status == report["exit_status"] == 1
    assert "does not move" in report["self_test"][0]["text"]


def test_a_truncated_network_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = load_manifest(shipped_models()["stream"])
    (tmp_path / "stream.json").write_bytes(manifest.path.read_bytes())
    (tmp_path / manifest.graph_path.name).write_bytes(manifest.graph_path.read_bytes()[:-1000])
    status, report = checked(capsys, "--self-test", "-o", f"model.path={tmp_path / 'stream.json'}")
    assert status == report["exit_status"] == 78
    assert report["self_test"]
    assert not any(test["passed"] for test in report["self_test"])
    (model,) = [finding for finding in report["findings"] if finding["part"] == "model"]
    assert model["status"] == "fail"
    assert "truncated or another file" in model["text"]


def test_a_backend_that_was_asked_for_and_cannot_run_fails_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.backends.tensorrt.find_gpu", lambda: "no CUDA device: check `nvidia-smi`")
    status, report = checked(capsys, "-o", "model.backend=tensorrt")
    assert status == 69
    (finding,) = [finding for finding in report["findings"] if finding["part"] == "backend tensorrt"]
    assert finding["status"] == "fail"
    assert "nvidia-smi" in finding["text"]


def outputs_found(report: dict) -> list[tuple[str, str]]:
    return [(found["status"], found["text"]) for found in report["findings"] if found["part"].startswith("output")]


def test_a_receiver_is_tried_and_no_state_is_told_of_what_is_not_open(capsys: pytest.CaptureFixture[str]) -> None:
    status, report = checked(capsys)
    found = outputs_found(report)
    assert status == 0
    assert found
    assert all(mark == "ok" and "down" not in text for mark, text in found)


def test_a_receiver_of_this_machine_that_is_not_there_is_told_without_a_datagram(
    capsys: pytest.CaptureFixture[str],
) -> None:
    there, gone = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with there, gone:
        for bound in (there, gone):
            bound.bind(("127.0.0.1", 0))
        ports = there.getsockname()[1], gone.getsockname()[1]
        gone.close()
        to_json = ("-o", "output.json.enabled=yes", "-o", f"output.json.port={ports[1]}")
        status, report = checked(capsys, "-o", f"output.osc.port={ports[0]}", *to_json)
        there.setblocking(False)
        with pytest.raises(BlockingIOError):
            there.recv(10)
    texts = {text.partition(":")[0]: text for _, text in outputs_found(report)}
    assert status == 0
    assert "refused" not in texts["osc"]
    assert "refused: nobody listens" in texts["json"]


@pytest.mark.parametrize(
    ("options", "expected", "words"),
    [
        (("output.osc.host=nope.invalid",), 69, ("no such name yet", "nope.invalid", "correct the name")),
        (("output.osc.interface=nope0",), 69, ("no such interface yet", "nope0", "correct `interface`")),
        (("output.ros.protocol=ros",), 69, ("rclpy", "ROS is sourced")),
    ],
)
def test_a_receiver_that_cannot_be_had_fails_with_its_remedy(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], expected: int, words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "rclpy", None)
    status, report = checked(capsys, *(word for option in options for word in ("-o", option)))
    (text,) = [text for mark, text in outputs_found(report) if mark == "fail"]
    assert status == expected
    assert all(word in text for word in words)


@pytest.mark.parametrize(("driver", "module"), [("maestro", "serial"), ("dynamixel", "serial"), ("pca9685", "smbus2")])
def test_a_robot_without_its_drivers_module_fails_with_what_to_install(
    driver: str, module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    written = tmp_path / "map.ini"
    written.write_text(MAP.format(driver))
    status, report = checked(capsys, "-o", "output.r.protocol=robot", "-o", f"output.r.mapping={written}")
    (text,) = [text for mark, text in outputs_found(report) if mark == "fail"]
    assert status == 69
    assert "au-edge[robots]" in text


@pytest.mark.parametrize("driver", ["maestro", "dynamixel"])
def test_a_robot_whose_port_is_away_is_not_said_to_be_fine(
    driver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_module("serial")
    master, slave = pty.openpty()
    written = tmp_path / "map.ini"
    port = tmp_path / "port"
    port.symlink_to(os.ttyname(slave))
    written.write_text(MAP.format(driver).replace("[actuator", f"port = {port}\n[actuator"))
    words = ("-o", "output.r.protocol=robot", "-o", f"output.r.mapping={written}", "-o", "audio.source=silence")
    _, report = checked(capsys, *words)
    assert [mark for mark, text in outputs_found(report) if f"{driver} at {port}" in text] == ["ok"]
    port.unlink()
    os.close(master)
    os.close(slave)
    status, report = checked(capsys, *words)
    (text,) = [text for mark, text in outputs_found(report) if mark == "fail"]
    assert status == 69
    assert f"{driver} at {port}: there is no such device now" in text


def test_a_name_server_that_hangs_holds_the_check_up_for_seconds_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr("edge.outputs.udp.UdpTransport.open", lambda transport: released.wait(120.0))
    monkeypatch.setattr("edge.commands.receiver_check.LIMIT_S", 0.1)
    with Pace() as pace:
        began_s = time.monotonic()
        status, report = checked(capsys)
        took_s = time.monotonic() - began_s
    released.set()
    assert status == 69
    assert took_s < pace.allowed(15.0)
    assert "does not answer" in next(text for mark, text in outputs_found(report) if mark == "fail")
