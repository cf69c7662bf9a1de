"""The message of the benchmarks: an ADT^A01 of about 1.1 kB, or an A08 of the same patient."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

TEMPLATE = (
    "MSH|^~\\&|ADTSYS|GENHOSP|GATEWAY|CAREHUB|{at}||ADT^{event}^ADT_A01|{id}|P|2.5.1|||||USA||UNICODE UTF-8\r"
    "EVN|{event}|{at}|||OPER1^Nurse^Nora|{at}\r"
    "PID|1||{mrn}^^^GENHOSP^MR~9{mrn}^^^STATE^PI||Sample{mrn}^Jordan^Q^^^^L||19700412|F||2106-3^White^HL70005"
    "|12 Main St^Apt 4^Springfield^IL^62701^USA^H||^PRN^PH^^1^217^5550123|^WPN^PH^^1^217^5550199|eng|M|CHR"
    "|A{mrn}^^^GENHOSP^AN|||||||||||N\r"
    "PD1|||GENHOSP CLINIC^^1001|1234567893^Primary^Pat^^^Dr^MD^^NPI\r"
    "NK1|1|Sample^Casey^^^^^L|SPO^Spouse^HL70063|12 Main St^^Springfield^IL^62701^USA|^PRN^PH^^1^217^5550124\r"
    "PV1|1|I|4E^412^{bed}^GENHOSP^^N^^4|E|||1234567893^Attend^Alex^^^Dr^MD^^NPI|1987654321^Refer^Robin^^^Dr^MD^^NPI"
    "||MED||||7|||1234567893^Attend^Alex^^^Dr^MD^^NPI|IN|V{mrn}^^^GENHOSP^VN|||||||||||||||||||||||||{at}\r"
    "PV2|||^Shortness of breath||||||3\r"
    "DG1|1||R06.02^Shortness of breath^I10|||A\r"
    "IN1|1|PPO100^Preferred PPO|PAYER01|Example Health Plan|PO Box 1^^Chicago^IL^60601|||GRP77|||20260101|20261231"
    "|||Sample{mrn}^Jordan^Q|SEL^Self^HL70063|19700412|12 Main St^^Springfield^IL^62701||||||||||||||||||MEM{mrn}\r"
)


class Maker:
    """Framed messages, quickly: the template is cut once into constant pieces."""

    def __init__(self, event: str = "A01", at: datetime | None = None) -> None:
        now = at or datetime.now(ZoneInfo("America/New_York"))
        text = TEMPLATE.replace("{event}", event).replace("{at}", now.strftime("%Y%m%d%H%M%S"))
        head, tail = text.split("{id}")
        self._head = b"\x0b" + head.encode()
        self._pieces = [[part.encode() for part in tail.replace("{bed}", bed).split("{mrn}")] for bed in "ABCD"]

    def frame(self, control_id: bytes, mrn: bytes, bed: int = 0) -> bytes:
        return self._head + control_id + mrn.join(self._pieces[bed & 3]) + b"\x1c\r"

    def body(self, number: int) -> bytes:
        """One message without framing."""
        key = b"%08d" % number
        return self.frame(b"C" + key, key, number)[1:-2]
