"""Errors as application/problem+json (RFC 9457).  A problem names places and codes, never a value of the request."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from gateway.pipeline import Conflict
from gateway.store.paging import BadCursor
from gateway.store.ports import StoreUnavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STORE_AWAY = "The store is away. Nothing was changed; try again."


class Place(BaseModel):
    """One field of the request that is not right."""

    location: str = Field(description="Where: body, query, path or header, then the field.", examples=["query.limit"])
    text: str = Field(description="What is wrong.", examples=["Input should be less than or equal to 500"])


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="A stable word for the kind of problem.", examples=["/problems/not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is nothing of this id that this key may see."])
    errors: list[Place] | None = Field(None, description="The fields concerned.")


class Problem(HTTPException):
    """An answer other than success.  `word` ends the type URI; `detail` is for a person."""

    def __init__(self, status: int, word: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.word = word


def not_found() -> Problem:
    """The same for what is absent and for what another facility owns: ids must not leak."""
    return Problem(404, "not-found", "There is nothing of this id that this key may see.")


def problem_response(
    status: int,
    word: str,
    detail: str,
    errors: list[Place] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, object] = {
        "type": f"/problems/{word}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = [place.model_dump() for place in errors]
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        if isinstance(error, Problem):
            return problem_response(error.status_code, error.word, error.detail, headers=error.headers)
        word = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        detail = {404: "There is no such page.", 405: "This page has no such method."}.get(
            error.status_code, "The request could not be read."
        )
        return problem_response(error.status_code, word, detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        places = [Place(location=_location(item["loc"]), text=_what(item)) for item in error.errors()]
        return problem_response(422, "invalid-request", "The request has fields that are not right.", places)

    @app.exception_handler(Conflict)
    async def conflict(request: Request, error: Conflict) -> Response:
        kind, _, what = error.reason.partition(":")
        if kind == "not-found":
            absent = not_found()
            return problem_response(404, absent.word, absent.detail)
        status, word = (422, "invalid-request") if kind == "invalid" else (409, "conflict")
        return problem_response(status, word, f"Not done: {what.strip() or 'the task has changed'}.")

    @app.exception_handler(BadCursor)
    async def bad_cursor(request: Request, error: BadCursor) -> Response:
        places = [Place(location="query.cursor", text="Give `next` of the page before.")]
        return problem_response(422, "invalid-request", "The cursor is none of ours.", places)

    @app.exception_handler(StoreUnavailable)
    async def away(request: Request, error: StoreUnavailable) -> Response:
        return problem_response(503, "store-away", STORE_AWAY, headers={"Retry-After": "2"})

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return problem_response(500, "unexpected", "A defect of the gateway; the log says where.")


def _location(path: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in path)


def _what(item: Mapping[str, object]) -> str:
    """Pydantic's sentence speaks of what it expected; the kinds that quote the input are replaced."""
    if str(item.get("type", "")).startswith(("json_", "value_error", "datetime_", "date_")):
        return "This value cannot be read."
    return str(item.get("msg", ""))
