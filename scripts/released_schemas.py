"""docs/schemas/released.json: what consumers may rely on, by type and version.

`python -m scripts.released_schemas` adds new types, new versions and further optional fields.  It never takes anything
back: what would break a consumer is listed, and is a new version.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from scripts.generate_docs import DOCS

RECORD = DOCS / "schemas" / "released.json"

Released = dict[str, dict[str, dict[str, Any]]]
"""type -> version -> {"required": [path], "fields": {path: digest of its schema}}; a path is "data.mrn"."""


def current() -> Released:
    """What the schemas on disk say."""
    found: Released = {}
    for path in sorted((DOCS / "schemas").glob("*/*.json")):
        required: list[str] = []
        fields: dict[str, str] = {}
        _walk(json.loads(path.read_text("utf-8")), "", required, fields)
        found.setdefault(path.parent.name, {})[path.stem] = {"required": sorted(required), "fields": fields}
    return found


def breaks(released: Released, now: Released) -> list[str]:
    """What was promised and does not hold any more."""
    found: list[str] = []
    for type_, versions in released.items():
        for version, promised in versions.items():
            has = now.get(type_, {}).get(version)
            if has is None:
                found.append(f"{type_}/{version} is gone")
                continue
            if promised["required"] != [path for path in has["required"] if not _new(path, promised["fields"])]:
                found.append(f"{type_}/{version}: other fields are required")
            for path, digest in promised["fields"].items():
                if has["fields"].get(path) != digest:
                    found.append(f"{type_}/{version}: {path} changed or is gone")
    return found


def _new(path: str, promised: dict[str, str]) -> bool:
    """A requirement inside a list that is itself a further optional field."""
    listed = path.rpartition("[].")[0]
    return bool(listed) and listed not in promised


def _walk(schema: dict[str, Any], path: str, required: list[str], fields: dict[str, str]) -> None:
    """Objects are walked into, also those of a list (path "data.benefits[].code"): each may gain optional fields."""
    required += [f"{path}{name}" for name in schema.get("required", ())]
    for name, inner in schema.get("properties", {}).items():
        listed = inner.get("items", {})
        bare = {key: value for key, value in inner.items() if key not in ("description", "properties", "required")}
        if "properties" in listed:
            bare["items"] = {key: value for key, value in listed.items() if key not in ("properties", "required")}
            _walk(listed, f"{path}{name}[].", required, fields)
        fields[f"{path}{name}"] = hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()[:12]
        _walk(inner, f"{path}{name}.", required, fields)


def main() -> int:
    released: Released = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}
    now = current()
    broken = breaks(released, now)
    if broken:
        print("\n".join(broken), file=sys.stderr)  # noqa: T201
        return 1
    RECORD.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
