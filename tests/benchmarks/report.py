"""What a run found, as Markdown: targets first, then every figure behind them."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.costs import Costs
from tests.benchmarks.setups import OUTSIDE_TOOL, ROOT, TITLES
from tests.benchmarks.stages import SETUPS, STAGES, Cell, Measured, Plan

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: made by `make bench` -->", "<!-- end of figures -->"
DISTURBED = 30_000
BUSY = 0.1


@dataclass
class Target:
    what: str
    wanted: str
    found: str
    met: bool


def targets(found: Measured, costs: Costs, plan: Plan) -> list[Target]:
    one, most = plan.connections[0], plan.connections[-1]
    rows: list[Target] = []

    def at_least(what: str, value: float, bar: float, form: str) -> None:
        rows.append(Target(what, "≥ " + form.format(bar), form.format(value), value >= bar))

    def at_most(what: str, value: float, bar: float, form: str) -> None:
        rows.append(Target(what, "≤ " + form.format(bar), form.format(value), value <= bar))

    for setup in SETUPS:
        share = found.share(setup, "intake", most)
        at_least(f"durable intake, share of the floor, {TITLES[setup]}", share, 0.18, "{:.1%}")
    for setup, bar in (("sqlite", 0.07), ("postgres", 0.05)):
        share = found.share(setup, "end-to-end", most)
        at_least(f"end to end, share of the floor, {TITLES[setup]}", share, bar, "{:.1%}")
    for setup in SETUPS:
        gain = found.gain(setup, one, most)
        at_least(f"durable rate of {most} connections against one, {TITLES[setup]}", gain, 8, "{:.1f}x")
    bar = 12 * statistics.median(found.fdatasync_ms) + 5
    for setup in SETUPS:
        at_most(f"ACK p99 at {plan.paced_rate}/s, {TITLES[setup]}", found.paced[setup].p99_ms, bar, "{:.1f} ms")
    for setup, (empty, full) in costs.claim_us.items():
        at_most(
            f"claim cost with {plan.rows:,} finished rows against none, {TITLES[setup]}", full / empty, 1.25, "{:.2f}x"
        )
    at_most("publisher, processor time per confirmed event in batches of 200", costs.publish_us, 40, "{:.0f} µs")
    for setup in SETUPS:
        saturated = statistics.median(cell.total_us for cell in found.cells[setup, "end-to-end", most])
        ratio = found.paced[setup].total_us / saturated
        at_most(
            f"processor time per message at {plan.paced_rate}/s against saturation, {TITLES[setup]}",
            ratio,
            4,
            "{:.1f}x",
        )
    return rows


def markdown(
    found: Measured, costs: Costs, further: Sequence[tuple[str, str, str, bool]], lines: Sequence[str], plan: Plan
) -> str:
    """`further`: (target, wanted, found, met) of other measurements; `lines`: their figures."""
    rows = [*targets(found, costs, plan), *(Target(*row) for row in further)]
    parts = [*_head(found, plan), *_targets(rows), *_rates(found, plan), *_costs(found, costs, plan)]
    return "\n".join([*parts, *lines]) + "\n"


def _head(found: Measured, plan: Plan) -> Iterator[str]:
    tool = "tools/mllp_load.py" if OUTSIDE_TOOL.exists() else "tests/benchmarks/load.py"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    yield (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory} GiB, Python {platform.python_version()}, "
        f"{plan.rounds} rounds in turn, medians; shares are those of a round to its own floor. All servers and the load generator share the machine."
    )
    if found.floor_rate(plan.connections[-1]) < DISTURBED:
        yield f"\n**Disturbed run: the floor is under {DISTURBED:,}/s; its figures are void.**"
    others = f"Other programs used {found.others:.0%} of the processors during the loads"
    yield (
        f"\n**{others}: the rates are too low; measure again on a quiet machine.**"
        if found.others > BUSY
        else f"\n{others}."
    )
    yield f"\nFloor (driven by `{tool}`), messages per second of each round:\n"
    for connections, rates in found.floor.items():
        yield f"- {connections} connections: {', '.join(f'{rate:,.0f}' for rate in rates)}"
    own = ", ".join(f"{rate:,.0f}" for rate in found.floor_by_own)
    yield f"- {plan.connections[-1]} connections, driven by `tests/benchmarks/load.py`, which drives all that follows: {own}"
    yield f"\nBare 4 kB append + fdatasync, median: {statistics.median(found.fdatasync_ms):.2f} ms."


def _targets(rows: Sequence[Target]) -> Iterator[str]:
    yield "\n| Target | Wanted | Found | |"
    yield "|---|---|---|---|"
    for row in rows:
        yield f"| {row.what} | {row.wanted} | {row.found} | {'met' if row.met else '**missed**'} |"


def _rates(found: Measured, plan: Plan) -> Iterator[str]:
    yield (
        "\nIntake: acknowledged after the synced commit. End to end: until every message ended, its tasks written and its "
        "events confirmed by the bus (embedded: in the event log). Each message admits a new patient: 4 events, 2 tasks.\n"
    )
    yield "| | connections | msg/s | rounds | of the floor | ACK p50 / p99 ms | processor µs per message | sum |"
    yield "|---|---|---|---|---|---|---|---|"
    for setup in SETUPS:
        for stage in STAGES:
            for connections in plan.connections:
                cells = found.cells[setup, stage, connections]
                rates = ", ".join(f"{cell.rate:,.0f}" for cell in cells)
                middle = sorted(cells, key=lambda cell: cell.rate)[len(cells) // 2]
                share = found.share(setup, stage, connections)
                name = f"{TITLES[setup]}, {stage.replace('-', ' ')}"
                yield f"| {name} | {connections} | {middle.rate:,.0f} | {rates} | {share:.1%} | {_cell(middle)} |"
        yield f"| {TITLES[setup]}, updates of known patients | {plan.connections[-1]} | {found.updates[setup].rate:,.0f} | | | {_cell(found.updates[setup])} |"
        yield f"| {TITLES[setup]}, paced {plan.paced_rate}/s | 32 | {found.paced[setup].rate:,.0f} | | | {_cell(found.paced[setup])} |"


def _cell(cell: Cell) -> str:
    groups = ", ".join(f"{name} {used:.0f}" for name, used in cell.cpu_us.items())
    return f"{cell.p50_ms:.1f} / {cell.p99_ms:.1f} | {groups} | {cell.total_us:.0f}"


def _costs(found: Measured, costs: Costs, plan: Plan) -> Iterator[str]:
    yield "\n| Step | processor µs |"
    yield "|---|---|"
    yield f"| scan the header of one ADT^A01 of 1.1 kB | {costs.scan_us:.1f} |"
    yield f"| open it and read 25 fields, as sent | {costs.fields_us:.1f} |"
    yield f"| read and map all of it | {costs.read_us:.0f} |"
    yield f"| python-hl7's parse of the same | {costs.tree_us:.0f} |"
    yield f"| decide on it, rules included, new patient | {costs.decide_us:.0f} |"
    for setup, (empty, full) in costs.claim_us.items():
        yield f"| store, claim and end a row without any work on it, {TITLES[setup]}: beside 0 / {plan.rows:,} finished rows | {empty:.0f} / {full:.0f} |"
    yield f"| publish one event, batches of 200 | {costs.publish_us:.0f} |"
    yield "\n| | bytes stored per message | largest memory, MiB |"
    yield "|---|---|---|"
    for setup in SETUPS:
        memory = ", ".join(f"{name} {size:.0f}" for name, size in found.memory[setup].items())
        yield f"| {TITLES[setup]} | {found.stored[setup]:,.0f} | {memory} |"


def write(text: str, page: Path = PAGE) -> None:
    """Put the figures between the markers of the page."""
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}", "utf-8")
