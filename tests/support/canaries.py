"""Messages whose every field about a person holds a token that is found nowhere else (decision 24)."""

from __future__ import annotations

from datetime import datetime

from tests.support.hospital_messages import hl7, moment

TOKEN = "ZZCANARY"
BORN = "19310713"
NUMBERS = (BORN, "1931-07-13", "990770001", "5559907", "9907700")
"""Values that have to be numbers: birth date, social security number, telephone, postal code."""

PID_ID = f"{TOKEN}MRN"
MEMBER = f"{TOKEN}MEMBER"


def c(name: str) -> str:
    """The token of one field."""
    return f"{TOKEN}{name}"


def patient(mrn: str = PID_ID, family: str = c("FAMILY"), born: str = BORN) -> list[str]:
    """PID, PD1 and NK1, whole."""
    fields = {
        1: "1",
        2: c("OLDID"),
        3: f"{mrn}^^^GENHOSP^MR~990770001^^^USA^SS~{c('DL')}^^^OH^DL" if mrn else "",
        4: c("ALTID"),
        5: f"{family}^{c('GIVEN')}^{c('MIDDLE')}",
        6: c("MAIDEN"),
        7: born,
        8: "F",
        9: f"{c('ALIAS')}^{c('ALIASGIVEN')}",
        11: f"{c('STREET')}^{c('OTHER')}^{c('CITY')}^OH^9907700",
        12: c("COUNTY"),
        13: f"^PRN^PH^{c('MAIL')}@example.org^1^614^5559907",
        14: "^WPN^PH^^1^614^5559907",
        18: f"{c('ACCOUNT')}^^^GENHOSP^AN",
        19: "990770001",
        20: c("LICENCE"),
        21: c("MOTHERID"),
        23: c("BIRTHPLACE"),
    }
    pid = "|".join(["PID", *(fields.get(number, "") for number in range(1, 31))])
    kin = f"NK1|1|{c('KIN')}^{c('KINGIVEN')}|SPO|{c('KINSTREET')}^^TOWN^OH|^PRN^PH^^1^614^5559907"
    return [pid, f"PD1||||{c('PCP')}^{c('DOCTOR')}", kin]


def visit(at: datetime, left: datetime | None = None) -> list[str]:
    fields = {1: "1", 2: "I", 3: "4W^401^A^GENHOSP", 7: f"{c('ATTID')}^{c('ATTEND')}^{c('ATTGIVEN')}", 10: "MED"}
    fields |= {19: f"{c('VISIT')}^^^GENHOSP^VN", 20: "COM", 44: moment(at), 45: moment(left) if left else ""}
    fields[36] = "01" if left else ""
    insured = {
        1: "1",
        2: c("PLAN"),
        3: "PAYER5",
        4: "ACME HEALTH",
        8: c("GROUP"),
        16: f"{c('INSURED')}^{c('INSGIVEN')}",
    }
    insured |= {17: "SEL", 18: BORN, 19: f"{c('INSSTREET')}^^TOWN^OH", 36: MEMBER, 49: c("INSID")}
    return [
        "|".join(["PV1", *(fields.get(number, "") for number in range(1, 53))]),
        f"DG1|1||J18.9^{c('DIAGNOSIS')}^I10|||A",
        f"AL1|1|DA|{c('ALLERGY')}^{c('ALLERGYTEXT')}|SV",
        f"GT1|1|{c('GTID')}|{c('GUARANTOR')}^{c('GTGIVEN')}||{c('GTSTREET')}^^TOWN^OH|^PRN^PH^^1^614^5559907||{BORN}",
        "|".join(["IN1", *(insured.get(number, "") for number in range(1, 50))]),
        f"NTE|1||{c('NOTE')}",
        f"ZPI|1|{c('SITE')}",
    ]


def adt(event: str, control_id: str, at: datetime, *segments: str, kind: str = "P") -> bytes:
    structure = f"MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|{moment(at)}||ADT^{event}^ADT_{event}|{control_id}|{kind}|2.5.1"
    return hl7(structure, f"EVN||{moment(at)}|||{c('OPERATOR')}", *segments)


def admissions(at: datetime) -> list[bytes]:
    """Good ones, and one of every kind that ends in trouble."""
    everything = [*patient(), *visit(at)]
    merge = f"MRG|{c('PRIOR')}^^^GENHOSP^MR||||||{c('PRIORNAME')}^{c('PRIORGIVEN')}"
    return [
        adt("A01", "N1", at, *everything),
        adt("A01", "N1", at, *everything),
        adt("A08", "N2", at, *patient(family=c("MARRIED")), *visit(at)),
        adt("A03", "N3", at, *patient(), *visit(at, at)),
        adt("A40", "N4", at, *patient(), merge),
        adt("A08", "N5", at, *patient(mrn=""), *visit(at)),  # about nobody
        adt("A54", "N6", at, *everything),  # no mapping
        adt("A01", "N7", at, *everything, kind="T"),
        adt("A31", "N8", at, *patient(mrn=c("MRN2"), born=c("BORN")), *visit(at)),  # no date
        adt("A01", "N9", at, *patient(mrn=c("MRN3"), family=f"POISON-RAISE{TOKEN}")),
        adt("A01", "N10", at, *patient(mrn=c("MRN4"), family=f"POISON-EXIT{TOKEN}")),
        adt("A01", "N12", at, *everything).replace(b"ADT^A01^ADT_A01", c("TYPE").encode()),
        adt("A01", "N13", at, *everything).replace(TOKEN.encode(), TOKEN.encode() + b"\xff\xfe\x00"),
        adt("A01", "N15", at, *everything)[4:],  # no MSH
        b"FHS|^~\\&|ADT1\r" + adt("A08", "N16", at, *everything) + f"BTS|{c('COUNT')}\r".encode(),
    ]


SHUT = "ZZSHUT"
"""The token of a restricted patient: what an ungranted taker gets of him holds it nowhere, also not inside an event."""


def restricted(at: datetime) -> list[bytes]:
    """A patient who is restricted himself (PD1-12), and one whose stay is (PV2-22, DG1-18), from admission to discharge."""
    mark = "PD1|||||||||||1|Y"

    def shut(rows: list[str], *kinds: str) -> list[str]:
        return [one.replace(TOKEN, SHUT) if not kinds or one[:3] in kinds else one for one in rows]

    who, other = shut(patient()), patient(mrn=f"{PID_ID}2")
    stay, left = visit(at), visit(at, at)
    pv2 = "PV2" + "|" * 22 + "Y"

    def marked(rows: list[str]) -> list[str]:
        """The stay alone is restricted: what PV1 and DG1 say of it."""
        first, *rest = shut(rows, "PV1", "DG1")
        return [first.replace(f"{SHUT}VISIT", f"{SHUT}VISIT2"), pv2, *rest]

    return [
        adt("A01", "R1", at, who[0], mark, *shut(stay)),
        adt("A03", "R2", at, who[0], mark, *shut(left)),
        adt("A01", "R3", at, *other, *marked(stay)),
        adt("A03", "R4", at, *other, *marked(left)),
    ]


def slipped(at: datetime) -> list[bytes]:
    """Tokens in the header, where an acknowledgement mirrors them to whoever sent them."""
    everything = [*patient(), *visit(at)]
    return [
        adt(c("EVENT"), "N11", at, *everything),
        adt("A01", "N14", at, *everything).replace(b"|2.5.1", f"|{c('VERSION')}||||||{c('CHARSET')}".encode()),
    ]


def bookings(at: datetime) -> list[bytes]:
    when = moment(at)

    def siu(event: str, control_id: str) -> bytes:
        return hl7(
            f"MSH|^~\\&|SCHED|GENHOSP|CCGW|COORD|{when}||SIU^{event}^SIU_S12|{control_id}|P|2.5.1",
            f"SCH|{c('PLACER')}^SCHED|{c('FILLER')}^SCHED|||{c('SCHEDULE')}|{c('REASON')}^{c('REASONTEXT')}|FOLLOWUP^{c('KIND')}"
            f"|OFFICE|30|MIN|^^30^{when}^{when}|||||{c('CONTACT')}^{c('CONTACTNAME')}{'|' * 9}Booked^Booked",
            f"NTE|1||{c('SIUNOTE')}",
            *patient(),
            *visit(at)[:1],
            "RGS|1|A",
            f"AIS|1|A|{c('SERVICE')}^{c('SERVICETEXT')}|{when}|||30|MIN||Booked",
            f"AIL|1|A|{c('ROOM')}^^^TOWNCLINIC|C||{when}|||30|MIN||Booked",
            f"AIP|1|A|{c('PROVIDER')}^{c('PROVIDERNAME')}|MD||{when}|||30|MIN||Booked",
        )

    return [siu("S12", "S1"), siu("S26", "S2"), siu("S99", "S3")]


def answers(at: datetime) -> list[bytes]:
    """271 and 278: good, about nobody, and broken in several ways."""

    def interchange(kind: str, guide: str, number: int, *body: str) -> bytes:
        head = [
            f"ISA*00*          *00*          *ZZ*PAYER5         *ZZ*CCGW           *{at:%y%m%d}*{at:%H%M}*^*00501*"
            f"{number:09d}*0*P*:",
            f"GS*{'HB' if kind == '271' else 'HI'}*PAYER5*CCGW*{at:%Y%m%d}*{at:%H%M}*{number}*X*{guide}",
            f"ST*{kind}*0001*{guide}",
        ]
        tail = [f"SE*{len(body) + 2}*0001", f"GE*1*{number}", f"IEA*1*{number:09d}"]
        return ("~\n".join([*head, *body, *tail]) + "~\n").encode()

    def subscriber(member: str) -> list[str]:
        return [
            "HL*1**20*1",
            "NM1*PR*2*ACME HEALTH*****PI*PAYER5",
            "HL*2*1*21*1",
            f"NM1*1P*2*{c('PROVIDERORG')}*****XX*1234567893",
            "HL*3*2*22*0",
            f"TRN*2*{c('TRACE')}*9CCGATEWAY",
            f"NM1*IL*1*{c('FAMILY')}*{c('GIVEN')}*{c('MIDDLE')}***MI*{member}",
            f"REF*SY*990770001*{c('REF')}",
            f"N3*{c('STREET')}",
            f"N4*{c('CITY')}*OH*9907700",
            f"DMG*D8*{BORN}*F",
        ]

    def eligibility(number: int, member: str, *more: str) -> bytes:
        begin = f"BHT*0022*11*{c('BHT')}*{at:%Y%m%d}*{at:%H%M}"
        return interchange("271", "005010X279A1", number, begin, *subscriber(member), *more)

    def decision(number: int, member: str, *more: str) -> bytes:
        begin = f"BHT*0007*11*{c('BHT')}*{at:%Y%m%d}*{at:%H%M}*18"
        rows = [row.replace("*PR*", "*X3*") for row in subscriber(member)]
        event = ["HL*4*3*EV*0", f"TRN*2*{c('AUTHTRACE')}*9CCGATEWAY", "UM*HS*I*62*22:B"]
        return interchange("278", "005010X217", number, begin, *rows, *event, *more)

    benefit = ("EB*1**30**GOLD PLAN", f"MSG*{c('MESSAGE')}")
    good = eligibility(1, MEMBER, *benefit)
    return [
        good,
        eligibility(2, c("NOBODY"), *benefit),
        eligibility(3, MEMBER, f"AAA*N**{c('AAA')}*C", f"EB*{c('CODE')}**{c('SERVICE')}"),
        decision(4, MEMBER, f"HCR*A3*{c('AUTHNO')}*0W", f"HI*BF:{c('DX')}", f"MSG*{c('MESSAGE')}"),
        decision(5, c("NOBODY"), f"HCR*A3*{c('AUTHNO')}*0W"),
        decision(6, MEMBER, f"HCR*{c('ACTION')}*{c('AUTHNO')}*{c('WHY')}"),
        good.replace(b"000000001*0", b"000000007*0"),  # ISA13 and IEA02 differ
        good.replace(b"SE*", f"{TOKEN}SEG*{TOKEN}\x00~\nSE*".encode()).replace(b"000000001", b"000000008"),
        good[: len(good) // 2].replace(b"000000001", b"000000009"),
        f"ISA*{TOKEN}".encode(),
        c("GARBAGE").encode(),
    ]


EVERYTHING = (admissions, restricted, slipped, bookings, answers)
