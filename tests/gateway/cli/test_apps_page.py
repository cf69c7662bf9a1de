"""docs/apps.md: its commands are run as they stand, in order, against a gateway that serves."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from scripts.generate_docs import DOCS
from tests.gateway.cli.conftest import ADMIT, Served
from tests.gateway.cli.test_served import send, until

pytestmark = pytest.mark.journey

PAGE = (DOCS / "apps.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.S) for line in block.splitlines() if line.strip()]


@dataclass
class Curl:
    """A curl command of the page, read."""

    method: str = "GET"
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    stream: bool = False


def read_curl(line: str, variables: dict[str, str]) -> Curl:
    for name, value in variables.items():
        line = line.replace(f"${name}", value)
    found, words = Curl(), iter(shlex.split(line)[1:])
    for word in words:
        match word:
            case "-X":
                found.method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                found.headers[name] = value
            case "-d":
                found.body = next(words)
            case "-N":
                found.stream = True
            case _:
                assert not word.startswith("-") and not found.url, word
                found.url = word
    return found


def run(curl: Curl) -> str:
    """The body of the answer; of a stream its first line."""
    with (
        httpx.Client(timeout=20) as client,
        client.stream(curl.method, curl.url, headers=curl.headers, content=curl.body) as answer,
    ):
        if curl.stream:
            return next(answer.iter_lines())
        text = answer.read().decode()
        assert answer.status_code == 200, text
        return text


def test_commands_of_the_apps_page_work_in_their_order(baton: Any, served: Served) -> None:
    config = ("--config", served.config)
    send(baton, served, ADMIT.format(id="apps").replace("900700", "900811").replace("V70001", "V70811"))
    until(lambda: baton("tasks", *config, "--json").rows)
    variables, answers = {"BATON": served.api}, []
    for line in COMMANDS:
        if line.startswith("baton "):
            made = baton(*shlex.split(line)[1:], *config)
            assert made.code == 0, made.err
            variables["KEY"] = re.findall(r"baton_\S+", made.out)[0]
        elif line.startswith("curl "):
            answers.append(run(read_curl(line, variables)))
            if "TASK" not in variables:
                tasks = json.loads(answers[-1])["items"]
                variables["TASK"] = next(task["task_id"] for task in tasks if task["revision"] == 1)
        else:
            assert line == "export KEY=baton_...", line
    assert json.loads(answers[5])["status"] == "completed" and json.loads(answers[5])["attempts"] == 1
    assert '"task.created"' in answers[6] and answers[7] == ": connected"
    assert '"searchset"' in answers[8] and '"4.0.1"' in answers[9]


def test_apps_page_shows_every_way_out() -> None:
    for way in ("/api/v1/tasks", "/api/v1/events", "text/event-stream", "/fhir/Task", "channels/webhook.md"):
        assert way in PAGE
