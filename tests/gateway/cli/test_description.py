"""A served gateway answers as its OpenAPI description says: generated requests to every operation, bounded in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.cli.conftest import ADMIT, Served
from tests.gateway.cli.test_served import send, until

pytestmark = pytest.mark.journey

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
LEAST = 80
"""Operations that must have been asked: a description that lost its paths passes everything."""


@pytest.fixture(scope="module")
def headers(served: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {(served.folder / 'var' / 'admin.key').read_text().strip()}"}


@pytest.fixture(scope="module")
def operations(served: Served, headers: dict[str, str]) -> list[Any]:
    described = schemathesis.openapi.from_url(f"{served.api}/api/v1/openapi.json", headers=headers)
    return [result.ok() for result in described.get_all_operations()]


def known_ids(baton: Any, served: Served) -> dict[str, str]:
    """Path parameter -> an id that is there."""
    send(baton, served, ADMIT.format(id="described"))
    config = ("--config", served.config, "--json")
    (task, *_) = until(lambda: baton("tasks", *config).rows)
    message = baton("why", task["task_id"], *config).rows[0]["messages"][0]["message_id"]
    return {"task_id": task["task_id"], "message_id": message, "id": task["task_id"].replace("_", "-")}


def failures(operation: Any, headers: dict[str, str], ids: dict[str, str]) -> Iterator[str]:
    """What does not fit the description, asked with generated ids and with known ones."""
    known = {name: ids[name] for name in ids if f"{{{name}}}" in operation.path}
    for instead in ({}, known) if known else ({},):
        try:
            _asking(operation, headers, instead)()
        except BaseExceptionGroup as found:
            yield from (f"{operation.label}: {one}" for one in found.exceptions)


def _asking(operation: Any, headers: dict[str, str], instead: dict[str, str]) -> Callable[[], None]:
    @given(case=operation.as_strategy())
    @BOUNDED
    def ask(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **instead}
        case.call_and_validate(headers=headers, checks=CHECKS)

    return ask


def test_every_operation_answers_as_it_is_described(
    baton: Any, served: Served, headers: dict[str, str], operations: list[Any]
) -> None:
    ids = known_ids(baton, served)
    assert len(operations) >= LEAST
    assert [found for operation in operations for found in failures(operation, headers, ids)] == []
