"""The whole interleaved run: every round gives each program its turn, so that ratios hold on a busy machine."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.app import find_manifest, protocol_options
from edge.bench.live_run import run_block, summarise
from edge.bench.loopback import run_loopback
from edge.bench.measured_process import ProgramWish
from edge.config.reading import load_settings
from edge.machine.facts import machine_facts
from tests.benchmarks.clips import Clip, make_clips
from tests.benchmarks.contenders import BACKEND, Bench, Contender, versions
from tests.benchmarks.lip_timing import lip_timing
from tests.benchmarks.networks import make_paper_networks
from tests.benchmarks.peers import HeadAudio, PeerRun, install_headaudio, run_rhubarb
from tests.benchmarks.roofline import Prober, layers_of, least_ms

MICROPHONE_RATE_HZ = 44_100
MICROPHONE_PERIOD_SAMPLES = 128
NETWORK_OF_60 = "stream-60"
OPEN_SHARE = 0.25  # of the aperture of our lips that closing and pressing take away


def measure(n_rounds: int, live_s: float, n_chirps: int, npm_folder: Path | None) -> dict[str, Any]:
    """Run everything.

    Args:
        n_rounds: Turns of each program.
        live_s: Seconds of each live run at the virtual microphone; 0 leaves them and the loopback out.
        n_chirps: Of the loopback.
        npm_folder: Where HeadAudio is, or is to be installed; None for a temporary folder.

    Returns:
        Plain JSON values, for `page.render_page`.
    """
    with tempfile.TemporaryDirectory(prefix="au-edge-peers-") as name:
        folder = Path(name)
        speech = folder / "speech"
        speech.mkdir()
        clips = make_clips(speech)
        networks = make_paper_networks(folder, speech)
        result: dict[str, Any] = {
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": machine_facts(),
            "versions": versions(),
            "n_rounds": n_rounds,
        }
        bench = Bench(networks)
        try:
            result |= _rounds(bench, n_rounds, layers_of(networks.int8.graph_path), folder)
        finally:
            bench.close()
        result["peers"] = _peers(clips, speech, n_rounds, npm_folder or folder / "npm")
        result["peers"]["au-edge"] = _our_lips(clips, speech)
        if live_s > 0:
            result |= _live(folder, live_s, n_chirps)
        return result


def _rounds(bench: Bench, n_rounds: int, layers: list[Any], folder: Path) -> dict[str, Any]:
    groups = {
        "paths": bench.paths, "features": bench.features, "inferences": bench.inferences, "outputs": bench.outputs,
        "codecs": bench.codecs,
    }  # fmt: skip
    prober, no_roofline = None, ""
    try:
        prober = Prober(folder)
    except RuntimeError as err:
        no_roofline = str(err)
    limits: list[float] = []
    for turn in range(n_rounds + 1):  # the first one warms up
        print(f"round {turn} of {n_rounds}", file=sys.stderr)
        for name, contenders in groups.items():
            for contender in contenders:
                contender.measure()
                bench.drain()
                if turn == 0:
                    contender.cpu_ms.clear()
            if name == "inferences" and prober is not None and turn > 0:
                limits.append(least_ms(layers, prober.probe()))
    result: dict[str, Any] = {
        name: [_summary(contender, contenders[0]) for contender in contenders] for name, contenders in groups.items()
    }
    result["roofline"] = {"not_probed": no_roofline}
    if limits:
        int8 = bench.inferences[2].cpu_ms
        result["roofline"] = {
            "least_ms": [round(limit, 4) for limit in limits],
            "least_ms_median": round(statistics.median(limits), 4),
            "int8_times_least": round(statistics.median(t / limit for t, limit in zip(int8, limits, strict=True)), 3),
        }
    return result


def _summary(contender: Contender, first: Contender) -> dict[str, Any]:
    ratios = [theirs / ours for theirs, ours in zip(first.cpu_ms, contender.cpu_ms, strict=True)]
    return {
        "name": contender.name,
        "cpu_ms": [round(value, 5) for value in contender.cpu_ms],
        "cpu_ms_median": round(statistics.median(contender.cpu_ms), 5),
        "times_less_than_first": round(statistics.median(ratios), 3),
        "lowest_ratio": round(min(ratios), 3),
    }


def _peers(clips: Sequence[Clip], speech: Path, n_rounds: int, npm_folder: Path) -> dict[str, Any]:
    """Run the other programs over the clips, round by round."""
    found: dict[str, Any] = {}
    why_not = install_headaudio(npm_folder)
    if why_not is None:
        peer = HeadAudio(npm_folder)
        rounds = [[peer.run(speech / f"{i}.wav") for i in range(len(clips))] for _ in range(n_rounds + 1)][1:]
        peer.close()
        found["HeadAudio"] = {**_peer_summary(clips, rounds), **peer.versions}
    else:
        found["HeadAudio"] = {"not_run": why_not}
    if shutil.which("rhubarb"):
        rounds = [
            [run_rhubarb(speech / f"{i}.wav", clip.duration_s) for i, clip in enumerate(clips)] for _ in range(n_rounds)
        ]
        found["rhubarb"] = _peer_summary(clips, rounds)
    else:
        found["rhubarb"] = {"not_run": "it is not on the PATH"}
    return found


def _peer_summary(clips: Sequence[Clip], rounds: list[list[PeerRun]]) -> dict[str, Any]:
    audio_s = sum(clip.duration_s for clip in clips)
    last = rounds[-1]
    by_own = lip_timing(list(clips), [(run.times_s, run.apertures) for run in last])
    as_known = lip_timing(list(clips), [(run.known_s, run.apertures) for run in last])
    first = [run.known_s[0] for run in last if run.known_s]
    ahead = [known - about for run in last for about, known in zip(run.times_s, run.known_s, strict=True)]
    return {
        "cpu_ms_a_second": round(statistics.median(sum(run.cpu_s for run in r) for r in rounds) / audio_s * 1000, 3),
        "values_a_second": round(sum(len(run.times_s) for run in last) / audio_s, 1),
        "sound_before_first_value_ms": round(statistics.median(first) * 1000, 1),
        "known_after_ms": round(statistics.median(ahead) * 1000, 1),
        "lips_by_own_times": asdict(by_own),
        "lips_as_known": asdict(as_known),
    }


def _our_lips(clips: Sequence[Clip], speech: Path) -> dict[str, Any]:
    """Render the clips with the shipped network and look at its lips."""
    from edge.app import choose_backend
    from edge.commands.render import render_file

    settings = load_settings(protocol_options(), None, [])
    manifest = find_manifest(settings.model.path)
    session = choose_backend(settings, manifest).backend.open(manifest)
    names = list(manifest.channels)
    curves = []
    try:
        for i in range(len(clips)):
            table = render_file(speech / f"{i}.wav", settings, manifest, session)
            times_s, activations = table.times_s, table.values
            jaw, shut = activations[:, names.index("jawOpen")], activations[:, names.index("mouthClose")]
            curves.append((list(times_s), list(jaw - OPEN_SHARE * shut)))
    finally:
        session.close()
    timing = asdict(lip_timing(list(clips), curves))
    period_ms = manifest.frame_period_s * 1000
    return {
        "network": f"{manifest.name} {manifest.version}",
        "values_a_second": round(1000 / period_ms, 1),
        "sound_before_first_value_ms": round(period_ms, 1),
        "known_after_ms": manifest.lookahead_ms,
        "lips_by_own_times": timing,
        "lips_as_known": timing,
    }


def _live(folder: Path, live_s: float, n_chirps: int) -> dict[str, Any]:
    """Run the program at a virtual microphone: speech for latency, chirps for the truth of it."""
    import numpy as np

    from edge.bench.lanes import load_speech
    from tests.edge.bench.air_player import AirPlayer
    from tests.virtual_microphone.air import Air, Device, why_not, write_configuration

    missing = why_not()
    if missing:
        return {"live": {"not_run": missing}}
    air = Air(folder / "bench.air", 1, seconds=90, rate_hz=MICROPHONE_RATE_HZ)
    os.environ["ALSA_CONFIG_PATH"] = str(write_configuration(folder, [Device("bench", MICROPHONE_RATE_HZ)]))
    options = ("audio.source=microphone", "audio.device=bench", f"audio.period_samples={MICROPHONE_PERIOD_SAMPLES}")
    arguments = tuple(word for option in options for word in ("-o", option))
    air.play((load_speech(MICROPHONE_RATE_HZ) * (2**31 - 1)).astype(np.int32)[:, None])
    result: dict[str, Any] = {}
    for key, network in (("live", ()), ("live_60", ("-o", f"model.path={NETWORK_OF_60}"))):
        print(f"{key} for {live_s:g} s", file=sys.stderr)
        result[key] = summarise([run_block(ProgramWish((*arguments, *network), BACKEND, warm_up_s=3.0), live_s)])
        result[key]["ended"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
        result[key]["device_period_ms"] = round(1000 * MICROPHONE_PERIOD_SAMPLES / MICROPHONE_RATE_HZ, 3)
    open_dbfs = load_settings(protocol_options(), None, []).silence.open_dbfs
    loopback = run_loopback(ProgramWish(arguments, BACKEND), AirPlayer(air), open_dbfs, n_chirps)
    return result | {"loopback": loopback}
