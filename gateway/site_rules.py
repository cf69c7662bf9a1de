"""A site's own rules: Python modules on its disk, loaded in the compute process (decision 18) and by `baton rules`.

A module that cannot be loaded is left out with its fault named; the rules of the others, and ours, run on.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType

import msgspec

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.rules.declaration import Rule
from gateway.coordination.rules.registry import BY_ID
from gateway.coordination.tasks import PRIORITIES

SECONDS = 5.0
"""Time a module has to be imported in."""

_NUMBERS = frozenset(CoordinationSettings.__struct_fields__)
TYPES = frozenset(
    (
        "outreach", "schedule", "verify-coverage", "obtain-auth", "submit-info", "appeal", "handoff", "notify",
        "notice", "review", "identity", "social", "fix-interface",
    )
)  # fmt: skip


class SiteRules(msgspec.Struct, kw_only=True):
    """`faults` name file and reason, never a text of the module."""

    rules: list[Rule] = msgspec.field(default_factory=list)
    faults: list[str] = msgspec.field(default_factory=list)


def load_site_rules(place: str) -> SiteRules:
    """The rules of the module at `place`, or of every module in that folder by name; none when `place` is empty."""
    found = SiteRules()
    if not place:
        return found
    root = Path(place)
    files = sorted(root.glob("*.py")) if root.is_dir() else [root]
    if not root.exists():
        found.faults.append(f"{root.name}: there is no such file or folder")
        return found
    for file in files:
        try:
            with _within(SECONDS):
                module = _load(file)
        except (Exception, SystemExit) as error:  # whatever a site's module does at import, the others load
            found.faults.append(f"{file.name}: {type(error).__name__}{_line(error, file)}")
            continue
        _take(found, file, [one for one in vars(module).values() if isinstance(one, Rule)])
    return found


def _take(found: SiteRules, file: Path, declared: list[Rule]) -> None:
    ours = {id(rule) for rule in BY_ID.values()}
    taken = {rule.id for rule in found.rules} | BY_ID.keys()
    for rule in declared:
        if id(rule) in ours:
            continue
        flaws = flaws_of(rule)
        if rule.id in taken:
            flaws.append("its id is taken")
        if flaws:
            found.faults.append(f"{file.name}: rule {rule.id}: {', '.join(flaws)}")
        else:
            taken.add(rule.id)
            found.rules.append(rule)


def flaws_of(rule: Rule) -> list[str]:
    """What keeps a declaration from running."""
    flaws = []
    if rule.priority not in PRIORITIES:
        flaws.append(f"priority must be one of {', '.join(PRIORITIES)}")
    if rule.type not in TYPES:
        flaws.append(f"type must be one of {', '.join(sorted(TYPES))}")
    if not rule.queue:
        flaws.append("a queue is missing")
    if not rule.watches:
        flaws.append("`watches` is empty, so that it never looks")
    if not (rule.look or (rule.about and rule.wants) or (rule.checks and rule.ripe)):
        flaws.append("it has neither `look`, nor `about` with `wants`, nor `checks` with `ripe`")
    unknown = sorted(set(rule.settings) - _NUMBERS)
    if unknown:
        flaws.append(f"unknown settings {', '.join(unknown)}")
    return flaws


def _load(file: Path) -> ModuleType:
    name = f"baton_site_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(file.name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Ends what takes longer with TimeoutError.  Only in a process's main thread, where modules are loaded."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _line(error: BaseException, file: Path) -> str:
    """ " at line 3" of the module, where that is known."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f" at line {error.lineno}"
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" at line {line}" if line else ""
