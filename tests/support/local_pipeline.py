"""A pipeline in one process: the real store, the real steps, no child process.  For tests of what is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from channels.ports import Inbound
from gateway.admission import IntakeFeed, admit
from gateway.compute.answering import AnswerRule
from gateway.compute.process import PartOf
from gateway.compute.protocol import Act, Configure, Decide, Decided, Read, ReadDone
from gateway.compute.steps import Steps
from gateway.coordination.changes import CoordinationSettings
from gateway.pipeline import Pipeline, PipelineSettings
from gateway.store.limits import PART
from gateway.store.migrate import migrate
from gateway.store.ports import JournalEntry
from gateway.store.sqlite import SqliteStore
from mappings.profile import Facility, FeedProfile
from parsers.x12.acknowledgement import number_interchange

NOW = datetime(2026, 11, 9, 15, 0, tzinfo=UTC)


class LocalCompute:
    """`ComputeProcess` without the process: requests cross the same encoding."""

    def __init__(self, configuration: Configure) -> None:
        self._parts: dict[tuple[int, int], bytes] = {}
        self._configuration = configuration
        self.begin_anew()

    def begin_anew(self) -> None:
        """As after the death of the process."""
        self._steps = Steps(fetch=lambda journal_id, number: self._parts[journal_id, number])
        self._steps.configure(self._configuration)

    async def read(self, items: list[Any], group: int = 256, part_of: PartOf | None = None) -> ReadDone:
        for item in items:
            for number in range(-(-item.size // PART)):
                assert part_of is not None
                self._parts[item.journal_id, number] = await part_of(item.journal_id, number) or b""
        return self._steps.read(self._crossed({"items": items, "group": group}, Read))

    async def decide(self, request: dict[str, Any]) -> Decided:
        return self._back(self._steps.decide(self._crossed(request, Decide)))

    async def act(self, request: dict[str, Any]) -> Decided:
        return self._back(self._steps.act(self._crossed(request, Act)))

    @staticmethod
    def _crossed(request: dict[str, Any], kind: type[Any]) -> Any:
        tagged = {"type": kind.__struct_config__.tag, **request}
        return msgspec.msgpack.decode(msgspec.msgpack.encode(tagged), type=kind, strict=False)

    @staticmethod
    def _back(decided: Decided) -> Decided:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(decided), type=Decided)


class LocalPipeline:
    """`send` stores a body and lets everything that follows from it happen."""

    def __init__(
        self,
        folder: Path,
        *,
        gap_policy: str = "gap",
        clock: Callable[[], datetime] = lambda: NOW,
        answering: AnswerRule | None = None,
    ) -> None:
        url = f"sqlite:///{folder / 'baton.db'}"
        migrate(url)
        self.store = SqliteStore(folder / "baton.db", clock=clock, numbering=number_interchange)
        self.profile = FeedProfile(
            channel="adt",
            default_authority="GENHOSP",
            facilities=(Facility(id="main", aliases=("GENHOSP",)),),
            unique_control_numbers=True,
        )
        configuration = Configure(
            profiles={"adt": self.profile},
            coordination={"": CoordinationSettings()},
            gap_policy={"adt": gap_policy},
            answering={"adt": answering} if answering else {},
            salt=b"s" * 32,
            version=1,
        )
        self.pipeline = Pipeline(self.store, LocalCompute(configuration), PipelineSettings(), clock)  # type: ignore[arg-type]
        self._clock = clock

    async def send(self, *bodies: bytes, kind: str = "hl7v2") -> list[int]:
        """Journal ids, in order."""
        stored = await self.store.ingest([self.admitted(body, kind) for body in bodies])
        await self.settle()
        return [one.journal_id for one in stored]

    def admitted(self, body: bytes, kind: str = "hl7v2") -> JournalEntry:
        inbound = Inbound("adt", "test", self._clock(), body, answered=lambda answer: None, kind=kind)
        return admit(inbound, IntakeFeed(profile=self.profile)).entry

    async def settle(self) -> None:
        while await self.pipeline.run_once():
            pass

    async def rows(self, table: str, *columns: str) -> Sequence[Sequence[Any]]:
        def query(connection: Any) -> Sequence[Sequence[Any]]:
            return connection.raw.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1").fetchall()

        return await self.store.reading(query)
