"""Opens the store of these settings for commands that only look, or that keep what no running gateway holds."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from gateway.cli.console import fail
from gateway.clock import system_clock
from gateway.settings import Settings
from gateway.store.core_store import CoreStore
from gateway.store.ports import SchemaMismatch, StoreUnavailable, UnsafeStore
from parsers.x12.acknowledgement import number_interchange

T = TypeVar("T")
PatientName = Annotated[str, typer.Argument(metavar="PATIENT", help="Our id of the patient, or `AUTHORITY|NUMBER`.")]


def with_store(settings: Settings, action: Callable[[CoreStore], Awaitable[T]]) -> T:
    """Run `action` on the open store; an absent or unfit store ends the command with a sentence."""

    from gateway.store.opening import open_store  # both drivers: not for commands that need no store

    async def run() -> T:
        store = open_store(settings, system_clock, numbering=number_interchange)
        await store.open()
        try:
            return await action(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except SchemaMismatch as error:
        fail(f"{error}. Run `baton migrate`.", code=3)
    except UnsafeStore as error:
        fail(f"The store is not safe: {error}.", code=3)
    except (StoreUnavailable, OSError):
        fail("The store cannot be opened: is its address right, and is it running?", code=3)


def account() -> str:
    """Who is at the keyboard, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
