"""Who did and saw what (decision 25)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field

from gateway.api.auth import facilities_of, gateway_of, needs, new_router
from gateway.api.models import TEXT, Cursor, Limit, Page
from gateway.store import access

router = new_router("audit")


class AuditRow(BaseModel):
    """One act."""

    audit_id: int
    at: datetime
    key_id: str | None = Field(description="The key; null: a command on the machine itself.")
    actor: str | None = Field(description="The person.")
    action: str = Field(examples=["patient.read"])
    object: str = Field(examples=["pat_0c1d"])
    facility_id: str | None
    detail: str | None


@router.get("/audit", response_model=Page[AuditRow])
@needs("audit:read")
async def list_audit(
    request: Request,
    action: Annotated[str | None, Query(max_length=60, pattern=TEXT)] = None,
    object: Annotated[str | None, Query(max_length=80, pattern=TEXT, description="Our id of what it is about.")] = None,
    actor: Annotated[str | None, Query(max_length=120, pattern=TEXT)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Audit rows, the newest first; a key of one facility sees the rows of that facility."""
    chosen = access.AuditFilter(action=action, object=object, actor=actor)
    rows, after = await access.audit_rows(gateway_of(request).store, facilities_of(request), chosen, cursor, limit)
    return {"items": rows, "next": after}
