"""The demo's day and one more, on which everything happens that the day does not show; played in process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from channels.ports import Inbound
from gateway.bootstrap import Gateway
from gateway.clock import ScenarioClock
from gateway.coordination.changes import Ask, Command, Undo
from gateway.demo.player import Player
from gateway.demo.run import SAMPLES, demo_settings
from gateway.demo.scenario import Scenario, Step, load, moment
from gateway.payer.scenario import Scenario as Answers
from gateway.payer.simulator import SimulatedPayer
from gateway.settings import Settings
from gateway.store.migrate import migrate
from gateway.store.ports import EventRow
from gateway.store.progress import pending
from gateway.store.schema import coverages, merges, replies
from gateway.store.worklist import worklist
from parsers.x12.acknowledgement import number_interchange

DAY0 = date(2026, 9, 14)

_PERSON = "PID|1||900300^^^GENHOSP^MR||PROOF^CARLA||19700911|F|||3 ELM ST^^TOWN^OH^43001||^PRN^PH^^1^614^5550130||ENG|M"
_VISIT = (
    "PV1|1|I|{place}^A^GENHOSP|E|||A1077^ATTEND^ALAN^^^DR^^^GENHOSP|||{service}||||7||||IP|V30001^^^GENHOSP^VN|COM"
    + "|" * 24
    + "{{ts D+0 08:15}}"
)
_INSURANCE = (
    "IN1|1|{plan}|PAYER5|ACME HEALTH||||GRP55||||{{d D-200}}||||PROOF^CARLA|SEL|19700911||||1|||||||{verified}"
    "|||||||MBR900300"
)


def _adt(trigger: str, at: str, *lines: str) -> str:
    head = f"MSH|^~\\&|ADT1|GENHOSP|CCGW|COORD|{{ts {at}}}||ADT^{trigger}|MORE{at[2:]}{trigger}|P|2.5.1"
    return "\n".join([head, f"EVN||{{ts {at}}}", *lines]) + "\n"


def _carla(trigger: str, at: str, place: str = "4E^413", service: str = "MED", *more: str) -> str:
    return _adt(trigger, at, _PERSON, _VISIT.format(place=place, service=service).replace("{{", "{"), *more)


def _visited(trigger: str, at: str, **fields: str) -> str:
    """About a further stay of Carla's: PV1 and PV2 by field, `pv1_3="4E"`."""
    head = {"pv1_2": "I", "pv1_3": "4E^413", "pv1_19": "V30002^^^GENHOSP^VN", **fields}
    lines = []
    for name in ("PV1", "PV2", "NPU"):
        sent = {int(key[4:]): value for key, value in head.items() if key.startswith(f"{name.lower()}_")}
        if sent and (name != "NPU" or trigger == "A20"):
            lines.append("|".join([name, *(sent.get(number, "") for number in range(1, max(sent) + 1))]))
    person = [] if trigger == "A20" else [_PERSON]
    return _adt(
        trigger, at, *person, *(lines[-1:] if trigger == "A20" else lines), *([_ALLERGY] if trigger == "A60" else [])
    )


_ALLERGY = "IAM|1|DA|1191^ASPIRIN^RXNORM|SV||A|ALG1"


def _swap(at: str) -> str:
    """A17: Carla and another patient change beds."""
    other = "PID|1||902100^^^GENHOSP^MR||SWAP^SAM||19500101|M"
    bed = "PV1|1|I|{}^A^GENHOSP" + "|" * 16 + "{}^^^GENHOSP^VN"
    return _adt("A17", at, _PERSON, bed.format("5E^501", "V30002"), other, bed.format("4E^413", "V90100"))


_FURTHER_VISITS: tuple[tuple[str, dict[str, str]], ...] = (
    ("A14", {"pv1_2": "P", "pv2_8": "20260917"}),
    ("A27", {"pv1_2": "P"}),
    ("A05", {"pv1_2": "P"}),
    ("A38", {"pv1_2": "P"}),
    ("A01", {}),
    ("A54", {"pv1_7": "A2000^OTHER^OTTO"}),
    ("A15", {"pv1_42": "5E^501"}),
    ("A09", {"pv1_6": "4E^413", "pv1_11": "XR"}),
    ("A10", {"pv1_11": "XR"}),
    ("A21", {"pv2_47": "20260918"}),
    ("A52", {}),
    ("A21", {}),
    ("A22", {}),
    ("A53", {}),
    ("A22", {}),
    ("A16", {"pv2_9": "20260920"}),
    ("A25", {}),
    ("A60", {}),
    ("A20", {"npu_1": "4E^413^A^GENHOSP", "npu_2": "H"}),
    ("A23", {}),
)


def _further_identities() -> list[tuple[str, str, str]]:
    """Two new people and their stays: linked, renumbered, moved and joined."""
    ivy = "PID|1||903001^^^GENHOSP^MR||IDENT^IVY||19610101|F" + "|" * 10 + "ACC1"
    jon = "PID|1||903002^^^GENHOSP^MR||IDENT^JON||19620101|M" + "|" * 10 + "ACC2"
    visit = "PV1|1|I|4E" + "|" * 16 + "{}^^^GENHOSP^VN"
    ivy_other = "903001^^^GENHOSP^MR"
    told = [
        ("A01", (ivy, visit.format("W1"))),
        ("A01", (jon, visit.format("W2"))),
        ("A24", (ivy, jon)),
        ("A37", (ivy, jon)),
        ("A49", (ivy.replace("ACC1", "ACC9"), "MRG|||ACC1")),
        ("A41", (ivy, "MRG|||ACC9")),
        ("A50", (ivy, "MRG|||||W1^^^GENHOSP", visit.format("W3"))),
        ("A44", (jon, f"MRG|{ivy_other}||ACC1")),
        ("A42", (jon, "MRG|||||W3^^^GENHOSP", visit.format("W2"))),
        ("A45", (ivy, "MRG|903002^^^GENHOSP^MR||||W2^^^GENHOSP", visit.format("W2"))),
        ("A47", (ivy.replace("903001", "903009"), f"MRG|{ivy_other}")),
        ("A43", (jon, f"MRG|{ivy_other}")),
    ]
    return [
        (f"D+2 11:{minute}", "adt", _adt(trigger, f"D+2 11:{minute}", *lines).replace("MORE", f"IDN{minute}"))
        for minute, (trigger, lines) in enumerate(told, 20)
    ]


def _schedule(trigger: str, at: str, *rows: str) -> str:
    """A message about one further appointment of Carla's, or about a slot."""
    slot = trigger in ("S23", "S24")
    sch = "SCH|P900|F900|||MAIN^Main schedule|BUSY||OFFICE|||^^30^{ts D+9 10:00}^{ts D+9 10:30}"
    head = f"MSH|^~\\&|SCHED|GENHOSP|CCGW|COORD|{{ts {at}}}||SIU^{trigger}^SIU_S12|MORE{at[2:]}{trigger}|P|2.5.1"
    return "\n".join([head, sch, *([] if slot else [_PERSON]), "RGS|1", *rows]) + "\n"


def _further_bookings() -> list[tuple[str, str, str]]:
    told = [
        ("S12", ("AIS|1||ECHO^Echo", "AIP|1||77^ONE^OLGA|MD", "AIP|2||78^TWO^TOM|MD")),
        ("S20", ("AIP|2|D|78^TWO^TOM|MD",)),
        ("S16", ()),
        ("S23", ("AIP|1||77^ONE^OLGA",)),
        ("S24", ("AIP|1||77^ONE^OLGA",)),
    ]
    return [
        (f"D+2 11:{minute}", "siu", _schedule(trigger, f"D+2 11:{minute}", *rows))
        for minute, (trigger, rows) in enumerate(told, 51)
    ]


def _further_visits() -> list[tuple[str, str, str]]:
    told = []
    for minute, (trigger, fields) in enumerate(_FURTHER_VISITS):
        at = f"D+2 11:{minute:02d}"
        told.append((at, "adt", _visited(trigger, at, **fields)))
    return [*told, ("D+2 11:40", "adt", _swap("D+2 11:40")), ("D+2 11:50", "adt", _adt("A29", "D+2 11:50", _PERSON))]


def _insured(plan: str, verified: str = "") -> str:
    return _INSURANCE.format(plan=plan, verified=verified).replace("{{", "{").replace("}}", "}")


def _mona(at: str, status: str, provider: str = "1234567893^PRIMARY^PAULA") -> str:
    text = (SAMPLES / "50-mona-follow-up-moved.hl7").read_text("utf-8")
    lines = text.splitlines()
    lines[0] = f"MSH|^~\\&|SCHED|GENHOSP|CCGW|COORD|{{ts {at}}}||SIU^S14^SIU_S12|MORE{at[2:]}{status}|P|2.5.1"
    lines[1] = lines[1].replace("Booked^Booked", f"{status}^{status}")
    return "\n".join(lines).replace("1234567893^PRIMARY^PAULA", provider) + "\n"


def _payer(set_id: str, at: str, number: int, *loops: str) -> str:
    """An answer about Carla; `loops` follow her name and birth date."""
    day, clock = at.split()
    clock = clock.replace(":", "")
    kind, guide, source = ("HB", "005010X279A1", "PR") if set_id == "271" else ("HI", "005010X217", "X3")
    purpose = f"BHT*0022*11*REQ-{number}*{{d {day}}}*{clock}"
    if set_id == "278":
        purpose = f"BHT*0007*11*AUTHREQ-{number}*{{d {day}}}*{clock}*18"
    body = [
        f"ST*{set_id}*0001*{guide}",
        purpose,
        "HL*1**20*1",
        f"NM1*{source}*2*ACME HEALTH*****PI*PAYER5",
        "HL*2*1*21*1",
        "NM1*1P*2*GENERAL HOSPITAL*****XX*1234567893",
        f"HL*3*2*22*{int(bool(loops and loops[0].startswith('HL')))}",
        "NM1*IL*1*PROOF*CARLA****MI*MBR900300",
        "DMG*D8*19700911*F",
        *loops,
    ]
    isa = (
        f"ISA*00*{' ' * 10}*00*{' ' * 10}*ZZ*{'PAYER5':15}*ZZ*{'CCGW':15}*{{yymmdd {day}}}*{clock}*^*00501*{number:09d}"
    )
    lines = [f"{isa}*0*P*:", f"GS*{kind}*PAYER5*CCGW*{{d {day}}}*{clock}*{number}*X*{guide}", *body]
    lines += [f"SE*{len(body) + 1}*0001", f"GE*1*{number}", f"IEA*1*{number:09d}"]
    return "~\n".join(lines) + "~\n"


_RICH = ("EB*1**30*HM*GOLD", "EB*L", "LS*2120", "NM1*P3*1*DOC*DORA****XX*1234567893", "LE*2120")
_RICHER = (
    "INS*Y*18*001*25", "DTP*442*D8*{d D+1}", "EB*1**30*HM*GOLD", "EB*L", "LS*2120",
    "NM1*P3*1*NEW*NINA****XX*1999999984", "LE*2120", "EB*R", "LS*2120", "NM1*SEP*2*OTHER MUTUAL*****PI*PAYER8",
    "LE*2120",
)  # fmt: skip
_REQUESTED = ("HL*4*3*EV*0", "TRN*1*TRC-OWN-910*9CCGATEWAY", "UM*HS*I*77*22:B", "DTP*AAH*D8*{d D+9}")
_APPEAL = ("HL*4*3*EV*0", "TRN*1*TRC-OWN-913*9CCGATEWAY", "UM*HS*1*12*22:B", "REF*BB*DENIED912", "DTP*AAH*D8*{d D+9}")


def _notified(at: str, number: int) -> str:
    """The payer confirms a notification (X216): a receipt, no decision."""
    event = ("HL*4*3*EV*0", "TRN*2*TRC-OWN-910*9CCGATEWAY", "UM*HS*I*77*22:B", "REF*NT*RECEIPT914")
    return _payer("278", at, number, *event).replace("005010X217", "005010X216")


def _decision(at: str, number: int, *hcr: str) -> str:
    event = ["HL*4*3*EV*0", f"TRN*2*TRC-MORE-{number}*9CCGATEWAY", f"UM*HS*I*{number % 90}*22:B", *hcr]
    return _payer("278", at, number, *event, "DTP*AAH*D8*{d D+9}")


def _used_up(at: str, number: int) -> str:
    """A grant of two months that ends tonight, and of whose visits none is left."""
    event = ("HL*4*3*EV*0", f"TRN*2*TRC-MORE-{number}*9CCGATEWAY", "UM*HS*I*PT*11:B", f"HCR*A1*AUTH{number}")
    return _payer("278", at, number, *event, "DTP*007*RD8*{d D-60}-{d D+1}", "HSD*VS*6***29*0")


def _asked(set_id: str, at: str, number: int, *loops: str, purpose: str = "13") -> str:
    """A request of the hospital's own system about Carla, on its way to the payer."""
    text = _payer(set_id, at, number, *loops)
    kind, guide = ("HS", "005010X279A1") if set_id == "270" else ("HI", "005010X217")
    text = text.replace("GS*HI*", f"GS*{kind}*").replace("005010X217", guide)
    if set_id == "270":
        text = text.replace("NM1*X3*", "NM1*PR*").replace("BHT*0007*", "BHT*0022*").replace("AUTHREQ", "REQ")
    return text.replace(
        f"*11*{'REQ' if set_id == '270' else 'AUTHREQ'}-", f"*{purpose}*{'REQ' if set_id == '270' else 'AUTHREQ'}-"
    )


def further_messages() -> list[tuple[str, str, str]]:
    """(moment, channel, text) of what the day does not show."""
    new = "PID|1||902000^^^GENHOSP^MR||EXTRA^EMIL||19600101|M"
    planned = "PV1|1|P|4W^400^A^GENHOSP|E" + "|" * 15 + "V90001^^^GENHOSP^VN"
    mixed = (
        "HL*4*3*EV*1", "TRN*2*TRC-MORE-906*9CCGATEWAY", "UM*HS*I*62*22:B",
        "HL*5*4*SS*0", "HCR*A1*AUTH906", "SV1*HC:71250**UN*1",
        "HL*6*4*SS*0", "HCR*A3**0V", "SV1*HC:93306**UN*1",
    )  # fmt: skip
    return [
        ("D+1 20:00", "payers", _used_up("D+1 20:00", 915)),
        ("D+2 08:00", "adt", _adt("A05^ADT_A05", "D+2 08:00", new, planned)),
        ("D+2 08:10", "adt", _carla("A08^ADT_A01", "D+2 08:10", "4E^413", "SUR")),
        ("D+2 08:20", "adt", _carla("A02^ADT_A02", "D+2 08:20", "5E^500", "SUR")),
        ("D+2 08:30", "adt", _carla("A12^ADT_A12", "D+2 08:30", "4E^413", "SUR")),
        ("D+2 08:40", "adt", _carla("A08^ADT_A01", "D+2 08:40", "4E^413", "SUR", _insured("PLAN9^GOLD", "{d D+2}"))),
        ("D+2 08:50", "adt", _carla("A08^ADT_A01", "D+2 08:50", "4E^413", "SUR", _insured("PLAN7^SILVER"))),
        ("D+2 09:00", "siu", _mona("D+2 09:00", "Booked", "1999999999^OTHER^OTTO")),
        ("D+2 09:10", "siu", _mona("D+2 09:10", "Arrived")),
        ("D+2 09:20", "siu", _mona("D+2 09:20", "CheckedIn")),
        ("D+2 09:30", "siu", _mona("D+2 09:30", "Complete")),
        ("D+2 10:00", "payers", _payer("271", "D+2 10:00", 901, "AAA*N**42*R")),
        ("D+2 10:10", "payers", _decision("D+2 10:10", 902, "HCR*CT")),
        ("D+2 10:20", "payers", _decision("D+2 10:20", 903, "HCR*NA")),
        ("D+2 10:30", "payers", _decision("D+2 10:30", 904, "HCR*C")),
        ("D+2 10:40", "payers", _decision("D+2 10:40", 905, "AAA*N**33*N")),
        ("D+2 10:50", "payers", _payer("278", "D+2 10:50", 906, *mixed)),
        ("D+2 10:51", "payers", _asked("270", "D+2 10:51", 907, "EQ*30")),
        ("D+2 10:52", "payers", _payer("271", "D+2 10:52", 908, *_RICH)),
        ("D+2 10:53", "payers", _payer("271", "D+2 10:53", 909, *_RICHER).replace("PROOF*CARLA", "PROOF*CARLOTTA")),
        ("D+2 10:54", "payers", _asked("278", "D+2 10:54", 910, *_REQUESTED)),
        ("D+2 10:55", "payers", _decision("D+2 10:55", 911, "HCR*A4", "PWK*M1*EL")),
        ("D+2 10:56", "payers", _decision("D+2 10:56", 912, "HCR*A3*DENIED912")),
        ("D+2 10:57", "payers", _asked("278", "D+2 10:57", 913, *_APPEAL)),
        ("D+2 10:58", "payers", _notified("D+2 10:58", 914)),
        *_further_visits(),
        *_further_bookings(),
        *_further_identities(),
    ]


@dataclass(frozen=True)
class PlayedDay:
    """What is left of it: its settings, its store and every event in commit order."""

    settings: Settings
    events: list[EventRow]

    @property
    def store_url(self) -> str:
        return self.settings.store.url


def play(folder: Path) -> PlayedDay:
    settings = demo_settings(folder)
    migrate(settings.store.url)
    scenario = _longer(load(SAMPLES, DAY0), folder)
    return PlayedDay(settings, asyncio.run(_play(folder, scenario)))


def _longer(scenario: Scenario, folder: Path) -> Scenario:
    steps = []
    for index, (at, channel, text) in enumerate(further_messages()):
        file = folder / f"more-{index}.{'x12' if channel == 'payers' else 'hl7'}"
        file.write_text(text, "utf-8")
        steps.append(Step(moment(at, DAY0, scenario.zone), channel, file, ""))
    return replace(scenario, steps=(*scenario.steps, *steps), ends=moment("D+2 12:00", DAY0, scenario.zone))


async def _undo_a_merge(gateway: Gateway) -> None:
    """The newest merge was wrong: said first what would go back, then taken back."""
    (row, *_) = await gateway.store.fetch(select(merges).order_by(merges.c.at.desc()))
    undo = Undo(
        merge_id=row["merge_id"],
        merge_trigger=row["trigger"],
        patient_id=row["survivor_id"],
        prior_id=row["prior_id"],
        moved_json=row["moved_json"],
        actor="jdoe",
        reason="two people",
    )
    shown = await gateway.ask(undo, dry_run=True)
    done = await gateway.ask(undo)
    assert [event.type for event in shown.events] == [event.type for event in done.events]


async def _ask_in_vain(gateway: Gateway, folder: Path) -> None:
    """An authorization is asked for, and the payer's 999 refuses the request."""
    rows = await gateway.store.fetch(select(coverages.c.patient_id).where(coverages.c.member_id == "MBR900300"))
    asked = Ask(kind="authorization", patient_id=rows[0]["patient_id"], actor="jdoe", request_id="1")
    writes = await gateway.ask(msgspec.structs.replace(asked, service_type="42", service_on="2026-09-30"))
    number = (await gateway.store.fetch(select(func.max(replies.c.control_number))))[0]["max_1"]
    payer = SimulatedPayer(Answers.model_validate({"default": {"authorization": ["refused"]}}))
    refusal = payer.answer(number_interchange(writes.replies[0].body, number), gateway.clock())[0].body
    inbound = Inbound("payers", "test", gateway.clock(), refusal, answered=lambda answer: None, kind="x12")
    gateway.intake.submit(inbound)
    await gateway.intake.drain()
    while (await pending(gateway.store)).work:
        gateway.wake()
        await asyncio.sleep(0)


async def _play(folder: Path, scenario: Scenario) -> list[EventRow]:
    clock = ScenarioClock(min(step.at for step in scenario.steps) - timedelta(minutes=1))
    gateway = Gateway(demo_settings(folder), clock=clock)
    await gateway.start()
    try:
        await Player(gateway, clock, scenario, lambda played: None).play()
        await _ask_in_vain(gateway, folder)
        await _undo_a_merge(gateway)
        still_open = {row.task_id for row in await worklist(gateway.store) if row.open}
        found, position = await gateway.store.read_events(None, 5000)
        task = next(event for _, event in found if event.aggregate_id in still_open and event.patient_id)
        await gateway.execute_command(Command(name="claim", task_id=task.aggregate_id, actor="jdoe"), task.patient_id)
        found += (await gateway.store.read_events(position, 5000))[0]
    finally:
        await gateway.stop()
    return [event for _, event in found]
