"""Builds X12 interchanges for tests: right counts and control numbers unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Sequence

HEADING_271 = ("ST*271*0001*005010X279A1", "BHT*0022*11*REQ-1*20261110*0915")
PAYER = ("HL*1**20*1", "NM1*PR*2*ACME HEALTH*****PI*PAYER5")
PROVIDER = ("HL*2*1*21*1", "NM1*1P*2*TOWN CLINIC*****XX*1234567893")
SUBSCRIBER = ("HL*3*2*22*0", "TRN*2*TRC-1*9CCGATEWAY", "NM1*IL*1*TESTER*ANNA*Q***MI*MBR900123", "DMG*D8*19480217*F")
ACTIVE = (*HEADING_271, *PAYER, *PROVIDER, *SUBSCRIBER, "EB*1**30")


def isa(
    *, control: str = "000000101", ack: str = "0", usage: str = "P", version: str = "00501", repetition: str = "^"
) -> str:
    sender, receiver = "PAYER5".ljust(15), "CCGW".ljust(15)
    return (
        f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{sender}*ZZ*{receiver}*261110*0915*{repetition}*{version}*"
        f"{control}*{ack}*{usage}*:"
    )


def transaction_set(segments: Sequence[str], *, count: int | None = None, control: str | None = None) -> list[str]:
    """The segments with their SE; `count` and `control` replace what SE should say."""
    own = segments[0].split("*")[2]
    return [*segments, f"SE*{len(segments) + 1 if count is None else count}*{own if control is None else control}"]


def group(*sets: Sequence[str], functional: str = "HB", control: str = "101", **trailer: str) -> list[str]:
    guide = "005010X217" if functional == "HI" else "005010X279A1"
    return [
        f"GS*{functional}*PAYER5*CCGW*20261110*0915*{control}*X*{guide}",
        *(segment for one in sets for segment in one),
        f"GE*{trailer.get('count', len(sets))}*{trailer.get('closing', control)}",
    ]


def interchange(*groups: Sequence[str], trailer: str | None = None, **header: str) -> bytes:
    control = header.get("control", "000000101")
    segments = [
        isa(**header),
        *(segment for one in groups for segment in one),
        f"IEA*{len(groups)}*{control}" if trailer is None else trailer,
    ]
    return ("~".join(segment for segment in segments if segment) + "~").encode()


def eligibility(*segments: str, **header: str) -> bytes:
    """One 271 of these segments, in a sound envelope."""
    return interchange(group(transaction_set(segments)), **header)
