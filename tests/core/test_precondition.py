"""Whether a stored write is still wanted."""

from syncd.core.precondition import status_is_unknown, why_status_forbids
from syncd.model.ids import TicketId
from syncd.model.ticket import Ticket, Value


def a_ticket(**fields: Value) -> Ticket:
    return Ticket(id=TicketId("T1"), number="1", kind="incident", fields=fields)


def same(_name: str, value: Value) -> Value:
    return value


def folded(_name: str, value: Value) -> Value:
    return value.casefold() if isinstance(value, str) else value


def test_without_a_rule_every_status_is_right() -> None:
    assert why_status_forbids(a_ticket(status="New"), None, same) is None
    assert not status_is_unknown(None, None)


def test_a_status_the_rule_names_is_right_in_any_spelling() -> None:
    assert why_status_forbids(a_ticket(status="solved"), ("Solved",), folded) is None


def test_another_status_forbids_and_the_reason_names_both() -> None:
    why = why_status_forbids(a_ticket(status="New"), ("Solved", "Closed"), same)
    assert why is not None
    assert "'New'" in why
    assert "Solved, Closed" in why


def test_a_status_nobody_knows_is_to_be_read_and_forbids_nothing() -> None:
    for snapshot in (None, a_ticket(title="x")):
        assert status_is_unknown(snapshot, ("Solved",))
        assert why_status_forbids(snapshot, ("Solved",), same) is None


def test_an_empty_status_is_known_and_forbids() -> None:
    assert not status_is_unknown(a_ticket(status=None), ("Solved",))
    assert why_status_forbids(a_ticket(status=None), ("Solved",), same) is not None
