"""`calibration ship`: from an export to what the package carries, all of it or nothing."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from calibration.__main__ import main
from calibration.card import BEGIN, END, with_numbers
from calibration.quantize import quantize, report_path
from calibration.speech import SHIPPED_SET
from calibration.whole_files import write_together
from edge.manifest import load_manifest
from tests.calibration.small_network import write_small_network
from tests.requirements import need

need("onnx", importlib.util.find_spec("onnx") is not None, "pip install 'au-edge[calibrate]'")


def ship(folder: Path, *words: str) -> int:
    """Ship the small network into folders of this test."""
    source = folder / "small.float32.json" if (folder / "small.float32.json").exists() else write_small_network(folder)
    places = ["--networks", str(folder / "networks"), "--models", str(folder / "models")]
    return main(["ship", str(source), *places, "--max-correlation-loss", "0.1", "--files", "1", *words])


def everything(folder: Path) -> dict[str, str]:
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def test_what_is_shipped_belongs_together_and_can_be_made_again_by_its_users(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "small.md").write_text("# small: model card\n\nBy hand.\n")
    (tmp_path / "facts.json").write_text(json.dumps({"version": "7", "metrics": {"jaw_r": 0.8}}))
    assert ship(tmp_path, "--facts", str(tmp_path / "facts.json")) == 0
    stored = load_manifest(tmp_path / "networks" / "small.json")
    made = load_manifest(tmp_path / "models" / "small.json")
    assert (stored.precision, made.precision, made.version) == ("float32", "int8", "7")
    assert made.metrics["jaw_r"] == 0.8
    assert len(stored.verify_graph()) < 0.55 * (tmp_path / "small.float32.onnx").stat().st_size
    report = json.loads(report_path(made.path).read_text())
    assert (report["network"]["sha256"], report["int8_sha256"]) == (stored.sha256, made.sha256)
    card = (tmp_path / "models" / "small.md").read_text()
    assert card.startswith("# small: model card\n\nBy hand.\n\n" + BEGIN)
    assert f"{report['difference']['least_correlated']['correlation']:.4f}" in card
    again = tmp_path / "again" / "small.json"
    quantize(stored.path, SHIPPED_SET, again, n_files=1, max_correlation_loss=0.1)
    assert load_manifest(again).sha256 == made.sha256


def test_shipping_again_replaces_the_numbers_and_leaves_the_rest_of_the_card(tmp_path: Path) -> None:
    assert ship(tmp_path) == 0
    card = tmp_path / "models" / "small.md"
    report = json.loads(report_path(tmp_path / "models" / "small.json").read_text())
    before, after = "# Title\n\nBefore.\n\n", "\n\n## After\n"
    card.write_text(f"{before}{BEGIN}\nold\n{END}{after}")
    assert ship(tmp_path) == 0
    assert card.read_text() == with_numbers(f"{before}{BEGIN}\n{END}{after}", report)
    assert card.read_text().startswith(before)
    assert card.read_text().endswith(f"{END}{after}")


def test_a_network_too_big_to_come_along_is_shipped_in_int8_only(tmp_path: Path) -> None:
    assert ship(tmp_path, "--int8-only") == 0
    assert (tmp_path / "models" / "small.json").exists()
    assert not (tmp_path / "networks").exists()


@pytest.mark.parametrize("n_whole", [0, 5])
def test_a_full_disk_leaves_what_was_shipped_before(
    n_whole: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ship(tmp_path) == 0
    before = everything(tmp_path)
    calls = []

    def fills_up(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5 + n_whole:  # the first five go to a temporary folder
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fills_up)
    assert ship(tmp_path, "--name", "small") == 78
    assert "No space left on device; what was there is unchanged" in capsys.readouterr().err
    assert everything(tmp_path) == before


def test_files_that_belong_together_are_written_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "in the way").write_bytes(b"")
    with pytest.raises(OSError):
        write_together({tmp_path / "a": b"new", tmp_path / "in the way" / "b": b"new"})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old", "in the way": b""}
    write_together({tmp_path / "a": b"new", tmp_path / "c" / "b": b"more"})
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "c" / "b").read_bytes()) == (b"new", b"more")


@pytest.mark.parametrize("content", ["[]", "{", '{"metrics": 3}'])
def test_facts_that_are_none_are_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "facts.json").write_text(content)
    assert ship(tmp_path, "--facts", str(tmp_path / "facts.json")) == 78
    assert "facts.json" in capsys.readouterr().err
