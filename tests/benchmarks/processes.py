"""What groups of processes used: processor time and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

Group = int | str
"""A process id, or "tree:<id>" for a process with all below it."""


def cpu_seconds(groups: Mapping[str, Group]) -> dict[str, float]:
    """User and system time of each group so far, of ended and waited-for children too."""
    parents: dict[int, int] = {}
    times: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        parents[int(folder.name)] = int(fields[1])
        times[int(folder.name)] = sum(int(each) for each in fields[11:15]) / TICKS
    used = dict.fromkeys(groups, 0.0)
    for name, group in groups.items():
        if isinstance(group, int):
            used[name] = times.get(group, 0.0)
            continue
        root = int(group.removeprefix("tree:"))
        used[name] = sum(time for pid, time in times.items() if _below(pid, root, parents))
    return used


def _below(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid > 1 and pid != root:
        pid = parents.get(pid, 0)
    return pid == root


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - value for name, value in before.items()}


def peak_memory(pid: int) -> float:
    """Largest resident size so far, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def reset_peak(pid: int) -> float:
    """Resident size now, MiB; the peak counts from here on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_memory(pid)


def machine_seconds() -> float:
    """Processor time that everything on this machine used so far."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = (
        int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / TICKS
