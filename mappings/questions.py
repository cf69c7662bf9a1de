"""Our own questions to payers as X12: 270 (005010X279A1), 278 request (X217) and inquiry (X215).  Pure: facts in, bytes
out."""

from __future__ import annotations

from datetime import datetime

from mappings.facts import Facts
from mappings.partners import TradingPartner
from mappings.payer_facts import RequestedService
from mappings.x12_writing import SetWriter, dates, day

ELIGIBILITY, AUTHORIZATION, INQUIRY = "eligibility", "authorization", "inquiry"
CANCELLATION, EXTENSION = "cancellation", "extension"
KINDS = (ELIGIBILITY, AUTHORIZATION, INQUIRY, CANCELLATION, EXTENSION)

_SEXES = ("F", "M")  # DMG03 of these guides; another value is left out
_CERTIFICATION = {CANCELLATION: "3", EXTENSION: "4"}  # UM02; else what the question says


class AskedPerson(Facts, frozen=True, kw_only=True):
    """NM1, DMG of the subscriber or of the patient."""

    family: str = ""
    given: str = ""
    birth_date: str | None = None
    sex: str | None = None


class Question(Facts, frozen=True, kw_only=True):
    """Everything that a document of ours says about one patient.  Kept with the inquiry, so that it can be sent again.

    `patient`: the dependent when he is not the subscriber himself; then `relationship` is INS02."""

    kind: str
    payer_id: str
    payer_name: str = ""
    payer_qualifier: str = "PI"
    provider_npi: str
    provider_name: str = ""
    provider_taxonomy: str = ""
    member_id: str
    subscriber: AskedPerson
    patient: AskedPerson | None = None
    relationship: str | None = None
    group_number: str | None = None
    trace: str
    originator: str  # TRN03: ten characters
    reference: str  # BHT03
    service_types: tuple[str, ...] = ()  # EQ01
    services: tuple[RequestedService, ...] = ()  # EQ02, 2000F
    service_on: str | None = None
    service_ends_on: str | None = None
    category: str = "HS"  # UM01
    certification: str = "I"  # UM02
    service_type: str | None = None  # UM03
    place: str | None = None  # UM04.1 of qualifier B
    urgent: bool = False  # UM06
    admission_on: str | None = None
    diagnoses: tuple[str, ...] = ()  # ICD-10-CM, the principal one first
    number: str | None = None  # REF BB: the authorization that it is about


def originator(partner: TradingPartner) -> str:
    """TRN03: 9 and our identifier at the partner, ten characters."""
    own = "".join(letter for letter in partner.own_id if letter.isalnum())
    return f"9{own}"[:10].ljust(10, "0")


def write_question(question: Question, partner: TradingPartner, moment: datetime) -> bytes:
    """The whole interchange with slots.  `moment`: our local time."""
    if question.kind == ELIGIBILITY:
        return _eligibility(question, partner, moment)
    return _authorization(question, partner, moment)


def set_of(kind: str) -> str:
    """ST01."""
    return "270" if kind == ELIGIBILITY else "278"


def _eligibility(question: Question, partner: TradingPartner, moment: datetime) -> bytes:
    writer = SetWriter(partner, "HS", "270", partner.guides.eligibility, moment)
    writer.add("BHT", "0022", "13", question.reference, writer.date, writer.time)
    level = _parties(writer, question, "PR", traced=True)
    _patient(writer, question, level, traced=True, below=False)
    if question.service_on:
        writer.add("DTP", "291", *dates(question.service_on, question.service_ends_on))
    if question.service_types:
        writer.add("EQ", list(question.service_types))
    for service in question.services:
        if service.procedure:
            writer.add("EQ", "", ("HC", service.procedure))
    return writer.body()


def _parties(writer: SetWriter, question: Question, payer: str, *, traced: bool) -> int:
    """2000A and 2000B; returns the number of the latter."""
    source = writer.level(0, "20", children=True)
    writer.add("NM1", payer, "2", question.payer_name[:60], "", "", "", "", question.payer_qualifier, question.payer_id)
    receiver = writer.level(source, "21", children=True)
    writer.add("NM1", "1P", "2", question.provider_name[:60], "", "", "", "", "XX", question.provider_npi)
    if question.provider_taxonomy and not traced:
        writer.add("PRV", "PE", "PXC", question.provider_taxonomy)
    return receiver


def _patient(writer: SetWriter, question: Question, parent: int, *, traced: bool, below: bool) -> int:
    """2000C and, for a dependent, 2000D; returns the number of the patient's level.  `traced`: TRN belongs here."""
    dependent = question.patient
    level = writer.level(parent, "22", children=below or dependent is not None)
    if traced and dependent is None:
        writer.add("TRN", "1", question.trace, question.originator)
    _person(writer, "IL", question.subscriber, question.member_id)
    if question.group_number:
        writer.add("REF", "6P", question.group_number[:50])
    _demographics(writer, question.subscriber)
    if dependent is None:
        return level
    level = writer.level(level, "23", children=below)
    if traced:
        writer.add("TRN", "1", question.trace, question.originator)
    _person(writer, "03" if traced else "QC", dependent, "")
    _demographics(writer, dependent)
    writer.add("INS", "N", question.relationship or "G8")
    return level


def _person(writer: SetWriter, role: str, person: AskedPerson, member_id: str) -> None:
    identity = ("MI", member_id) if member_id else ()
    writer.add("NM1", role, "1", person.family[:60], person.given[:35], "", "", "", *identity)


def _demographics(writer: SetWriter, person: AskedPerson) -> None:
    birth_date = day(person.birth_date)
    if len(birth_date) == 8:
        writer.add("DMG", "D8", birth_date, person.sex if person.sex in _SEXES else "")


# -- 278 ---------------------------------------------------------------------------------------------------------------


def _authorization(question: Question, partner: TradingPartner, moment: datetime) -> bytes:
    inquiry = question.kind == INQUIRY
    guide = partner.guides.inquiry if inquiry else partner.guides.authorization
    writer = SetWriter(partner, "HI", "278", guide, moment)
    writer.add("BHT", "0007", "28" if inquiry else "13", question.reference, writer.date, writer.time)
    receiver = _parties(writer, question, "X3", traced=False)
    patient = _patient(writer, question, receiver, traced=False, below=True)
    services = () if inquiry else question.services
    event = writer.level(patient, "EV", children=bool(services))
    writer.add("TRN", "1", question.trace, question.originator)
    _review(writer, question)
    if question.number:
        writer.add("REF", "BB", question.number[:50])
    if question.service_on:
        writer.add("DTP", "AAH", *dates(question.service_on, question.service_ends_on))
    if question.admission_on:
        writer.add("DTP", "435", "D8", day(question.admission_on))
    if question.diagnoses:
        codes = [code.replace(".", "") for code in question.diagnoses[:12]]
        writer.add("HI", *(("ABK" if at == 0 else "ABF", code) for at, code in enumerate(codes)))
    for number, service in enumerate(services, 1):
        _service(writer, question, service, event, number)
    return writer.body()


def _review(writer: SetWriter, question: Question) -> None:
    place = (question.place, "B") if question.place else ""
    certification = _CERTIFICATION.get(question.kind, question.certification)
    writer.add(
        "UM", question.category, certification, question.service_type or "", place, "", "U" if question.urgent else ""
    )


def _service(writer: SetWriter, question: Question, service: RequestedService, event: int, number: int) -> None:
    writer.level(event, "SS", children=False)
    writer.add("TRN", "1", f"{question.trace}-{number}", question.originator)
    if service.service_type and not service.procedure:
        writer.add("UM", question.category, question.certification, service.service_type)
    if service.procedure:
        writer.add("SV1", ("HC", service.procedure), "", "UN", service.quantity or "1")
    if service.quantity and service.unit and service.unit != "UN":
        writer.add("HSD", service.unit, service.quantity)
