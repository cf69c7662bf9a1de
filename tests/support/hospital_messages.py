"""Messages of a small hospital and its payer, made for one patient, visit and moment at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta


def hl7(*segments: str) -> bytes:
    """Segments as they go over the wire."""
    return ("\r".join(segments) + "\r").encode()


def moment(at: datetime) -> str:
    """HL7 timestamp with the offset of `at`."""
    return f"{at:%Y%m%d%H%M%S%z}"


def header(kind: str, control_id: str, at: datetime, sender: str = "ADT1") -> str:
    return f"MSH|^~\\&|{sender}|GENHOSP|CCGW|COORD|{moment(at)}||{kind}|{control_id}|P|2.5.1"


def person(mrn: str, family: str = "SAMPLE", given: str = "PAT", phone: str = "5550100") -> str:
    street = "1 MAIN ST^^TOWN^OH^43001"
    return f"PID|1||{mrn}^^^GENHOSP^MR||{family}^{given}||19520419|F|||{street}||^PRN^PH^^1^614^{phone}||ENG"


def stay(visit: str, admitted: datetime, left: datetime | None = None, disposition: str = "") -> str:
    discharged = moment(left) if left else ""
    return (
        f"PV1|1|I|4W^401^A^GENHOSP|E|||A1077^ATTEND^ALAN|||MED||||7||||IP|{visit}^^^GENHOSP^VN|COM"
        f"{'|' * 16}{disposition}{'|' * 8}{moment(admitted)}|{discharged}"
    )


def insurance(mrn: str) -> str:
    return f"IN1|1|PLAN9^GOLD|PAYER5|ACME HEALTH||||GRP55||||20250101||||SAMPLE^PAT|SEL|19520419{'|' * 18}MBR{mrn}"


def admit(mrn: str, visit: str, at: datetime, control_id: str, *, insured: bool = True) -> bytes:
    """A01 of an inpatient."""
    rest = (insurance(mrn),) if insured else ()
    event = header("ADT^A01^ADT_A01", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(mrn), stay(visit, at), *rest)


def update(mrn: str, visit: str, admitted: datetime, at: datetime, control_id: str, phone: str) -> bytes:
    """A08 with another telephone number."""
    event = header("ADT^A08^ADT_A01", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(mrn, phone=phone), stay(visit, admitted))


def discharge(mrn: str, visit: str, admitted: datetime, at: datetime, control_id: str) -> bytes:
    """A03, home."""
    event = header("ADT^A03^ADT_A03", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(mrn), stay(visit, admitted, at, "01"))


def cancel_discharge(mrn: str, visit: str, admitted: datetime, at: datetime, control_id: str) -> bytes:
    """A13."""
    event = header("ADT^A13^ADT_A01", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(mrn), stay(visit, admitted))


def register(mrn: str, at: datetime, control_id: str, family: str = "SAMPLE", given: str = "PAT") -> bytes:
    """A28: a person and his insurance, no visit."""
    event = header("ADT^A28^ADT_A05", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(mrn, family, given), "PV1|1|N", insurance(mrn))


def merge(survivor: str, prior: str, at: datetime, control_id: str) -> bytes:
    """A40."""
    event = header("ADT^A40^ADT_A39", control_id, at)
    return hl7(event, f"EVN||{moment(at)}", person(survivor), f"MRG|{prior}^^^GENHOSP^MR")


def merge_visits(mrn: str, survivor: str, prior: str, at: datetime, control_id: str) -> bytes:
    """A42."""
    event = header("ADT^A42^ADT_A39", control_id, at)
    gone = f"MRG|{mrn}^^^GENHOSP^MR||||{prior}^^^GENHOSP^VN"
    return hl7(event, f"EVN||{moment(at)}", person(mrn), gone, f"PV1|1|I|||||||||||||||||{survivor}^^^GENHOSP^VN")


def book(mrn: str, placer: str, start: datetime, at: datetime, control_id: str) -> bytes:
    """S12 of a follow-up visit."""
    end = start + timedelta(minutes=30)
    times = f"^^30^{moment(start)}^{moment(end)}"
    kinds = "BOOK^New booking|FOLLOWUP^Follow-up^HL70276|OFFICE^Office visit|30|MIN"
    return hl7(
        header("SIU^S12^SIU_S12", control_id, at, "SCHED"),
        f"SCH|{placer}^SCHED|F{placer}^SCHED|||SCHD1|{kinds}|{times}{'|' * 14}Booked^Booked^HL70278",
        person(mrn),
        "RGS|1|A",
        f"AIS|1|A|HFU^Hospital follow-up|{moment(start)}|||30|MIN||Booked",
        f"AIL|1|A|ROOM2^^^TOWNCLINIC|C||{moment(start)}|||30|MIN||Booked",
        f"AIP|1|A|1234567893^PRIMARY^PAULA|MD||{moment(start)}|||30|MIN||Booked",
    )


def visit(
    trigger: str, mrn: str, placer: str, start: datetime, at: datetime, control_id: str,
    *, status: str = "Booked", clinician: str = "77", room: str = "ROOM7",
) -> bytes:  # fmt: skip
    """An SIU message about half an hour with a clinician in a room."""
    times = f"^^30^{moment(start)}^{moment(start + timedelta(minutes=30))}"
    return hl7(
        header(f"SIU^{trigger}^SIU_S12", control_id, at, "SCHED"),
        f"SCH|{placer}^SCHED|F{placer}^SCHED||||||OFFICE|30|MIN|{times}{'|' * 14}{status}",
        person(mrn),
        "RGS|1",
        "AIS|1||ECHO^Echo",
        f"AIL|1||{room}^^^GENHOSP",
        f"AIP|1||{clinician}^ONE^OLGA",
    )


def slot(trigger: str, begins: datetime, ends: datetime, at: datetime, control_id: str, *rows: str) -> bytes:
    """S23 or S24 of the resources in `rows`."""
    times = f"^^^{moment(begins)}^{moment(ends)}"
    head = header(f"SIU^{trigger}^SIU_S12", control_id, at, "SCHED")
    return hl7(head, f"SCH|||||MAIN^Main schedule|LEAVE|||||{times}", "RGS|1", *rows)


def _interchange(kind: str, guide: str, number: int, at: datetime, segments: list[str]) -> bytes:
    count = len(segments) + 2
    ends = [
        f"ISA*00*          *00*          *ZZ*PAYER5         *ZZ*CCGW           *{at:%y%m%d}*{at:%H%M}"
        f"*^*00501*{number:09d}*0*P*:",
        f"GS*{'HB' if kind == '271' else 'HI'}*PAYER5*CCGW*{at:%Y%m%d}*{at:%H%M}*{number}*X*{guide}",
        f"ST*{kind}*0001*{guide}",
        *segments,
        f"SE*{count}*0001",
        f"GE*1*{number}",
        f"IEA*1*{number:09d}",
    ]
    return ("~\n".join(ends) + "~\n").encode()


def _hierarchy(payer: str) -> list[str]:
    return [
        "HL*1**20*1",
        f"NM1*{payer}*2*ACME HEALTH*****PI*PAYER5",
        "HL*2*1*21*1",
        "NM1*1P*2*GENERAL HOSPITAL*****XX*1234567893",
    ]


def review_answer(
    mrn: str, number: int, at: datetime, um: str, hcr: str, more: Sequence[str] = (), purpose: str = "18"
) -> bytes:
    """278 response: the member is MBR<mrn>, all answers of one member have one trace."""
    segments = [
        f"BHT*0007*11*AUTHREQ-{number}*{at:%Y%m%d}*{at:%H%M}*{purpose}",
        *_hierarchy("X3"),
        "HL*3*2*22*1",
        f"NM1*IL*1*SAMPLE*PAT****MI*MBR{mrn}",
        "DMG*D8*19520419*F",
        f"HL*4*3*EV*{int(any(line.startswith('HL*') for line in more))}",
        f"TRN*2*TRC-AUTH-{mrn}*9CCGATEWAY",
        um,
        hcr,
        *more,
    ]
    return _interchange("278", "005010X217", number, at, segments)


def eligibility_answer(mrn: str, number: int, at: datetime, lines: Sequence[str]) -> bytes:
    """271 with these segments behind the subscriber MBR<mrn>."""
    segments = [
        f"BHT*0022*11*REQ-{number}*{at:%Y%m%d}*{at:%H%M}",
        *_hierarchy("PR"),
        "HL*3*2*22*0",
        f"TRN*2*TRC-{number}*9CCGATEWAY",
        f"NM1*IL*1*SAMPLE*PAT****MI*MBR{mrn}",
        *(line for line in lines if line.startswith("AAA")),
        "DMG*D8*19520419*F",
        *(line for line in lines if not line.startswith("AAA")),
    ]
    return _interchange("271", "005010X279A1", number, at, segments)


def denial(mrn: str, number: int, at: datetime, family: str = "SAMPLE", given: str = "PAT") -> bytes:
    """278 response, A3: the member is MBR<mrn>."""
    segments = [
        f"BHT*0007*11*AUTHREQ-{number}*{at:%Y%m%d}*{at:%H%M}*18",
        *_hierarchy("X3"),
        "HL*3*2*22*1",
        f"NM1*IL*1*{family}*{given}****MI*MBR{mrn}",
        "DMG*D8*19520419*F",
        "HL*4*3*EV*0",
        f"TRN*2*TRC-AUTH-{number}*9CCGATEWAY",
        "UM*HS*I*62*22:B",
        "HCR*A3**0W",
        f"DTP*AAH*D8*{at + timedelta(days=5):%Y%m%d}",
    ]
    return _interchange("278", "005010X217", number, at, segments)


def eligibility(mrn: str, number: int, at: datetime, family: str = "SAMPLE", given: str = "PAT") -> bytes:
    """271, active."""
    segments = [
        f"BHT*0022*11*REQ-{number}*{at:%Y%m%d}*{at:%H%M}",
        *_hierarchy("PR"),
        "HL*3*2*22*0",
        f"TRN*2*TRC-{number}*9CCGATEWAY",
        f"NM1*IL*1*{family}*{given}****MI*MBR{mrn}",
        "DMG*D8*19520419*F",
        "EB*1**30**GOLD PLAN",
        "EB*1**48*******N",
    ]
    return _interchange("271", "005010X279A1", number, at, segments)
