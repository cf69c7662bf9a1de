"""Log lines and metrics: useful, one line each, and free of what was handled."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from gateway.telemetry import Metrics, SafeFormatter, configure_logging

CANARY = "CANARY^JANE"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield root
    root.handlers[:], _ = before
    root.setLevel(before[1])


def lines(form: str, log: str, message: str, *arguments: object, **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(SafeFormatter(form))
    logger = logging.getLogger(log)
    logger.addHandler(handler)
    try:
        logger.error(message, *arguments, **extra)  # type: ignore[arg-type]
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def failure() -> BaseException:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        return error


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_exception_shows_class_and_place_but_no_text(form: str) -> None:
    text = lines(form, "gateway.x", "failed: %s", failure(), exc_info=failure())
    assert "ValueError" in text and "test_telemetry.py:" in text and "in failure" in text
    assert CANARY not in text and text.count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_bytes_show_their_length(form: str) -> None:
    assert "<11 bytes>" in lines(form, "gateway.x", "body %s", CANARY.encode())


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_value_with_line_ends_and_escapes_stays_in_its_line(form: str) -> None:
    text = lines(form, "gateway.x", "peer %s", "a\r\nb\x1b[31m\u2028")
    assert text.count("\n") == 1 and "\r" not in text and "\x1b" not in text and "\u2028" not in text


def test_log_only_known_fields_are_written() -> None:
    fields = json.loads(lines("json", "gateway.x", "done", extra={"channel": "adt", "mrn": CANARY, "count": 3}))
    assert (fields["channel"], fields["count"], fields["level"]) == ("adt", 3, "ERROR")
    assert "mrn" not in fields


def test_log_line_of_another_library_is_its_template() -> None:
    text = lines("text", "asyncio", f"Task exception was never retrieved\nfuture: {CANARY}")
    assert "never retrieved" in text and CANARY not in text
    assert CANARY not in lines("text", "sqlalchemy.engine", "row %s", CANARY)


def test_log_wrong_arguments_never_raise() -> None:
    record = logging.LogRecord("gateway.x", logging.ERROR, __file__, 1, "two %s %s", ("one",), None)
    assert "two %s %s" in SafeFormatter().format(record)


def test_logging_is_configured_once_for_all(root_logger: logging.Logger) -> None:
    stream = io.StringIO()
    configure_logging("INFO", "json", stream)
    logging.getLogger("gateway.test").info("hello")
    for foreign in ("uvicorn.error", "httpx", "asyncssh"):
        logging.getLogger(foreign).info("not this")
    logging.getLogger("gateway.test").debug("nor this")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["hello"]
    configure_logging("INFO", "text", sys.stderr)
    assert len(root_logger.handlers) == 1


def test_metrics_are_rendered_with_their_labels() -> None:
    metrics = Metrics()
    metrics.received.labels("adt").inc()
    metrics.answered.labels("adt", "AA").inc(2)
    metrics.ack_seconds.observe(0.003)
    text = metrics.render().decode()
    assert 'baton_received_total{channel="adt"} 1.0' in text
    assert 'baton_answered_total{channel="adt",code="AA"} 2.0' in text
    assert "baton_ack_seconds_bucket" in text and "baton_in_flight 0.0" in text


def test_metrics_of_two_gateways_do_not_meet() -> None:
    one, two = Metrics(), Metrics()
    one.in_flight.set(5)
    assert "baton_in_flight 0.0" in two.render().decode()
