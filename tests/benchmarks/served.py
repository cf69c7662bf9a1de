"""A gateway in a process of its own, as `baton serve` runs it, that a benchmark can ask how far it is.

`python -m tests.benchmarks.served baton.toml [--intake-only]`.  Prints one JSON line when it takes messages; then answers
each line of standard input with one: `settle N` when N items ended and nothing is to be delivered, `stop` at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop
from sqlalchemy import Connection, func, select

from gateway import garbage
from gateway.bootstrap import Gateway
from gateway.settings.check import load
from gateway.store import schema
from gateway.telemetry import configure_logging

CHECKED = {
    "sqlite": ("PRAGMA journal_mode", "PRAGMA synchronous"),
    "postgresql": ("SHOW fsync", "SHOW synchronous_commit", "SHOW full_page_writes"),
}


def settings_of(connection: Connection) -> dict[str, str]:
    """What the connection that the gateway writes with says about its commits."""
    questions = CHECKED[connection.dialect.name]
    return {each.split()[-1]: str(connection.exec_driver_sql(each).scalar()) for each in questions}


async def settle(gateway: Gateway, count: int) -> dict[str, float]:
    pending = select(func.count().label("n")).select_from(schema.outbox)
    while sum(gateway.status.ended.values()) < count:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    while (await gateway.store.fetch(pending))[0]["n"]:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    words: dict[str, int] = {}
    for (_, word), ended in gateway.status.ended.items():
        words[word] = words.get(word, 0) + ended
    return {"at": time.perf_counter(), "batches": gateway.pipeline.batches, "commits": gateway.intake.commits, **words}


async def serve(config: Path, intake_only: bool) -> None:
    settings = load(config)
    configure_logging("WARNING")
    gateway = Gateway(settings)
    await gateway.start()
    if intake_only:
        await gateway.pipeline.stop()
    garbage.collect_rarely()
    ready = {
        "port": gateway.port_of("adt"),
        "compute": gateway.compute.pid,
        "settings": await gateway.store.execute_write(settings_of),
    }
    print(json.dumps(ready), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, rest = line.strip().partition(" ")
        if word == "stop":
            break
        print(json.dumps(await settle(gateway, int(rest))), flush=True)
    await gateway.stop()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), "--intake-only" in sys.argv[2:]))
