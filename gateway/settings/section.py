"""The ground of every table of baton.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Section(BaseModel):
    """A table of baton.toml: every key is known, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
