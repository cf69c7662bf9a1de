"""Commands against a gateway that serves: one story, told by the commands themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.gateway.cli.conftest import ADMIT, NO_PATIENT, Served
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.journey


def send(baton: Any, served: Served, text: str, expect: int = 0) -> None:
    file = served.folder / "one.hl7"
    file.write_text(text, newline="")
    assert baton("send", file, "--port", served.mllp).code == expect


def until(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + 20
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_admission_becomes_a_task_that_is_worked(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="one"))
    tasks = until(lambda: baton("tasks", *config, "--json").rows)
    task_id = tasks[0]["task_id"]
    why = baton("why", task_id, *config, "--json").rows[0]
    assert why["task"]["rule_id"] and why["messages"][0]["message_type"] == "ADT^A01"
    shown = baton("why", task_id, *config)
    assert "Evidence" in shown.out and "m-1" in shown.out
    assert baton("tasks", "claim", task_id, "--actor", "jdoe", *config).code == 0
    assert baton("tasks", "release", task_id, "--actor", "jdoe", "--reason", "lunch", *config).code == 0
    done = baton("tasks", "complete", task_id, "--actor", "jdoe", "--outcome", "reached", *config, "--json")
    assert done.rows[0]["status"] == "completed" and done.rows[0]["revision"] == 4
    again = baton("tasks", "complete", task_id, "--actor", "jdoe", *config)
    assert again.code == 1 and "409" in again.err
    assert baton("tasks", "claim", "tsk_none", *config).code == 1
    assert task_id not in baton("tasks", *config, "--json").out
    acts = [row["action"] for row in baton("audit", *config, "--json").rows if row["action"] != "task.read"]
    assert acts[::-1][:5] == ["task.why", "task.why", "task.claim", "task.release", "task.complete"]


def test_message_and_patient_are_found_by_what_is_known_of_them(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="known-1").replace("900700", "900711").replace("V70001", "V70011"))
    rows = until(lambda: baton("messages", "--patient", "GENHOSP|900711", *config, "--json").rows)
    assert [row["control_id"] for row in rows] == ["known-1"]
    assert baton("messages", "--control-id", "known-1", "--end", "processed", *config, "--json").rows == rows
    assert "known-1" in baton("messages", "--channel", "adt", *config).out
    assert "No message" in baton("messages", "--control-id", "known-1", "--end", "parked", *config).out
    state = baton("patients", "show", "GENHOSP|900711", *config, "--json").rows[0]
    assert baton("patients", "show", state["patient"]["patient_id"], *config, "--json").rows == [state]
    assert [stay["visit_number"] for stay in state["encounters"]] == ["V70011"]
    assert "V70011" in baton("patients", "show", "GENHOSP|900711", *config).out
    found = baton("patients", "find", "--family", "zzcanary", "--birth-date", "1952-04-19", *config, "--json").rows
    assert state["patient"]["patient_id"] in [row["patient_id"] for row in found]
    assert baton("patients", "find", *config).code == 2 and baton("patients", "find", "1", *config).code == 0
    assert baton("messages", "--patient", "GENHOSP|1", *config).code == 1
    assert baton("messages", "--end", "lost", *config).code == baton("tasks", "--status", "lost", *config).code == 2
    acts = {(row["action"], row["object"]) for row in baton("audit", *config, "--json").rows}
    me = state["patient"]["patient_id"]
    assert {("message.search", me), ("patient.read", me), ("patient.search", "patients")} <= acts


def test_events_are_followed_from_store_and_api(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="two"))
    stored = until(lambda: baton("tail", "--from", "start", "--no-follow", *config, "--json").rows)
    asked = baton("tail", "--api", "--from", "start", "--no-follow", *config, "--json").rows
    assert [row["position"] for row in asked][: len(stored)] == [row["position"] for row in stored]
    rest = baton("tail", "--from", stored[0]["position"], "--no-follow", *config, "--json").rows
    assert rest[: len(stored) - 1] == stored[1:]
    assert "encounter.admitted" in baton("tail", "--from", "start", "--no-follow", *config).out
    assert baton("tail", "--no-follow", *config).out == ""
    assert baton("tail", "--from", "nowhere", "--no-follow", *config).code == 2


def test_webhook_is_added_tested_rotated_and_removed(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    with receiving() as receiver:
        added = baton("webhook", "add", "care-app", receiver.url, "--type", "task.*", *config, "--json").rows[0]
        assert added["secret"].startswith("whsec_") and added["payload"] == "reference"
        assert baton("webhook", "test", "care-app", *config).code == 0
        _, headers, body = receiver.requests[0]
        assert Verifier(added["secret"]).verify(body, headers)["type"] == "webhook.test"
        send(baton, served, ADMIT.format(id="hook").replace("900700", "900799").replace("V70001", "V70099"))
        until(lambda: len(receiver.requests) > 1)
        assert b'"task.created"' in receiver.requests[1][2] and b"ZZCANARY" not in receiver.requests[1][2]
        rotated = baton("webhook", "rotate", "care-app", *config)
        assert "whsec_" in rotated.out and added["secret"] not in rotated.out
        receiver.answers = [500]
        assert baton("webhook", "test", "care-app", *config).code == 1
    (row,) = baton("webhook", "list", *config, "--json").rows
    assert row["state"] == "active" and row["confirmed"] >= 1
    assert baton("webhook", "add", "care-app", "http://127.0.0.1:9/", *config).code == 1
    refused = baton("webhook", "add", "inside", "https://10.0.0.1/", *config)
    assert refused.code == 1 and "not public" in refused.err
    assert baton("webhook", "disable", "care-app", *config).code == 0
    assert baton("webhook", "enable", "care-app", *config).code == 0
    assert baton("webhook", "remove", "care-app", *config).code == 0
    assert baton("webhook", "remove", "care-app", *config).code == 1


def test_parked_message_is_edited_and_processed(baton: Any, served: Served, tmp_path: Path) -> None:
    config = ("--config", served.config)
    send(baton, served, NO_PATIENT.format(id="three"))
    (item,) = until(lambda: baton("parked", *config, "--json").rows)
    assert baton("parked", "show", item["parked_id"], *config, "--json").rows[0]["channel"] == "adt"
    assert baton("parked", "show", "99", *config).code == 1
    mended = tmp_path / "mended.hl7"
    mended.write_text(ADMIT.format(id="three"), newline="")
    ran = baton("parked", "edit", item["parked_id"], "--file", mended, "--reason", "PID-3 was empty", *config, "--json")
    assert ran.rows[0]["done"] == "edited"
    assert baton("parked", *config).out == "Nothing is parked.\n"
    assert baton("parked", "discard", item["parked_id"], "--reason", "x", *config).code == 1
    book = until(lambda: [row for row in baton("ledger", *config, "--json").rows if row["open"] == 0])
    assert all(row["balanced"] for row in book)


def test_channel_is_paused_and_resumed(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    assert baton("channels", *config, "--json").rows[0]["state"] == "running"
    assert baton("channels", "pause", "adt", "--actor", "jdoe", *config, "--json").rows[0]["state"] == "paused"
    assert baton("channels", "show", "adt", *config, "--json").rows[0]["state"] == "paused"
    assert baton("channels", "resume", "adt", "--actor", "jdoe", *config, "--json").rows[0]["state"] == "running"
    assert baton("channels", "pause", "none", *config).code == 1


def test_key_is_shown_once_and_revoked(baton: Any, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ("--config", served.config)
    made = baton("key", "create", "look", "-s", "channels:read", "-f", "main", *config, "--json").rows[0]
    listed = baton("key", "list", *config, "--json")
    assert made["secret"] not in listed.out and made["key_id"] in listed.out
    monkeypatch.setenv("BATON_API_KEY", made["secret"])
    assert baton("channels", *config).code == 0
    refused = baton("channels", "pause", "adt", *config)
    assert refused.code == 1 and "403" in refused.err
    assert baton("key", "revoke", made["key_id"], *config).code == 0
    assert baton("key", "revoke", made["key_id"], *config).code == 1
    assert "401" in baton("channels", *config).err
    assert baton("key", "create", "x", "-s", "all", "-f", "main", *config).code == 2
    assert baton("key", "create", "x", "-s", "tasks:read", "-f", "moon", *config).code == 2


def test_admin_key_is_for_the_account_alone(served: Served) -> None:
    assert os.stat(served.folder / "var" / "admin.key").st_mode & 0o777 == 0o600


def test_prune_counts_before_it_removes(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    counts = baton("prune", "--dry-run", *config, "--json").rows[0]
    assert counts["dry_run"] and counts["bodies"] == 0
    assert "gone" in baton("prune", *config).out


def test_serve_on_a_taken_port_ends_with_3_and_says_why(served: Served, tmp_path: Path) -> None:
    config = tmp_path / "baton.toml"
    taken = f'[[channel]]\nname = "adt"\nkind = "mllp-listener"\nport = {served.mllp}\n'
    config.write_text(f'[gateway]\ndata_dir = "{tmp_path}/var"\n[api]\nport = 0\n{taken}')
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, timeout=60)
    assert ended.returncode == 3 and str(served.mllp).encode() in ended.stderr


def test_what_if_over_stored_traffic_differs_in_nothing_and_why_not_names_the_rule(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="whatif"))
    until(lambda: baton("tasks", *config, "--json").rows)
    since = ("--since", f"{datetime.now() - timedelta(hours=1):%Y-%m-%d %H:%M:%S}")
    (received,) = baton("replay", *since, *config, "--json").rows
    assert received["message_type"] == "ADT^A01" and received["count"] > 0
    same = baton("replay", *since, "--shadow", *config, "--json").rows
    assert len(same) == 1 and same[0]["same"] > 0 and same[0]["rules"] == {}
    why = baton("why-not", "GENHOSP|900700", "--rule", "readmission-30d", *config, "--json").rows[0]
    assert {told["message_type"] for told in why["told"] if not told["timer"]} == {"ADT^A01"}
    assert "readmission-30d opened nothing" in why["says"]
    assert "admission" in baton("why-not", "GENHOSP|900700", *config).out
    kinds = [row["kind"] for row in baton("transitions", "GENHOSP|900700", *config, "--json").rows]
    assert "encounter-status" in kinds
    assert baton("why-not", "GENHOSP|1", *config).code == 1
    assert baton("shadow", "adt", *config).code == 2, "it is live"


def test_control_id_given_twice_is_told_of_message_and_channel(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="twice").replace("900700", "900811").replace("V70001", "V70811"))
    send(baton, served, ADMIT.format(id="twice").replace("900700", "900812").replace("V70001", "V70812"))
    reused = until(
        lambda: [
            row["message"]
            for n in range(1, 40)
            for row in baton("message", f"m-{n}", *config, "--json").rows
            if row["message"]["flags"]
        ]
    )
    assert [row["flags"] for row in reused] == [["control-id-reused"]]
    told = baton("message", reused[0]["message_id"], *config)
    assert "control-id-reused" in told.out and reused[0]["same_id_as"] in told.out
    shown = baton("channels", "show", "adt", *config, "--json").rows[0]
    assert shown["counts"]["control-id-reused"] == 1
    assert baton("message", "m-999999", *config).code == 1


def test_wrong_merge_is_listed_and_taken_back_after_a_dry_run(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    two = {number: ADMIT.replace("900700", number).replace("V70001", f"V{number}") for number in ("900821", "900822")}
    for number, text in two.items():
        send(baton, served, text.format(id=f"m{number}"))
    header, _, pid = two["900821"].format(id="merge").replace("A01^ADT_A01", "A40^ADT_A39").split("\r")[:3]
    send(baton, served, "\r".join((header, "EVN||20260302090000", pid, "MRG|900822^^^GENHOSP^MR", "")))
    merged = until(
        lambda: [
            row
            for row in baton("tail", "--from", "start", "--no-follow", *config, "--json").rows
            if row["type"] == "patient.merged"
        ]
    )
    patient = merged[0]["subject"].removeprefix("patient/")
    (entry,) = baton("merges", "list", patient, *config, "--json").rows
    undo = ("merges", "undo", entry["merge_id"], "--reason", "two people", "--actor", "jdoe", *config)
    dry = baton(*undo)
    assert dry.code == 0 and "Would go" in dry.out and "--apply" in dry.out
    assert len(baton("merges", "list", patient, *config, "--json").rows) == 1
    done = baton(*undo, "--apply", "--json").rows[0]
    assert (done["restored"], done["dry_run"]) == (entry["prior_id"], False)
    assert len(baton("merges", "list", patient, *config, "--json").rows) == 2
    again = baton(*undo, "--apply")
    assert again.code == 1 and "409" in again.err
    assert baton("merges", "list", "pat_none", *config).code == 1


def test_crosswalk_is_previewed_then_links_numbers_and_never_merges(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    for number in ("900831", "900832"):
        send(baton, served, ADMIT.format(id=f"x{number}").replace("900700", number).replace("V70001", f"V{number}"))
    file = served.folder / "crosswalk.csv"
    lines = ("authority,value,authority,value", "GENHOSP,900831,CLINIC,77", "CLINIC,77,LAB,5",
             "GENHOSP,900832,CLINIC,77", "NOWHERE,1,CLINIC,78", "")  # fmt: skip
    file.write_text("\n".join(lines))
    load = ("patients", "link", file, "--reason", "cross-walk of the clinic", "--actor", "jdoe", *config)

    def statuses(*more: str) -> list[str]:
        return [row["status"] for row in baton(*load, *more, "--json").rows]

    expected = ["link", "link", "conflict", "unknown"]
    assert until(lambda: statuses() == expected)
    dry = baton(*load)
    assert dry.code == 1 and "--apply" in dry.out and "900831" not in dry.out
    assert statuses("--apply") == expected
    assert statuses("--apply") == ["known", "known", "conflict", "unknown"]
    send(baton, served, ADMIT.format(id="x77").replace("900700^^^GENHOSP", "77^^^CLINIC").replace("V70001", "V70833"))
    patient = baton(*load, "--json").rows[0]["patient_id"]
    updated = until(
        lambda: [
            row
            for row in baton("tail", "--from", "start", "--no-follow", *config, "--json").rows
            if row["subject"].endswith(patient) and row["type"].startswith("encounter.")
        ][1:]
    )
    assert updated
    linked = baton("audit", "--action", "patient.link", *config, "--json").rows
    assert [(row["actor"], row["object"]) for row in linked] == [("jdoe", patient)] * 2
    file.write_text("GENHOSP,900831,CLINIC")
    assert baton(*load).code == 2
