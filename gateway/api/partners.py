"""Trading partners: send a test question."""

from __future__ import annotations

import uuid
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import BaseModel, Field

from gateway.api.auth import gateway_of, may_see, needs, new_router, record
from gateway.api.models import TEXT, Actor, Asked, Ident
from gateway.api.problems import Problem, ProblemDocument, not_found
from gateway.partner_check import NOBODY, NotReady, Person, make_check
from gateway.store.ports import Reply
from parsers.x12.acknowledgement import number_interchange

router = new_router("partners")
_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDocument, "description": "No such partner"},
    422: {"model": ProblemDocument, "description": "The partner's settings are not complete; `detail` says what"},
}


class PartnerCheck(Asked):
    """Whom the test question is about: the payer's test member, or a person whom he cannot know."""

    actor: Actor
    facility: Ident | None = Field(None, description="Who asks; empty: the first facility.")
    payer_id: str = Field("", max_length=80, pattern=TEXT, description="Empty: the partner's first payer.")
    member_id: str = Field(NOBODY, min_length=2, max_length=80, pattern=TEXT)
    family: str = Field("TEST", min_length=1, max_length=60, pattern=TEXT)
    given: str = Field("BATON", max_length=35, pattern=TEXT)
    birth_date: str = Field("1970-01-01", pattern=r"^\d{4}-\d{2}-\d{2}$")
    dry_run: bool = Field(False, description="`true` shows the X12 and sends nothing.")


class SentCheck(BaseModel):
    """The test question as it was sent."""

    channel: str = Field(examples=["payers"])
    control_number: int = Field(description="ISA13 and GS06; 0 for a dry run.", examples=[42])
    reference: str = Field(description="BHT03 and TRN02.", examples=["CHK0A1B2C3D4E5F"])
    x12: str


@router.post("/partners/{name}/check", response_model=SentCheck, responses=_RESPONSES)
@needs("inquiries:write")
async def check_partner(request: Request, name: Ident, asked: PartnerCheck) -> dict[str, Any]:
    """Send a 270 with usage T; what comes back ends as `filtered: test-message` and is explained by the command."""
    gateway = gateway_of(request)
    settings = gateway.settings
    partner = settings.find_partner(name)
    facility = next((one for one in settings.facility if one.id == (asked.facility or settings.facility[0].id)), None)
    if partner is None or facility is None or not may_see(request, facility.id):
        raise not_found()
    reference = f"CHK{uuid.uuid4().hex[:12].upper()}"
    person = Person(member_id=asked.member_id, family=asked.family, given=asked.given, birth_date=asked.birth_date)
    moment = gateway.clock().astimezone(ZoneInfo(facility.zone))
    try:
        body = make_check(partner, facility.id, person, reference, moment, asked.payer_id)
    except NotReady as why:
        raise Problem(422, "invalid-request", f"Partner {name} cannot be checked: {why}.") from None
    number = 0
    if not asked.dry_run:
        await record(request, "partner.check", name, facility_id=facility.id, actor=asked.actor)
        reply = Reply(
            journal_id=0, channel=partner.channel, partner=partner.id, kind="270", body=body, facility_id=facility.id
        )
        number = await gateway.send_document(reply)
    shown = number_interchange(body, number).decode("latin-1")
    return {"channel": partner.channel, "control_number": number, "reference": reference, "x12": shown}
