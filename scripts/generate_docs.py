"""`make docs`: writes the pages that are made from the code.  tests/docs compares them with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from gateway.api.app import add_routes, openapi_document
from gateway.cli.document import cli_markdown
from gateway.coordination.rules.describe import rules_markdown
from gateway.settings.document import settings_markdown
from scripts import event_documents
from scripts.database_document import database_markdown
from scripts.guide_document import guides_markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"


def openapi_json() -> str:
    """The API's description; it needs no running gateway."""
    app = FastAPI()
    add_routes(app)
    return json.dumps(openapi_document(app), indent=1, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_markdown,
    "cli.md": cli_markdown,
    "openapi.json": openapi_json,
    "rules.md": rules_markdown,
    "guides.md": guides_markdown,
    "database.md": database_markdown,
    **event_documents.pages(),
}


def main() -> None:
    for name, make in PAGES.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
