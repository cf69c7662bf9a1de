"""Documents that pass through us: only addresses and numbers change, and what comes back is the asker's again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from parsers.x12.interchange import read_interchanges
from parsers.x12.readdressing import Address, Route, addressable, back, forward, numbers_wanted
from tests.parsers.core.core_messages import ANSWER, REQUEST

ROUTE = Route(Address("ZZ", "BATON", "BATONAPP"), Address("30", "BIGPAYER", "BIGAPP"))
BACK = Route(ROUTE.receiver, ROUTE.sender)
TWO_GROUPS = REQUEST.replace(
    b"~IEA*1*", b"~\r\nGS*HS*HOSPITAL*PAYER*20260302*0930*102*X*005010X279A1~GE*0*102~\r\nIEA*2*"
)


def envelope(document: bytes) -> list[tuple[str, ...]]:
    """ISA05-08 and ISA13, then GS02, GS03 and GS06 of each group, of each interchange."""
    found = []
    for one in read_interchanges(document):
        assert one.error is None, one.error
        groups = [text for group in one.groups for text in map(group.header.text, (2, 3, 6))]
        found.append((*one.header.elements[5:9], one.header.control_number, *groups))
    return found


def test_forward_changes_addresses_and_numbers_and_nothing_else() -> None:
    made = forward(REQUEST, ROUTE, 42)
    assert envelope(made) == [("ZZ", "BATON", "30", "BIGPAYER", "000000042", "BATONAPP", "BIGAPP", "42")]
    assert made[made.index(b"~ST*") : made.index(b"~GE*")] == REQUEST[REQUEST.index(b"~ST*") : REQUEST.index(b"~GE*")]
    assert len(made[: made.index(b"~")]) == 105


def test_forward_numbers_every_group_and_interchange_and_goes_on_after_the_last_number() -> None:
    document = TWO_GROUPS + b"\r\n" + REQUEST
    assert numbers_wanted(document) == 3
    made = envelope(forward(document, ROUTE, 999_999_998))
    assert [one[4] for one in made] == ["999999998", "000000001"]
    assert (made[0][7], made[0][10], made[1][7]) == ("999999998", "999999999", "1")


def test_back_gives_the_asker_his_addresses_and_what_is_echoed_of_his_numbers() -> None:
    answer = forward(ANSWER, BACK, 7)
    assert envelope(back(answer, REQUEST, 42)) == [
        ("ZZ", "PAYER", "ZZ", "HOSPITAL", "000000007", "PAYER", "HOSPITAL", "7")
    ]
    echoed = forward(ANSWER, BACK, 42)  # a payer who answers under the number that he was asked with
    assert envelope(back(echoed, REQUEST, 42))[0][4:] == ("000000101", "PAYER", "HOSPITAL", "101")


def test_back_makes_acknowledgements_speak_of_the_askers_numbers() -> None:
    ta1 = b"~TA1*000000042*260302*0930*A*000"
    body = b"~ST*999*0001*005010X231A1~AK1*HS*43*005010X279A1~AK9*A*1*1*1~SE*4*0001~GE*"
    answer = forward(ANSWER, BACK, 7).replace(b"~GS*HB", ta1 + b"~GS*FA")
    start, stop = answer.index(b"~ST*"), answer.index(b"~GE*")
    answer = answer[:start] + body + answer[stop + 4 :]
    made = back(answer, TWO_GROUPS, 42)
    assert b"~TA1*000000101*" in made and b"~AK1*HS*102*" in made and b"~GE*1*7~" in made
    assert back(answer, TWO_GROUPS, 900) == made.replace(b"TA1*000000101", b"TA1*000000042").replace(
        b"AK1*HS*102", b"AK1*HS*43"
    )


def test_forward_document_that_cannot_have_our_addresses_is_told_apart() -> None:
    colon = Route(Address("ZZ", "BA:TON", "B"), ROUTE.receiver)
    short = REQUEST.replace(b"*00*          *00*", b"*00*          *")
    for document, route in ((REQUEST, colon), (short, ROUTE)):
        assert not addressable(document, route)
    assert addressable(REQUEST, ROUTE)
    assert forward(b"no X12", ROUTE, 1) == b"no X12" and back(b"no X12", b"none either", 1) == b"no X12"


@given(st.data())
def test_hostile_documents_are_changed_or_refused_and_nothing_else(data: st.DataObject) -> None:
    pieces = st.sampled_from(
        [REQUEST, TWO_GROUPS, b"~GE*1*9", b"~GS*HS", b"~IEA", b"~TA1*", b"~AK1*HS*x", b"\r\n", b"~"]
    )
    document = b"".join(data.draw(st.lists(pieces | st.binary(max_size=20), max_size=8)))
    at = data.draw(st.integers(0, max(0, len(document))))
    document = document[:at] + data.draw(st.binary(max_size=4)) + document[at + data.draw(st.integers(0, 4)) :]
    if not addressable(document, ROUTE):
        return
    made = forward(document, ROUTE, 5)
    assert numbers_wanted(made) == numbers_wanted(document)
    back(made, document, 5)
