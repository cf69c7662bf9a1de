"""The pages say what the code does: the made ones are compared, the written ones are read for names."""

from __future__ import annotations

import re

import pytest

from gateway.cli.commands import app
from gateway.cli.document import walk
from gateway.settings.document import SECTIONS
from scripts.generate_docs import DOCS, PAGES

ROOT = DOCS.parent


@pytest.mark.parametrize("name", PAGES)
def test_page_is_as_the_code_makes_it(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "run `make docs`"


def test_every_setting_is_described_and_on_the_page() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    for title, model in SECTIONS:
        section = page.split(f"## `{title}`")[1].split("\n## ")[0]
        for name, field in model.model_fields.items():
            assert field.description, f"{title} {name}"
            assert f"| `{name}` |" in section


def test_every_command_teaches_by_example() -> None:
    import typer.main

    for name, command in walk(typer.main.get_command(app), "baton"):
        assert command.help, name
        if not getattr(command, "commands", None) or command.epilog:
            assert name.removesuffix(" list") in (command.epilog or ""), name


def test_written_pages_name_only_commands_that_exist() -> None:
    import typer.main

    known = {name for name, _ in walk(typer.main.get_command(app), "baton")}
    groups = {name.rsplit(" ", 1)[0] for name in known if name.count(" ") == 2}
    for page in [ROOT / "README.md", *DOCS.glob("**/*.md")]:
        for words in re.findall(r"`baton ([a-z][a-z0-9 -]*)", page.read_text("utf-8")):
            first, *rest = words.split()
            assert f"baton {first}" in known, f"{page.name}: baton {words}"
            if f"baton {first}" in groups and rest:
                assert f"baton {first} {rest[0]}" in known, f"{page.name}: baton {words}"


def test_written_pages_name_only_settings_that_exist() -> None:
    known = {name for _, model in SECTIONS for name in model.model_fields}
    sections = {title.strip("[]").split("]")[0] for title, _ in SECTIONS}
    for page in [ROOT / "README.md", *(path for path in DOCS.glob("**/*.md") if path.name != "settings.md")]:
        for section, key in re.findall(r"BATON_([A-Z]+)__([A-Z_]+)", page.read_text("utf-8")):
            assert section.lower() in sections and key.lower() in known, f"{page.name}: {section}__{key}"
