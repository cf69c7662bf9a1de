"""Events about who is who: records linked, renumbered, moved and joined (domain reference 2.3)."""

from __future__ import annotations

from scripts.event_parts import TEXT, TEXTS, EventType, Schema, about

IDENTITY_FIELDS: dict[str, tuple[Schema, str]] = {
    "linked": (TEXT, "our id of the other patient"),
    "old_identifier": (TEXT, "authority|value before"),
    "new_identifier": (TEXT, "authority|value now"),
    "restored": (TEXT, "our id of the patient whose record is his own again"),
    "left": (TEXTS, "what was not taken back, and why"),
    "identifiers": (TEXTS, "authority|value"),
    "from_patient": (TEXT, "our id of the patient whose it was"),
    "to_patient": (TEXT, "our id of the patient whose it is"),
    "account": (TEXT, "PID-18: the account now"),
    "prior_account": (TEXT, "MRG-3: the account before"),
    "encounters": (TEXTS, "our ids of the stays of that account"),
    "old_visit_number": (TEXT, "MRG-5 or MRG-6: the number before"),
    "prior_visit_number": (TEXT, "number of the stay that went into it"),
    "prior_encounter": (TEXT, "our id of the stay that went into it"),
}

IDENTITY_TYPES: tuple[EventType, ...] = (
    about(
        "patient",
        "unmerged",
        "a person took a merge or move back; each of the two patients gets one",
        ("survivor", "restored", "moved", "left"),
    ),
    about("patient", "linked", "A24: two records may be one person; each gets one, nothing is merged", ("linked",)),
    about("patient", "unlinked", "A37: they are not", ("linked",)),
    about(
        "patient",
        "identifier-changed",
        "A46 to A48: the same person under another identifier",
        ("old_identifier", "new_identifier"),
    ),
    about(
        "patient",
        "identifier-moved",
        "A43: identifiers of one record are another's; both records go on",
        ("identifiers", "from_patient", "to_patient"),
    ),
    *(
        about("account", name, when, ("account", "prior_account", "encounters"))
        for name, when in (
            ("merged", "A35, A36, A41: the stays of one account are of another"),
            ("identifier-changed", "A49: an account got another number"),
        )
    ),
    about(
        "account",
        "moved",
        "A44: the stays of an account are another patient's",
        ("account", "prior_account", "encounters", "from_patient", "to_patient"),
    ),
    about(
        "encounter",
        "moved",
        "A45: a stay is another patient's, or of another account",
        ("from_patient", "to_patient"),
        ("visit_number", "account", "prior_account"),
    ),
    about(
        "encounter",
        "merged",
        "A42: another record of the same stay went into it",
        ("prior_encounter", "status"),
        ("visit_number", "prior_visit_number"),
    ),
    about(
        "encounter",
        "identifier-changed",
        "A50, A51: the same stay under another number",
        ("old_visit_number",),
        ("visit_number",),
    ),
)
