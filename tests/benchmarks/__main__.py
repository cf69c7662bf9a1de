"""`make bench`: measure everything in one run and print it; `--write` puts it into docs/performance.md."""

from __future__ import annotations

import argparse
import sys
import time

from tests.benchmarks import costs, growth, large, report, shadow, stages, x12
from tests.benchmarks.setups import ROOT, TITLES, Servers, UnsafeToReport


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a minute instead of a quarter of an hour: shows that it runs"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the figures into docs/performance.md")
    chosen = parser.parse_args(arguments)
    plan = stages.Plan.quick() if chosen.quick else stages.Plan(rounds=chosen.rounds)
    started = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {words}", file=sys.stderr, flush=True)

    (ROOT / "var").mkdir(exist_ok=True)
    try:
        with Servers().running() as servers:
            measured = stages.measure(plan, servers, tell)
            single = costs.measure(plan, servers, tell)
            paces = shadow.measure(plan, servers, tell)
            grown = growth.measure(plan, servers, tell)
            tell("a large file")
            setups = ("sqlite",) if chosen.quick else stages.SETUPS
            files = large.measure(servers, *((1_000, 12) if chosen.quick else (20_000, 200)), tuple(setups))
        tell("reading and checking X12 beside pyx12")
        interchanges = x12.measure(5 if chosen.quick else 11, (100, 1_000) if chosen.quick else (1_000, 100_000))
    except UnsafeToReport as reason:
        print(reason, file=sys.stderr)
        return 3
    rows = [*growth.rows(grown, plan), *shadow.rows(paces, TITLES), *x12.rows(interchanges), *large.rows(files, TITLES)]
    lines = [*growth.lines(grown, plan), "\n| X12 | processor µs |", "|---|---|", *x12.lines(interchanges)]
    text = report.markdown(measured, single, rows, [*lines, *large.lines(files, TITLES)], plan)
    print(text)
    if chosen.write:
        report.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
