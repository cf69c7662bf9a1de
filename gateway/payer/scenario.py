"""What the simulated payer answers: a TOML file.

seed = 7                       # control and authorization numbers derive from it
follow_seconds = 60            # until the second answer of "pended>certified"
[default]
eligibility = ["active"]
authorization = ["certified"]
[[member]]
id = "MBR900123"
eligibility = ["down", "active"]          # one word per question, the last one stays
authorization = ["pended>certified"]
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

ELIGIBILITY = (
    "active", "inactive", "not-covered", "unknown", "rejected:<AAA03>", "down", "silent", "slow:<seconds>", "wrong",
    "refused",
)  # fmt: skip
AUTHORIZATION = (
    "certified", "modified", "partial", "denied", "pended", "documents", "contact-payer", "not-required", "cancelled",
    "rejected:<AAA03>", "down", "silent", "slow:<seconds>", "refused",
)  # fmt: skip
Kind = Literal["eligibility", "authorization"]


class UnreadableScenario(Exception):
    """The file does not say what a scenario says; the text tells where."""


def _known(words: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    bare = {name.partition(":")[0] for name in names}
    for word in words:
        for step in word.split(">"):
            name, _, detail = step.partition(":")
            if name not in bare:
                raise ValueError(f"there is no outcome {step!r}; use one of: {', '.join(names)}")
            if name == "slow" and not detail.isdecimal():
                raise ValueError(f"{step!r} needs seconds, such as slow:45")
    return words


class Member(BaseModel):
    """How one member's questions are answered; empty: as the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = ""
    eligibility: tuple[str, ...] = ()
    authorization: tuple[str, ...] = ()

    @field_validator("eligibility")
    @classmethod
    def _known_eligibility(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return _known(words, ELIGIBILITY)

    @field_validator("authorization")
    @classmethod
    def _known_authorization(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return _known(words, AUTHORIZATION)


class Scenario(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    follow_seconds: float = Field(default=60.0, ge=0)
    default: Member = Member(eligibility=("active",), authorization=("certified",))
    member: tuple[Member, ...] = ()

    def word(self, member_id: str, kind: Kind, asked: int) -> str:
        """The outcome of this member's question number `asked` (from 0)."""
        own = next((one for one in self.member if one.id == member_id), self.default)
        words = getattr(own, kind) or getattr(self.default, kind) or ("silent",)
        return str(words[min(asked, len(words) - 1)])


def load_scenario(path: Path) -> Scenario:
    """Raises UnreadableScenario, also for a file that cannot be read."""
    try:
        return Scenario.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UnreadableScenario(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableScenario(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnreadableScenario(f"{path}: {place}: {first['msg']}") from None
