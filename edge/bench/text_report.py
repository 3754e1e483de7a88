"""A measurement as text for a terminal, and two measurements side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge.machine.facts import describe_machine

_COLUMNS = ("p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")
_HEADINGS = ("", "n", "p50", "p90", "p99", "p99.9", "max")


def render_text(result: Mapping[str, Any]) -> str:
    """Return the whole result as lines."""
    lines = [*describe_machine(result["machine"]), *result["conventions"], ""]
    for label, live in result.get("live", {}).items():
        lines += _live(label, live)
    back = result.get("back_to_back")
    if back:
        lines += _back_to_back(back)
    return "\n".join(lines)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return what changed from one result to another: value before, after, and their ratio."""
    rows: list[tuple[str, float, float]] = []
    for label in before.get("live", {}):
        if label in after.get("live", {}):
            rows += _pairs(label, _live_numbers(before["live"][label]), _live_numbers(after["live"][label]))
    lanes = [{lane["label"]: lane for lane in r.get("back_to_back", {}).get("lanes", ())} for r in (before, after)]
    for label in lanes[0]:
        if label in lanes[1]:
            numbers = [
                {"cpu ms a frame": lane[label]["cpu_ms_median"], **_stage_medians(lane[label]["stages"])}
                for lane in lanes
            ]
            rows += _pairs(f"{label}, back to back", *numbers)
    if not rows:
        return "the two results have no network and backend in common"
    differing = [
        f"{name}: {before['machine'][name]} | {after['machine'][name]}"
        for name in ("processor", "governor", "kernel", "python", "packages", "au_edge")
        if before["machine"].get(name) != after["machine"].get(name)
    ]
    table = [(name, f"{a:.3f}", f"{b:.3f}", f"{b / a:.2f}x" if a else "") for name, a, b in rows]
    lines = ["The machines or versions differ:", *differing, ""] if differing else []
    return "\n".join([*lines, *_table([("", "before", "after", "ratio"), *table])])


def _live(label: str, live: Mapping[str, Any]) -> list[str]:
    misses, memory = live["misses"], live["memory_mib"]
    rows = [(name, values) for name, values in live["stages"].items()]
    rows += [("end to end", live["end_to_end"]), ("between frames", live["interval"])]
    rows += [("control: idle timer", live["control"])]
    threads = ", ".join(f"{name} {100 * share:.1f} %" for name, share in live["by_thread"].items() if share > 0.0005)
    busy = ", ".join(f"{100 * share:.0f} %" for share in live["machine_busy"])
    lines = [
        f"live, {label}: {live['network']}, {live['source']}",
        *_distributions(rows),
        f"deadline misses in {live['n_frames']} frames: {misses['later_than_a_period']} later than a period, "
        f"{misses['dropped_as_late']} dropped as late, {misses['lost_with_sound']} lost with their sound, "
        f"{misses['datagrams_lost']} datagrams lost, {misses['without_sound']} frames without sound",
        f"processor {100 * live['core_share']:.1f} % of one core ({threads}); the machine's cores were busy {busy}",
        f"memory {memory['now']} MiB resident, {memory['private']} MiB of it private; "
        f"start to first frame {', '.join(str(value) for value in live['startup_s'])} s",
    ]
    if live["power_w"] is not None:
        lines.append(f"power {live['power_w']:.2f} W, {live['millijoules_per_frame']:.1f} mJ a frame, whole module")
    return [*lines, ""]


def _back_to_back(back: Mapping[str, Any]) -> list[str]:
    lines = [
        f"back to back, {back['n_rounds']} rounds in turn, {back['n_frames_a_round']} frames a round; "
        "processor time a frame is the median of the rounds"
    ]
    for lane in back["lanes"]:
        lines.append(
            f"{lane['label']} ({lane['precision']}): {lane['cpu_ms_median']:.3f} ms of processor time a frame "
            f"({lane['cpu_ms_median'] / lane['frame_period_ms'] * 100:.1f} % of the period), "
            f"{lane['times_less_cpu_than_first']:.2f} times less than the first lane"
        )
        lines += _distributions(lane["stages"].items())
    return [*lines, *(f"not run: {reason}" for reason in back["not_run"]), ""]


def _distributions(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    table = [(name, str(v["n"]), *(f"{v[column]:.3f}" for column in _COLUMNS)) for name, v in rows]
    return _table([_HEADINGS, *table])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))  # noqa: B905
        for row in rows
    ]


def _live_numbers(live: Mapping[str, Any]) -> dict[str, float]:
    end = live["end_to_end"]
    return {
        **{f"end to end {name.removesuffix('_ms')} ms": end[name] for name in _COLUMNS},
        "misses": sum(live["misses"].values()),
        "processor % of a core": 100 * live["core_share"],
        "memory MiB": live["memory_mib"]["now"],
        "start to first frame s": min(live["startup_s"]),
        **_stage_medians(live["stages"]),
    }


def _stage_medians(stages: Mapping[str, Any]) -> dict[str, float]:
    return {f"{name} p50 ms": values["p50_ms"] for name, values in stages.items()}


def _pairs(label: str, before: Mapping[str, float], after: Mapping[str, float]) -> list[tuple[str, float, float]]:
    return [(f"{label}: {name}", before[name], after[name]) for name in before if name in after]
