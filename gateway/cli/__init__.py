"""The `baton` command."""

from __future__ import annotations

from gateway.cli.commands import app


def main() -> None:
    """Entry point of the console script."""
    app()
