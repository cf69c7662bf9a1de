"""The ground of every table of baton.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of baton.toml: every key is known, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
