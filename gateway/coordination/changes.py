"""What `decide` takes besides the state, and what it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

import msgspec

from gateway.coordination.asking.settings import AskingSettings
from gateway.coordination.records import Merge, Record, Task, TaskChange, Timer, Transition
from mappings.events import CanonicalEvent

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


class Cause(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a stimulus came from: for ids, evidence, logs, envelope.  Holds no patient data but the control id."""

    message_id: str  # our id of the journal entry, "m-<journal_id>"; of a timer: the one that set it off
    item: int = 0
    origin: str = ""  # what ids derive from, when the message is not what happens now: a timer's firing, a command
    channel: str = ""
    control_id: str = ""
    received_at: datetime
    lanes: tuple[int, ...] = ()  # lanes of the work row
    config_version: int = 0
    replayed: bool = False


class TimerFired(msgspec.Struct, frozen=True, kw_only=True, tag="timer"):
    """A stored timer came due.  `late`: it waited for a catch-up hold (decision 17)."""

    timer: Timer
    late: bool = False


class Command(msgspec.Struct, frozen=True, kw_only=True, tag="command"):
    """An act on a task: a key of `gateway.coordination.commands.ACTS`.  `actor` is the person, not the API key; of what
    the gateway does by itself "desk:<why>"."""

    name: str
    task_id: str
    actor: str
    revision: int | None = None  # the revision the person saw
    reason: str | None = None  # why; the text of a note or of an attempt
    outcome: str | None = None  # complete, cancel; of an attempt: what came of it
    owner: str | None = None  # reassign, place: the new owner; None: back to the queue
    queue: str | None = None  # reassign: the new queue
    until: datetime | None = None  # snooze, wait
    waiting_on: str | None = None  # wait: payer | patient | provider
    channel: str | None = None  # attempt: phone | portal | letter | visit | other
    add: tuple[str, ...] = ()  # checklist: texts of new items
    done: tuple[str, ...] = ()  # checklist: ids of items
    undone: tuple[str, ...] = ()  # checklist: ids of items
    team: str | None = None  # place
    covering_for: str | None = None  # place
    request: str | None = None  # digest of API key and Idempotency-Key
    request_digest: str = ""  # of what was asked


class Undo(msgspec.Struct, frozen=True, kw_only=True, tag="undo"):
    """A person takes a merge or move back: its journal entry, and why."""

    merge_id: str
    merge_trigger: str
    patient_id: str  # who has it now
    prior_id: str  # whose it was
    moved_json: str
    actor: str
    reason: str


class Link(msgspec.Struct, frozen=True, kw_only=True, tag="link"):
    """A person gives a patient a further number, from a cross-walk.  `lanes`: in which messages about it come."""

    patient_id: str
    authority: str
    value: str
    lanes: tuple[int, ...]
    actor: str


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """A question to a payer, asked by a person, a program or the gateway itself.

    `kind`: mappings.questions.KINDS.  Without a coverage: the patient's first one; dates are ISO days."""

    kind: str
    patient_id: str
    actor: str
    request_id: str = ""  # what ids derive from; new for each question
    reason: str = ""  # why it is asked; empty: the actor
    coverage_id: str | None = None
    authorization_id: str | None = None
    encounter_id: str | None = None
    appointment_id: str | None = None
    inquiry_id: str | None = None  # ask this one again, as it was
    service_types: tuple[str, ...] = ()
    procedures: tuple[str, ...] = ()
    quantity: str | None = None
    unit: str | None = None
    service_on: str | None = None
    service_ends_on: str | None = None
    category: str | None = None  # UM01
    certification: str | None = None  # UM02
    service_type: str | None = None  # UM03
    place: str | None = None  # UM04
    urgent: bool = False
    admission_on: str | None = None
    diagnoses: tuple[str, ...] = ()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A document for a partner: `body` with slots for control numbers, delivered by `channel`."""

    channel: str
    partner: str  # his ISA06: owner of the control numbers
    kind: str  # ST01
    body: bytes
    facility_id: str
    inquiry_id: str


class Adopt(msgspec.Struct, frozen=True, kw_only=True, tag="adopt"):
    """A channel went live: what a shadow run found open about one patient becomes real (decision 29)."""

    patient_id: str
    actor: str
    channel: str
    tasks: tuple[Task, ...] = ()
    timers: tuple[Timer, ...] = ()


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag="silence"):
    """What the gateway heard from a channel: nothing since `last`, for longer than `limit` seconds, when `silent`; else
    a message at `last`, after a silence.  Nobody's patient."""

    channel: str
    facility_id: str
    last: datetime
    silent: bool
    limit: int = 0
    patient_id: str = ""


Stimulus = CanonicalEvent | TimerFired | Command | Ask | Adopt | Undo | Link | Silence


class Emitted(msgspec.Struct, kw_only=True, gc=False):
    """An event for the bus, before its envelope.  `data` is JSON-ready and may hold PHI; the envelope never does."""

    event_id: str
    type: str
    facility_id: str
    patient_id: str
    aggregate: str
    aggregate_id: str
    revision: int
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, JSON]
    changes: list[dict[str, JSON]] = msgspec.field(default_factory=list)  # {path, old, new}
    flags: list[str] = msgspec.field(default_factory=list)  # late correction implied historical replayed
    restricted: bool = False
    site: dict[str, str] = msgspec.field(default_factory=dict)  # what the feed's profile picked from the message


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule made of one stimulus, for whoever asks why there is no task.

    `outcome`: opened | closed | stopped.  `because` is the condition that stopped it or the reason of the change, in
    words and codes, never a name; `about` is the id of the record looked at, empty for the patient as a whole.
    """

    rule_id: str
    outcome: str
    because: str
    about: str = ""


class RuleFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A rule raised: recorded, and the other rules went on."""

    rule_id: str
    error: str  # exception class name only: its text may quote a value


class Changes(msgspec.Struct, kw_only=True):
    """Everything one stimulus changes, to be written in one transaction."""

    upserts: list[Record] = msgspec.field(default_factory=list)
    deleted_timers: list[str] = msgspec.field(default_factory=list)
    transitions: list[Transition] = msgspec.field(default_factory=list)
    task_changes: list[TaskChange] = msgspec.field(default_factory=list)
    merges: list[Merge] = msgspec.field(default_factory=list)
    emitted: list[Emitted] = msgspec.field(default_factory=list)
    documents: list[Outgoing] = msgspec.field(default_factory=list)
    told: list[CanonicalEvent] = msgspec.field(default_factory=list)  # for other scopes, in their own lanes
    failures: list[RuleFailure] = msgspec.field(default_factory=list)
    outcome: str = "processed"  # processed | filtered | parked
    reason: str | None = None  # why filtered or parked, a word and a colon: "no-patient-id"


@lru_cache(maxsize=8)
def _keyed(salt: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(key=salt, digest_size=8)


class Ids:
    """Derives ids from what caused them: the same stimulus gives the same ids on every re-run (decision 23).

    An id begins with the number of the journal row behind it, so that new rows are neighbours in every index, and ends
    with a digest under `salt`, which is secret to the installation: an id tells nothing about the patient behind it.
    """

    def __init__(self, salt: bytes, cause: Cause) -> None:
        self._keyed = _keyed(salt)
        self._begun = self._keyed.copy()  # every id of this cause begins its digest with the same words
        self._begun.update(f"{cause.origin or cause.message_id}/{cause.item}/".encode())
        number = cause.message_id[2:] if cause.message_id.startswith("m-") else "0"
        self._head = f"{int(number):011x}" if number.isdigit() else f"{0:011x}"
        self._next: dict[str, int] = {}

    def new(self, prefix: str, about: str = "") -> str:
        """`prefix` is a short kind: pat, enc, apt, cov, aut, tsk, tmr, trn, evt, mrg, inq.

        `about`: what it is the id of, where one decision gives several and comes upon them in the order in which they
        were loaded.
        """
        what = f"{prefix}{about}"
        index = self._next.get(what, 0)
        self._next[what] = index + 1
        digest = self._begun.copy()
        digest.update(f"{what}{index}".encode())
        return f"{prefix}_{self._head}{digest.hexdigest()}"

    def named(self, prefix: str, name: str) -> str:
        """The id of something that only its name tells: the same in every message."""
        digest = self._keyed.copy()
        digest.update(f"{prefix}/{name}".encode())
        return f"{prefix}_{digest.hexdigest()}"


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Other numbers for one facility, one payer or both, from one day to another (ISO dates, both included).

    `values` holds fields of `CoordinationSettings` by name; `enable` and `disable` name rules.
    """

    facility: str = ""
    payer: str = ""
    since: str = ""
    until: str = ""
    values: Mapping[str, bool | int | str | list[str]] = msgspec.field(default_factory=dict)
    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()

    def holds(self, facility: str, payers: frozenset[str], day: str) -> bool:
        return (
            self.facility in ("", facility)
            and (not self.payer or self.payer in payers)
            and self.since <= day
            and (not self.until or day <= self.until)
        )

    @property
    def rank(self) -> tuple[int, str]:
        """What says more about the case wins over what says less, and later over earlier."""
        return (bool(self.facility) + 2 * bool(self.payer), self.since)


class CoordinationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of domain reference 6.3; `facilities` maps our facility id to its zone and calendar.

    h = elapsed hours, cd = calendar days, bd = business days.  `at` gives the numbers of one facility, payer and day.
    """

    facilities: Mapping[str, tuple[str, str]] = msgspec.field(default_factory=dict)  # id -> (zone, calendar)
    default_zone: str = "America/New_York"
    contact_bd: int = 2
    followup_high_cd: int = 7
    followup_std_cd: int = 14
    followup_none_cd: int = 30
    tcm_extra_dispositions: tuple[str, ...] = ()
    unbooked_check_h: int = 24
    auth_admit_check_h: int = 12
    auth_notice_h: int = 24
    auth_expedited_h: int = 72
    auth_standard_cd: int = 7
    readmit_cd: int = 30
    verify_valid_cd: int = 3
    p2p_bd: int = 2
    appeal_file_cd: int = 60
    tombstone_h: int = 72
    update_hold_s: int = 0  # the settings say 60
    implied_discharge_min: int = 15
    office_opens: str = "08:00"
    office_closes: str = "17:00"
    followup_types: tuple[str, ...] = ("FOLLOWUP", "HFU", "FU")
    followup_location_types: tuple[str, ...] = ("C", "D", "O", "H", "P")
    not_followup_services: tuple[str, ...] = ("LAB", "XR", "CT", "MRI", "US", "IMG", "RAD")
    no_auth_payers: tuple[str, ...] = ()  # payers known not to require inpatient authorization
    disabled_rules: tuple[str, ...] = ()
    stage: str = "live"  # load | shadow | live (decision 29)
    enabled_rules: tuple[str, ...] = ()  # of those that are off by default
    overrides: tuple[Override, ...] = ()
    auth_payers: tuple[str, ...] = ()  # payers known to require authorization of appointments
    selfpay_wait_h: int = 4
    obs_warn_h: int = 20
    obs_review_h: int = 24
    obs_second_midnight: bool = True  # the second review at the second midnight; else `obs_second_h` after the start
    obs_second_h: int = 48
    moon_deadline_h: int = 36
    ed_freq_count: int = 4
    ed_freq_cd: int = 365
    ed_return_h: int = 72
    rebook_wait_h: int = 24
    auth_lead_bd: int = 10  # business days before a service at which a missing authorization is looked for again
    auth_ends_soon_cd: int = 14
    outage_wait_h: int = 24
    duplicate_cd: int = 14
    referral_bd: int = 5
    responsibility_limit: int = 1000  # dollars of a deductible or maximum still open
    languages: tuple[str, ...] = ("en", "eng", "english")  # spoken at the facility
    higher_care_units: tuple[str, ...] = ()  # points of care that are intensive or step-down care
    medicare_plan_types: tuple[str, ...] = ("MA", "MB", "HN", "MEDICARE", "MCR")
    specialist_types: tuple[str, ...] = ("PROCEDURE", "PROC", "SURGERY", "REFERRAL", "SPEC")
    provider_cancel_reasons: tuple[str, ...] = ("PROVIDER", "PROV", "CLINIC", "RESOURCE")
    condition_groups: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # replace those of ours
    quiet_mrns: tuple[str, ...] = ()  # "T100" or "T100-T199": patients that make no tasks
    quiet_names: tuple[str, ...] = ()  # family names of test patients
    opt_out: tuple[str, ...] = ()  # medical record numbers of patients who want no outreach
    opt_out_types: tuple[str, ...] = ("outreach", "social")
    suppressed_classes: tuple[str, ...] = ()  # patient classes (PV1-2 or ours) that make no tasks
    asking: AskingSettings = AskingSettings()

    def at(self, facility: str, payers: frozenset[str], day: str) -> CoordinationSettings:
        """The numbers that hold for a facility and a payer (by any of its names) on a day; itself when none differ."""
        if not self.overrides:
            return self
        changed: dict[str, bool | int | str | list[str]] = {}
        enabled, disabled = set(self.enabled_rules), set(self.disabled_rules)
        for one in sorted(self.overrides, key=lambda row: row.rank):
            if one.holds(facility, payers, day):
                changed |= one.values
                enabled = (enabled - set(one.disable)) | set(one.enable)
                disabled = (disabled - set(one.enable)) | set(one.disable)
        fields: dict[str, object] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changed.items()
        }
        return msgspec.structs.replace(
            self, **fields, enabled_rules=tuple(sorted(enabled)), disabled_rules=tuple(sorted(disabled)), overrides=()
        )
