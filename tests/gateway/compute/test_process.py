"""The compute process is replaced when it dies, whenever that is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from gateway.compute.process import ComputeProcess
from gateway.compute.protocol import Configure
from tests.support.waiting import until


def new_process() -> ComputeProcess:
    return ComputeProcess(Configure(profiles={}, coordination={}, gap_policy={}, salt=b"s", version=1))


def kill(compute: ComputeProcess) -> None:
    if compute.pid is not None and alive(compute.pid):
        os.kill(compute.pid, signal.SIGKILL)


async def test_process_that_died_idle_is_replaced_and_nobody_is_blamed() -> None:
    compute = new_process()
    await compute.start()
    assert compute._process is not None
    kill(compute)
    await compute._process.wait()

    assert (await compute.read([])).keys == []
    assert compute.restarts == 1
    await compute.stop()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_process_that_dies_again_and_again_never_wedges_its_gateway(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    async def scenario() -> None:
        compute = new_process()
        await compute.start()
        for _ in range(5):
            request = asyncio.create_task(compute.read([]))
            successor = asyncio.create_task(kill_when_new(compute, compute.pid))
            await asyncio.sleep(0)
            kill(compute)
            await asyncio.gather(request, return_exceptions=True)
            await asyncio.gather(compute.read([]), return_exceptions=True)
            successor.cancel()
            await asyncio.gather(successor, return_exceptions=True)

        await asyncio.gather(compute.read([]), return_exceptions=True)  # may meet the last victim
        assert (await compute.read([])).keys == []
        await compute.stop()

    run(scenario())


async def kill_when_new(compute: ComputeProcess, old: int | None) -> None:
    """SIGKILL to the successor while it starts."""
    await until(lambda: compute.pid not in (None, old))
    kill(compute)


def alive(pid: int | None) -> bool:
    """False when the process is gone, or dead and not yet collected."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
