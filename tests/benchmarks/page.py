"""docs/performance.md from a result: every number on the page is one of the result's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.machine.facts import describe_machine
from tests.benchmarks.roofline import NO_INSTRUCTION

_HEAD = """# Performance

Written by `python -m tests.benchmarks page`; do not edit. Measure your own machine with `au-edge bench`, and repeat
this page with

```sh
python -m tests.benchmarks measure --out result.json
python -m tests.benchmarks page result.json --out docs/performance.md
```

All programs ran in one interleaved run: in each round every program had its turn, and a ratio is the median over the
rounds of the ratio within a round. The machine was shared, so trust the ratios and not the milliseconds. Times are
processor time of one thread unless it says otherwise.
"""
_NO_VNNI = """
Where a processor has none (x86 without VNNI), exact products of integers take several steps: there the paper's network
gains little by int8 and misses the goals that rest on it: [quantisation.md](quantisation.md#seven-bits-for-weights).
"""
_QUANTILES = ("p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")


def render_page(result: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        result: Of `measure.measure`.
    """
    parts = [
        _HEAD,
        _machine(result),
        _ratios(result),
        _table("The whole path, sound to datagram", "Features, network, post-processing, encoding, sending: ms a frame "
               "(a frame has 33.3).", result["paths"], 1.0, "ms"),
        _table("Features", "One frame's input from samples.", result["features"], 1000.0, "us"),
        _inference(result),
        _table("Receivers", "Encoding and sending a frame to several OSC receivers.", result["outputs"], 1000.0, "us"),
        _table("Formats", "Encoding and sending one frame.", result["codecs"], 1000.0, "us"),
        _live(result, "live", "Live"),
        _live(result, "live_60", "Live, 60 faces a second"),
        _loopback(result),
        _peers(result),
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def _machine(result: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [f"- {line}" for line in describe_machine(result["machine"])]
    return "\n".join(["## Where", "", *lines, f"- {versions}; {result['n_rounds']} rounds; {result['created']}", ""])


def _ratios(result: Mapping[str, Any]) -> str:
    """Return the goals with what was reached."""
    paths, features, inferences = result["paths"], result["features"], result["inferences"]
    int8 = inferences[2]
    over_float = inferences[1]["cpu_ms_median"] / int8["cpu_ms_median"]
    codec = result["codecs"][0]["cpu_ms_median"] * 1000
    sixteen = result["outputs"][-1]["cpu_ms_median"]
    rows: list[tuple[str, str, str]] = [
        ("whole path, paper's network int8, against librosa + PyTorch eager", "at least 5 times less",
         f"{paths[2]['times_less_than_first']:.2f} times less (worst round {paths[2]['lowest_ratio']:.2f})"),
        ("whole path, shipped network, against librosa + PyTorch eager", "",
         f"{paths[3]['times_less_than_first']:.1f} times less"),
        ("paper's network, int8 against float32 on ONNX Runtime", "at least 2.5 times less",
         f"{over_float:.2f} times less"),
        ("paper's spectrogram against librosa", "at least 4 times less",
         f"{features[1]['times_less_than_first']:.2f} times less (worst round {features[1]['lowest_ratio']:.2f})"),
        ("encode and send OSC", "under 60 us", f"{codec:.1f} us"),
        ("16 OSC receivers", "under 1 ms a frame", f"{sixteen:.3f} ms"),
    ]  # fmt: skip
    roofline = result["roofline"]
    if "int8_times_least" in roofline:
        rows.insert(3, ("paper's network int8 against this processor's limit, probed in the same process",
                        "within 2 times", f"{roofline['int8_times_least']:.2f} times"))  # fmt: skip
    for key, rate in (("live", ""), ("live_60", ", 60 a second")):
        if "end_to_end" in result.get(key, {}):
            rows += _live_goals(result[key], rate)
    lines = [f"| {what} | {goal} | {reached} |" for what, goal, reached in rows]
    return "\n".join(["## Goals", "", "| what | goal | measured |", "|---|---|---|", *lines, ""])


def _live_goals(live: Mapping[str, Any], rate: str) -> list[tuple[str, str, str]]:
    end, period_ms = live["end_to_end"], live["device_period_ms"]
    first_ms = live["frame_period_ms"] / 2 + end["mean_ms"]  # a sound comes anywhere within its frame
    return [
        (
            f"sound at the microphone to datagram, p50{rate}",
            f"{period_ms + 1.5:.1f} ms (a period + 1.5)",
            f"{end['p50_ms']:.2f} ms",
        ),
        ("the same, p99", f"{2 * period_ms:.1f} ms (two periods)", f"{end['p99_ms']:.2f} ms"),
        ("the same, p99.9", "7.5 ms", f"{end['p99_9_ms']:.2f} ms"),
        (
            f"any sound until the datagram that first shows it, mean{rate}",
            "13 ms" if rate else "",
            f"{first_ms:.1f} ms",
        ),
        (f"deadline misses in {live['n_frames']} frames", "0", str(sum(live["misses"].values()))),
        ("processor, capture included", "12 % of a core", f"{100 * live['core_share']:.1f} %"),
        ("resident memory", "130 MB", f"{live['memory_mib']['peak'] * 1.048576:.0f} MB"),
        ("start to first frame received", "1.5 s", f"{min(live['startup_s']):.2f} s"),
    ]


def _table(title: str, text: str, rows: Sequence[Mapping[str, Any]], factor: float, unit: str) -> str:
    lines = [
        f"| {row['name']} | {row['cpu_ms_median'] * factor:.3g} | {_ratio(row['times_less_than_first'])} |"
        for row in rows
    ]
    head = [f"## {title}", "", text, "", f"| | {unit} | against the first |", "|---|---|---|"]
    return "\n".join([*head, *lines, ""])


def _ratio(times_less: float) -> str:
    return f"{times_less:.2f} times less" if times_less >= 1 else f"{1 / times_less:.2f} times more"


def _inference(result: Mapping[str, Any]) -> str:
    roofline = result["roofline"]
    table = _table("Inference", "One frame of the network with its state.", result["inferences"], 1.0, "ms")
    if "least_ms_median" not in roofline:
        why = f"{table}\nThe processor's limit was not probed: {roofline['not_probed']}.\n"
        return why + (_NO_VNNI if roofline["not_probed"] == NO_INSTRUCTION else "")
    return (
        f"{table}\nThe limit of this processor for the paper's network in int8, probed between inferences: "
        f"{roofline['least_ms_median']:.3f} ms (each layer the longer of its products at the processor's peak and its "
        f"weights at the speed of memory). Measured: {roofline['int8_times_least']:.2f} times that.\n"
    )


def _when(live: Mapping[str, Any]) -> list[str]:
    return ["", f"A run of its own, not in turns with others; it ended at {live['ended']}."] if "ended" in live else []


def _live(result: Mapping[str, Any], key: str, title: str) -> str:
    live = result.get(key, {})
    if "end_to_end" not in live:
        return f"## {title}\n\nNot run: {live.get('not_run', 'left out')}.\n"
    rows = {**live["stages"], "end to end": live["end_to_end"], "between frames": live["interval"]}
    rows["control: idle timer"] = live["control"]
    lines = [
        f"| {name} | {values['n']} | " + " | ".join(f"{values[q]:.3f}" for q in _QUANTILES) + " |"
        for name, values in rows.items()
    ]
    busy = ", ".join(f"{100 * share:.0f} %" for share in live["machine_busy"])
    return "\n".join(
        [
            f"## {title}",
            "",
            f"The real program ({live['network']}) at a virtual microphone of 44.1 kHz with periods of "
            f"{live['device_period_ms']} ms, OSC to a receiver on the same machine, whose cores were busy {busy} "
            "during the run. Milliseconds of elapsed time; capture_wait, arrival (sound at the microphone until the "
            "loop has it), ring (the part of it after the driver's callback) and resample are per chunk, the others "
            "per frame; outputs holds encode and send. The control is how late this machine woke a real-time process "
            "that does nothing: what it shows, no program can avoid.",
            *(
                ["", f"A run of its own, not in turns with the others; it ended at {live['ended']}."]
                if "ended" in live
                else []
            ),
            "",
            "| | n | p50 | p90 | p99 | p99.9 | max |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            "Misses: " + ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in live["misses"].items()) + ".",
            "",
        ]
    )


def _loopback(result: Mapping[str, Any]) -> str:
    found = result.get("loopback")
    if found is None:
        return ""
    onset, sound = found["onset_to_datagram"], found["sound_to_datagram"]
    return (
        "## Loopback\n\n"
        f"{found['n_found']} of {found['n_chirps']} chirps found. First sample of a chirp to the datagram that shows "
        f"it (with the wait for the end of its frame): p50 {onset['p50_ms']:.1f} ms, max {onset['max_ms']:.1f} ms. "
        f"Last sample of a frame to its datagram: p50 {sound['p50_ms']:.1f} ms, p99 {sound['p99_ms']:.1f} ms. "
        f"The frames' time stamps are {found['stamp_error_ms']:+.2f} ms off, uncertain by "
        f"{found['stamp_uncertainty_ms']:.2f} ms.\n"
    )


def _peers(result: Mapping[str, Any]) -> str:
    lines, missing = [], []
    paths = {row["name"]: row["cpu_ms_median"] for row in result["paths"]}
    ours = next(value for name, value in paths.items() if "shipped" in name) * 30
    for name, peer in sorted(result["peers"].items()):
        if "not_run" in peer:
            missing.append(f"{name} was not run: {peer['not_run']}.")
            continue
        cpu = ours if name == "au-edge" else peer["cpu_ms_a_second"]
        own, known = peer["lips_by_own_times"], peer["lips_as_known"]
        label = f"{name} ({peer['network']})" if "network" in peer else f"{name} {peer.get('version', '')}".strip()
        lines.append(
            f"| {label} | {cpu:.1f} | {peer['values_a_second']:g} | {peer['sound_before_first_value_ms']:g} | "
            f"{peer['known_after_ms']:g} | {known['lag_ms']:+g} | {known['correlation']:.2f} | {own['lag_ms']:+g} |"
        )
    return "\n".join(
        [
            "## Peers",
            "",
            "The same sentences of flite, whose phones are known. Lips: the lag at which a program's mouth opening "
            "agrees best with the opening that the phones ask for (positive is late) and the correlation there, once "
            "by when a live head can show it (when the program had heard enough), once by the times that the program "
            "itself gives. The opening is jawOpen here and a table of visemes there: lags compare, correlations only "
            "roughly, and where the correlation is low the lag says little. The sentences begin with 0.2 s of silence, "
            "for which some programs give no value. One synthetic voice: this is timing, no judgement of quality.",
            "",
            "| program | ms of processor a second of sound | values a second | sound before the first value, ms | "
            "known after, ms | lips, live: lag, ms | correlation | lips, own times: lag, ms |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
            "",
            *missing,
            "",
        ]
    )
