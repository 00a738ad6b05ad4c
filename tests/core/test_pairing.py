"""Which tickets of both sides belong together already."""

from typing import Any

from syncd.core.pairing import Known, Paired, Pairing, Who, pair
from syncd.model.ids import ConnectionName, LinkRow, MappingName, Side, TicketId

MINE, OTHER = MappingName("mine"), MappingName("other")
DESK, AMS, LON = ConnectionName("desk"), ConnectionName("ams"), ConnectionName("lon")


def known(number: str, *names: str, at: ConnectionName = DESK, **more: Any) -> Known:
    return Known(who=Who(at, TicketId(f"id-{number}")), number=number, names=names, **more)


def matched(found: Pairing) -> list[tuple[str, str]]:
    return [(each.itsm.number, each.vendor.number) for each in found.matches]


def doubts(found: Pairing) -> list[tuple[str, str, str]]:
    return [
        (one.itsm.number if one.itsm else "", one.vendor.number if one.vendor else "", one.why)
        for one in found.doubtful
    ]


def alone(found: Pairing) -> list[str]:
    return [each.number for side in Side for each in found.unmatched[side]]


def test_either_reference_is_enough_and_both_may_agree() -> None:
    desk = [known("I1", "v1"), known("I2"), known("I3", "id-V3"), known("I4")]
    owner = Who(DESK, TicketId("id-I4"))
    far = [
        known("V1", at=AMS),
        known("V2", "I2", at=AMS),
        known("V3", "I3", at=AMS),
        known("V4", at=AMS, owners=(owner,)),
    ]
    found = pair(MINE, desk, far)
    assert matched(found) == [("I1", "V1"), ("I3", "V3"), ("I2", "V2"), ("I4", "V4")]
    assert (doubts(found), alone(found)) == ([], [])


def test_what_contradicts_itself_or_has_several_candidates_is_doubtful() -> None:
    desk = [known("I1", "V1"), known("I2"), known("I3", "V3"), known("I4", "V3"), known("I5", "V5")]
    far = [
        known("V1", "I2", at=AMS),  # I1 names V1, V1 names I2
        known("V3", at=AMS),  # two name it
        known("V5", "I9", at=AMS),  # names one that is not there
        known("V6", "I8", at=AMS),
    ]
    found = pair(MINE, desk, far)
    assert matched(found) == []
    said = doubts(found)
    assert ("I1", "V1", "I1 names V1; but V1 may also belong to I2") in said
    assert ("I2", "V1", "V1 names I2; but V1 may also belong to I1") in said
    assert ("I3", "V3", "I3 names V3; but V3 may also belong to I4") in said
    assert ("I5", "V5", "I5 names V5; but V5 names I9, which is not there") in said
    assert ("", "V6", "names I8, which was not found") in said
    assert alone(found) == []  # Nothing of it is opened by mistake.


def test_links_there_are_win_over_references() -> None:
    desk = [known("I1", "V1"), known("I2", "V2"), known("I3", "V3"), known("I4", "V4")]
    far = [known(f"V{number}", at=AMS) for number in (1, 2, 3, 4, 9)]

    def link(number: int, itsm: str, vendor: str, **more: Any) -> Paired:
        far_id = Who(AMS, TicketId(f"id-{vendor}"))
        mapping = more.pop("mapping", MINE)
        return Paired(
            link_id=LinkRow(number),
            mapping=mapping,
            itsm=Who(DESK, TicketId(f"id-{itsm}")),
            vendor=far_id,
            **more,
        )

    links = [
        link(1, "I1", "V1"),
        link(2, "I2", "V9"),
        link(3, "I8", "V3", mapping=OTHER),
        link(4, "I4", "V4", is_removed=True),
    ]
    found = pair(MINE, desk, far, links)
    assert (matched(found), found.linked) == ([], 2)
    assert doubts(found) == [
        ("I2", "V2", "I2 names V2; but I2 is in link 2 of mine"),
        ("I3", "V3", "I3 names V3; but V3 is in link 3 of other"),
        ("I4", "V4", "I4 names V4; but their link 4 was removed"),
    ]


def test_one_number_at_two_accounts_is_told_apart_by_the_account_the_ticket_chooses() -> None:
    far = [known("7", at=AMS), known("7", at=LON)]
    chosen = pair(MINE, [known("I1", "7", account=LON)], far)
    assert [each.vendor.who.connection for each in chosen.matches] == [LON]
    assert [each.who.connection for each in chosen.unmatched[Side.VENDOR]] == [AMS]
    assert pair(MINE, [known("I1", "7")], far).matches == ()
    elsewhere = pair(MINE, [known("I1", "7", account=LON)], far[:1])
    assert "chooses lon for it, not ams" in doubts(elsewhere)[0][2]


def test_a_number_in_a_text_is_a_hint_and_no_more() -> None:
    far = [known("V1", at=AMS, mentions=frozenset({"i1", "2026"})), known("V2", at=AMS)]
    found = pair(MINE, [known("I1"), known("I2")], far)
    assert doubts(found) == [("I1", "V1", "only its text mentions I1")]
    assert alone(found) == ["I2", "V2"]
