"""baton.toml of a gateway under test: two MLLP feeds, one payer folder, small times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_TEXT = """
[gateway]
data_dir = "{folder}/var"
log_level = "{log_level}"
[store]
url = "{store_url}"
[api]
port = {api_port}
[disk]
reserve_bytes = 0
[bus]
url = "{bus_url}"
exchange = "{exchange}"
publish_timeout = 5
{queue}
[[facility]]
id = "general-hospital"
aliases = ["GENHOSP"]
[[facility]]
id = "town-clinic"
aliases = ["TOWNCLINIC"]
[[channel]]
name = "adt"
kind = "mllp-listener"
port = {adt_port}
default_facility = "general-hospital"
default_authority = "GENHOSP"
hold_seconds = {hold_seconds}
split_lanes = {split_lanes}
[[channel]]
name = "siu"
kind = "mllp-listener"
port = {siu_port}
default_facility = "general-hospital"
default_authority = "GENHOSP"
[[channel]]
name = "payers"
kind = "file-drop"
default_facility = "general-hospital"
default_authority = "GENHOSP"
poll_seconds = 0.05
stable_seconds = 0.05
"""
_QUEUE = '[[bus.queue]]\nname = "{name}"\nbindings = ["#"]\n'


@dataclass(frozen=True, slots=True)
class Ground:
    """What a gateway stands on.  No URL: SQLite in the folder, and the embedded event log."""

    folder: Path
    store_url: str = ""
    bus_url: str = ""
    exchange: str = "baton.events"
    queue: str = ""

    @property
    def url(self) -> str:
        return self.store_url or f"sqlite:///{self.folder}/var/baton.db"


def write_configuration(
    ground: Ground,
    *,
    ports: tuple[int, int, int] = (0, 0, 0),
    hold_seconds: float = 10.0,
    split_lanes: int = 1,
    log_level: str = "INFO",
    more: str = "",
) -> Path:
    """Write baton.toml into the folder of `ground`.  `ports`: adt, siu, API; 0 takes a free one."""
    text = _TEXT.format(
        folder=ground.folder,
        store_url=ground.url,
        bus_url=ground.bus_url,
        exchange=ground.exchange,
        queue=_QUEUE.format(name=ground.queue) if ground.queue else "",
        adt_port=ports[0],
        siu_port=ports[1],
        api_port=ports[2],
        hold_seconds=hold_seconds,
        split_lanes=split_lanes,
        log_level=log_level,
    )
    if "[coordination]" not in more:  # each message tells its own: what is reconciled names messages
        more = f"{more}\n[coordination]\nupdate_hold_s = 0\n"
    path = ground.folder / "baton.toml"
    path.write_text(f"{text}{more}\n", encoding="utf-8")
    return path
