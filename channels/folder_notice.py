"""Hears of files that arrive in a folder (inotify(7)), beside the looks at intervals, which remain the truth.

A network file system tells nothing of what other machines do, the watches of an account are numbered, and other systems
have no inotify: none of that is an error, the folder is only looked at less soon.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncinotify import Inotify, Mask

log = logging.getLogger(__name__)


class FolderNotice:
    """Calls `arrived` after a file was written and closed in `folder`, or moved into it."""

    def __init__(self, channel: str, folder: Path, arrived: Callable[[], None]) -> None:
        self._channel = channel
        self._folder = folder
        self._arrived = arrived
        self._task: asyncio.Task[None] | None = None
        self._said = False

    @property
    def listening(self) -> bool:
        return self._task is not None and not self._task.done()

    def listen(self) -> None:
        """Listen, if that can be and is not done: the folder may be another than the one listened to before."""
        if self.listening or self._said:
            return
        try:
            from asyncinotify import Inotify, Mask  # not on every system

            ears = Inotify()
            try:
                ears.add_watch(self._folder, Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.MOVE_SELF | Mask.ONLYDIR)
            except BaseException:
                ears.close()
                raise
        except FileNotFoundError:
            return  # the looks say so
        except (OSError, ImportError, RuntimeError) as problem:
            self._said = True
            log.info("channel %s: the folder is only looked at now and then: %s", self._channel, type(problem).__name__)
            return
        self._task = asyncio.get_running_loop().create_task(self._hear(ears, Mask.MOVE_SELF | Mask.IGNORED))

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _hear(self, ears: Inotify, gone: Mask) -> None:
        with ears:
            async for event in ears:
                self._arrived()
                if event.mask & gone:  # moved away or removed: listened to anew where the next look finds one
                    return
