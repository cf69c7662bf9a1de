"""The API is its OpenAPI description."""

from __future__ import annotations

from typing import Any

from openapi_spec_validator import validate

from gateway.api.app import create_app, guarded_routes, openapi_document


def test_openapi_is_valid_and_names_every_scope(gateway: Any) -> None:
    app = create_app(gateway)
    document = openapi_document(app)
    validate(document)
    for route in guarded_routes(app):
        if route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                assert operation["x-scope"] == route.scope and operation["description"]
                assert {"401", "403", "503"} <= set(operation["responses"]) or route.path == "/metrics"
    assert "security" not in document["paths"]["/healthz"]["get"]


async def test_openapi_is_served_to_any_key(client: Any, key: Any) -> None:
    answer = await client.get("/api/v1/openapi.json", headers=await key())
    assert answer.json()["info"]["title"] == "Baton"
