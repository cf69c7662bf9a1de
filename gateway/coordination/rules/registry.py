"""All rules of this installation: ours, in the order in which they look, and those that a site adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from gateway.coordination.changes import CoordinationSettings
from gateway.coordination.records import Record
from gateway.coordination.rules import death
from gateway.coordination.rules.admission import NO_AUTH, READMISSION
from gateway.coordination.rules.answers import CALL, INFORMATION, PARTIAL, REJECTED
from gateway.coordination.rules.authorization import DENIED, PENDED
from gateway.coordination.rules.booking import CANCELLED, MISSED, RESOURCE
from gateway.coordination.rules.conflict import CONFLICT
from gateway.coordination.rules.course import ATTENDING, HIGHER, LEAVE, LENGTH, MEETING
from gateway.coordination.rules.coverage import INACTIVE, VERIFY
from gateway.coordination.rules.death import DEATH
from gateway.coordination.rules.declaration import Rule
from gateway.coordination.rules.departure import AMA, HANDOFF, HOME_HEALTH, RECONCILIATION
from gateway.coordination.rules.desk import ABSENT, OVERDUE
from gateway.coordination.rules.discharge import CONTACT, UNBOOKED
from gateway.coordination.rules.eligibility import REJECTED as ELIGIBILITY_REJECTED
from gateway.coordination.rules.emergency import FREQUENT
from gateway.coordination.rules.feed import SILENT
from gateway.coordination.rules.followup import NO_SHOW
from gateway.coordination.rules.identity import DEACTIVATED, MERGED, UNMATCHED
from gateway.coordination.rules.insurance import CHANGED, ENDING, OTHER_PAYER, SELF_PAY
from gateway.coordination.rules.intake import ALLERGY, BEDSIDE, INTERPRETER, NOT_ARRIVED, SOCIAL, UNLINKED
from gateway.coordination.rules.intake import CONTACT as FAMILY_CONTACT
from gateway.coordination.rules.level_of_care import LEVEL, REVIEW
from gateway.coordination.rules.limits import APPEAL, CODING, LIMIT, MISMATCH, SHARE
from gateway.coordination.rules.measures import FMC, FUH, FUM_FUA
from gateway.coordination.rules.notices import MESSAGE, MOON
from gateway.coordination.rules.period import DAYS, EXPIRING, UNITS
from gateway.coordination.rules.planning import EXPECTED
from gateway.coordination.rules.planning import PENDING as DISCHARGE_PENDING
from gateway.coordination.rules.practitioner import (
    ADMISSION_NOTICE,
    EMERGENCY_NOTICE,
    NO_PCP,
    PCP_CHANGED,
)
from gateway.coordination.rules.practitioner import INFORMATION as DISCHARGE_INFORMATION
from gateway.coordination.rules.request import REQUEST
from gateway.coordination.rules.scheduling import DUPLICATE, OUTCOME, REFERRAL, UNCONFIRMED
from gateway.coordination.rules.waitlist import SLOT_OPENED
from gateway.coordination.rules.window import NOT_COMPLETED, OUTSIDE

RULES: tuple[Rule, ...] = (
    DEATH,  # first: what it cancels it can give back; the others then find those tasks closed
    CONTACT,
    UNBOOKED,
    OUTSIDE,
    NO_SHOW,
    NOT_COMPLETED,
    ADMISSION_NOTICE,
    DISCHARGE_INFORMATION,
    NO_PCP,
    RECONCILIATION,
    HANDOFF,
    HOME_HEALTH,
    AMA,
    DISCHARGE_PENDING,
    EXPECTED,
    MESSAGE,
    MOON,
    REVIEW,
    LEVEL,
    NO_AUTH,
    DAYS,
    REQUEST,
    PENDED,
    INFORMATION,
    DENIED,
    PARTIAL,
    CALL,
    REJECTED,
    EXPIRING,
    UNITS,
    VERIFY,
    INACTIVE,
    ENDING,
    ELIGIBILITY_REJECTED,
    CHANGED,
    OTHER_PAYER,
    SELF_PAY,
    READMISSION,
    FREQUENT,
    FMC,
    FUM_FUA,
    FUH,
    MISSED,
    CANCELLED,
    RESOURCE,
    MERGED,
    CONFLICT,
    DEACTIVATED,
    UNMATCHED,
    # Extended, off by default:
    EMERGENCY_NOTICE,
    HIGHER,
    LENGTH,
    LEAVE,
    ATTENDING,
    PCP_CHANGED,
    FAMILY_CONTACT,
    INTERPRETER,
    BEDSIDE,
    SOCIAL,
    REFERRAL,
    UNCONFIRMED,
    OUTCOME,
    SLOT_OPENED,
    MISMATCH,
    APPEAL,
    LIMIT,
    SHARE,
    ALLERGY,
    NOT_ARRIVED,
    UNLINKED,
    DUPLICATE,
    CODING,
    MEETING,
    SILENT,
    OVERDUE,
    ABSENT,
)


_MOST_SETTINGS = 256
_MOST_HEARD = 4096
"""Sets of news for which the rules are kept; a day of all kinds of messages has some hundred."""


class _Under:
    """Of some settings: the rules that may run, and those that hear of a set of news."""

    def __init__(self, settings: CoordinationSettings, on: frozenset[str]) -> None:
        self.settings, self.on = settings, on
        self.hearing: dict[frozenset[str | type[Record]], frozenset[str]] = {}


class Catalogue:
    """The rules that run, found by id and by what they watch."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._ours = tuple(rules)
        self._take(self._ours, {rule.id: rule for rule in rules})

    def _take(self, rules: tuple[Rule, ...], by_id: dict[str, Rule]) -> None:
        self.rules, self.by_id = rules, by_id
        self._audible = frozenset(word for rule in rules for word in rule.hears or ())
        self._watching: dict[frozenset[type[Record]], tuple[Rule, ...]] = {}
        self._settings: dict[int, _Under] = {}

    def install(self, further: Iterable[Rule]) -> None:
        """Take a site's rules in place of those it had before.  Raises ValueError when an id is taken."""
        rules = (*self._ours, *further)
        by_id = {rule.id: rule for rule in rules}
        if len(by_id) != len(rules):
            doubled = sorted(rule_id for rule_id in by_id if sum(rule.id == rule_id for rule in rules) > 1)
            raise ValueError(f"rule ids declared twice: {', '.join(doubled)}")
        self._take(rules, by_id)

    def on(self, settings: CoordinationSettings) -> frozenset[str]:
        """Ids of the rules that may run under these settings (`Rule.may_be_on`)."""
        return self._under(settings).on

    def hearing(self, settings: CoordinationSettings, news: Set[str | type[Record]]) -> frozenset[str]:
        """Ids of the rules that may run under these settings and hear of one of these (`Rule.hears`)."""
        under, told = self._under(settings), self._audible & news
        found = under.hearing.get(told)
        if found is None:
            if len(under.hearing) >= _MOST_HEARD:
                under.hearing.clear()
            hearing = (rule for rule in self.rules if rule.hears is None or not told.isdisjoint(rule.hears))
            found = under.hearing[told] = frozenset(rule.id for rule in hearing) & under.on
        return found

    def _under(self, settings: CoordinationSettings) -> _Under:
        """What is kept for these very settings: each channel has its own, for as long as they are not reloaded."""
        known = self._settings.get(id(settings))
        if known is None or known.settings is not settings:
            if len(self._settings) >= _MOST_SETTINGS:
                self._settings.clear()
            on = frozenset(rule.id for rule in self.rules if rule.may_be_on(settings))
            known = self._settings[id(settings)] = _Under(settings, on)
        return known

    def watching(self, kinds: frozenset[type[Record]]) -> tuple[Rule, ...]:
        """The rules that watch one of these kinds of records, in order."""
        found = self._watching.get(kinds)
        if found is None:
            found = tuple(rule for rule in self.rules if not kinds.isdisjoint(rule.watches))
            self._watching[kinds] = found
        return found


CATALOGUE = Catalogue(RULES)
BY_ID: dict[str, Rule] = CATALOGUE.by_id
death.RULES_BY_ID.update(BY_ID)
