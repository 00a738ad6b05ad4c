"""Orders over real HTTP, against the document as the sandbox plays it: where they differ."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from syncd.model.ids import AttachmentId, OperationKey
from syncd.model.operation import Finding, WriteKind
from syncd.model.secret import Secret
from syncd.ports.adapter import Expectation, TicketRef
from syncd.ports.errors import OutcomeUnknown, Refused, RemoteError, Unsupported
from syncd.providers import telenor
from syncd.providers.telenor import mapping
from syncd.sandbox.clock import SandboxClock
from syncd.sandbox.telenor import TelenorSandbox, TelenorSandboxSettings
from syncd.sandbox.telenor.settings import PREFIX
from tests.providers.telenor.desk import (
    KEY,
    OTHER_KEY,
    Bytes,
    Connecting,
    attach,
    change,
    create,
    ref_to,
    say,
    set_status,
)

SAML = {"saml_token": Secret("saml"), "application_id": "acme"}
LINE = {
    "title": "Multi VPN Fornebu",
    "description": "Required by November. Æøå",
    "reason": "Nybestilling",
    "type": "Nybestilling",
    "quantity": "2",
    "order_reference": "PO-7712",
    "product_category_name": "Nordic Connect",
    "contact": {"name": "Ola Nordman", "phone": "4712345678"},
    "installation_address": {"street": "Snarøyveien 30", "zip_code": "1365", "city": "Fornebu"},
}


class Desk:
    """The sandbox, our adapter, and clocks that go together."""

    def __init__(self, sandbox: TelenorSandbox, connecting: Connecting, **keys: object) -> None:
        self.sandbox = sandbox
        self.clock = connecting.clock
        self.adapter = connecting.adapter(sandbox.base_url, **keys)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sandbox.clock.advance(seconds)

    async def opened(self, key: OperationKey = KEY, **fields: Any) -> TicketRef:
        receipt = await self.adapter.write(create(key, "order", **{**LINE, **fields}))
        return ref_to(receipt.ticket_id, kind="order")


@pytest.fixture
async def sandbox(connecting: Connecting) -> AsyncIterator[TelenorSandbox]:
    clock = SandboxClock(connecting.clock.now())
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock)) as one:
        yield one
        assert one.violations == [], "we sent what the document does not allow"


@pytest.fixture
async def desk(sandbox: TelenorSandbox, connecting: Connecting) -> Desk:
    return Desk(sandbox, connecting)


async def test_an_order_is_created_and_read_back_with_our_key_as_its_customer_reference(
    desk: Desk,
) -> None:
    ref = await desk.opened()

    one = await desk.adapter.read(ref)

    for name, value in LINE.items():
        assert mapping.same_value(name, one.get(name), value), name
    assert (one.kind, one.keys) == ("order", (KEY,))
    assert one.fields["customer_reference"] is None, "a key is no text of the ticket's"
    assert one.fields["description"] == LINE["description"]
    assert await desk.adapter.read(ref_to(None, one.number, "order")) == one
    (incident, order) = [await desk.adapter.poll(kind, None) for kind in ("incident", "order")]
    assert incident.sightings == ()
    assert [sighting.ref.id for sighting in order.sightings] == [ref.id]


async def test_nobody_but_syncd_writes_the_customer_reference_and_nothing_the_status(
    desk: Desk,
) -> None:
    ref = await desk.opened()
    with pytest.raises(Refused, match="customer_reference cannot be set"):
        await desk.opened(OTHER_KEY, customer_reference="PO-1")
    with pytest.raises(Refused, match="customer_reference cannot be set"):
        await desk.adapter.write(change(ref, customer_reference="PO-1"))
    with pytest.raises(Unsupported, match="no call to change the status"):
        await desk.adapter.write(set_status(ref, status="Solved"))
    assert len(desk.sandbox.orders.all()) == 1


async def test_a_change_a_comment_a_file_and_both_contacts_arrive_once(desk: Desk) -> None:
    ref = await desk.opened()
    changed = {"quantity": "3", "description": "Changed", "contact": {"name": "Kari"}}
    changed |= {"local_contact": {"name": "Per"}}
    await desk.adapter.write(change(ref, **changed))
    said = await desk.adapter.write(say(ref, "When?"))
    sent = await desk.adapter.write(attach(ref, "plan.pdf", 5), Bytes(b"12345"))

    one = await desk.adapter.read(ref)
    assert {name: one.fields[name] for name in changed} == changed
    assert one.keys == (KEY,), "a rewritten description takes nothing of the reference"
    assert [(each.id, each.body, each.keys) for each in one.comments] == [
        (said.comment_id, "When?", (KEY,))
    ]
    assert [each.id for each in one.attachments] == [sent.attachment_id]
    async with desk.adapter.download(ref, AttachmentId(str(sent.attachment_id))) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"12345"
    await desk.adapter.write(change(ref, local_contact=None))
    assert (await desk.adapter.read(ref)).fields["local_contact"] is None


@pytest.mark.parametrize(("fault", "happened"), [("lost_answer", True), ("reset_before", False)])
async def test_every_lost_write_to_an_order_is_found_or_absent(
    desk: Desk, fault: str, happened: bool
) -> None:
    ref = await desk.opened(OTHER_KEY, title="Another")
    desk.advance(3600)
    writes = {
        "create_order": create(KEY, "order", **LINE),
        "update_order": change(ref, reason="Endring"),
        "order_add_comment": say(ref, "When?"),
        "order_add_attachment": attach(ref, "plan.pdf", 5),
    }
    for operation, write in writes.items():
        desk.sandbox.faults.next(fault, operation=operation)
        sent_at = desk.clock.now()
        with pytest.raises(OutcomeUnknown):
            await desk.adapter.write(write, Bytes(b"12345"))
        desk.advance(600)
        result = await desk.adapter.probe(write, sent_at)
        wanted = Finding.FOUND if happened else Finding.ABSENT
        assert result.finding is wanted, (operation, result.looked_at)
    if happened:
        await desk.adapter.write(say(ref, "a later one", OTHER_KEY))
        assert len(desk.sandbox.orders.all()) == 2


async def test_a_lost_create_is_found_by_its_exact_reference_alone(desk: Desk) -> None:
    write = create(KEY, "order", **LINE)
    sent_at = desk.clock.now()
    people = desk.sandbox
    people.person_creates({"subject": "y", "description": f"[ref:{KEY}]"}, kind="order")
    people.person_creates({"subject": "z", "customerReference": f"{KEY}-2"}, kind="order")
    assert (await desk.adapter.probe(write, sent_at)).finding is Finding.ABSENT
    mine = (await desk.adapter.write(write)).ticket_id
    people.person_updates(mine, {"customerReference": "PO-1", "subject": "overwritten"})
    result = await desk.adapter.probe(write, sent_at)
    assert result.receipt is not None, result.looked_at
    assert (result.receipt.ticket_id, result.others) == (mine, ())


async def test_attachments_are_listed_by_their_call_only_where_its_headers_are_set(
    desk: Desk, connecting: Connecting
) -> None:
    ref = await desk.opened()
    write = attach(ref, "plan.pdf", 5)
    sent_at = desk.clock.now()
    await desk.adapter.write(write, Bytes(b"12345"))
    assert (await desk.adapter.probe(write, sent_at)).finding is Finding.FOUND
    assert desk.sandbox.record.requests("order_list_attachments") == []
    with pytest.raises(Unsupported, match="saml_token"):
        await desk.adapter.call("order_attachments", {"id": str(ref.id)})

    with_saml = Desk(desk.sandbox, connecting, **SAML)
    assert (await with_saml.adapter.probe(write, sent_at)).finding is Finding.FOUND
    (request,) = desk.sandbox.record.requests("order_list_attachments")
    assert request["headers"]["X-Application-Id"] == "acme"
    others = [one["headers"] for one in desk.sandbox.record.requests() if one is not request]
    assert not any("X-Application-Id" in headers for headers in others)


async def test_the_live_check_asks_only_for_the_trees_that_mappings_use(desk: Desk) -> None:
    findings = await desk.adapter.check(
        Expectation(statuses=frozenset({"New"}), kinds=frozenset({"order"}))
    )
    assert all(one.ok for one in findings)
    assert {one["operation"] for one in desk.sandbox.record.requests()} == {
        "token",
        "count_orders",
        "order_product_categories",
    }


# --- the table of calls --------------------------------------------------------------------------


def documented() -> dict[str, tuple[str, str, bool, str]]:
    """Read the package's table: call -> method, path, whether syncing makes it, offered name."""
    rows = re.findall(
        r"^\| ([IO]\d+) \| (\w+) (\S+) \|(.*?)\|(.*?)\|$", str(telenor.__doc__), re.MULTILINE
    )
    return {
        number: (method, path, bool(used.strip()), name.strip())
        for number, method, path, used, name in rows
    }


def test_all_37_calls_stand_in_the_table_and_each_is_used_or_offered() -> None:
    table = documented()
    numbers = [f"I{number}" for number in range(1, 20)] + [f"O{number}" for number in range(1, 19)]
    assert list(table) == numbers
    assert all(used or name for _, _, used, name in table.values())


async def test_every_call_of_the_table_is_made_as_documented(
    sandbox: TelenorSandbox, connecting: Connecting
) -> None:
    desk = Desk(sandbox, connecting, **SAML)
    adapter = desk.adapter
    await adapter.check(Expectation())
    for kind in ("incident", "order"):
        line = {"title": "x"} if kind == "incident" else LINE
        receipt = await adapter.write(create(KEY, kind, **line))
        ref = ref_to(receipt.ticket_id, kind=kind)
        await adapter.poll(kind, None)
        one = await adapter.read(ref)
        await adapter.read(ref_to(None, one.number, kind))
        await adapter.write(change(ref, title="y", contact={"name": "A"}))
        await adapter.write(change(ref, local_contact={"name": "B"}))
        await adapter.write(say(ref, "hello"))
        file = await adapter.write(attach(ref, "a.txt", 5), Bytes(b"hello"))
        async with adapter.download(ref, AttachmentId(str(file.attachment_id))) as chunks:
            assert [chunk async for chunk in chunks] == [b"hello"]
        if WriteKind.STATUS in adapter.features.of(kind).writes:
            await adapter.write(set_status(ref, status="Solved"))
        given = {"id": str(ref.id), "attachment": str(file.attachment_id), "name": "C"}
        shown: Any = await adapter.call(kind, {"id": str(ref.id)})
        given["activity"] = shown["activities"][0]["id"]
        for name, text in adapter.calls().items():
            if text.startswith("I" if kind == "incident" else "O"):
                needed = [word for word in ("id", "attachment", "activity") if word in text.split()]
                if "name email phone" in text:
                    needed.append("name")
                await adapter.call(name, {word: given[word] for word in needed})
    made = {
        (event["method"], _shape(event["path"].removeprefix(PREFIX)))
        for event in sandbox.record.requests()
        if event["status"] is not None and event["status"] < 300
    }
    documented_calls = {(method, _shape(path)) for method, path, _, _ in documented().values()}
    assert made - {("POST", "/oauth/v2/token")} == documented_calls
    offered = {name for _, _, _, name in documented().values() if name}
    assert offered == set(adapter.calls())


def _shape(path: str) -> str:
    """Put one word for whatever is an id."""
    words = {"activities", "count", "productcategories", "attachments", "comments", "contact"}
    words |= {"localcontact", "status", "incidents", "orders", "oauth", "v2", "token", ""}
    return "/".join(part if part in words else "*" for part in path.split("/"))


# --- the active order ----------------------------------------------------------------------------

LU = "LU-12345678"


async def found(desk: Desk, **terms: str) -> str | None:
    active = await desk.adapter.find_active("order", terms)
    return None if active is None else str(active.ref.id)


async def test_an_active_order_is_found_by_its_references_and_by_a_number_in_its_texts(
    desk: Desk,
) -> None:
    people = desk.sandbox
    order = people.person_creates({"subject": "a", "orderReference": "PO-7712"}, kind="order")
    line = people.person_creates({"subject": f"line {LU}, Oslo"}, kind="order")
    (case,) = [one for one in people.tickets() if one["id"] == order]
    assert await found(desk, order_reference="po-7712") == order
    assert await found(desk, order_reference=case["number"]) == order
    assert await found(desk, identification_number=LU) == line
    assert await found(desk, order_reference="PO-9", identification_number=LU) == line
    for nothing in ("PO-77", "PO-77120", "7712"):
        assert await found(desk, order_reference=nothing) is None
    assert await found(desk, identification_number=LU[:-1]) is None
    with pytest.raises(Unsupported):
        await desk.adapter.find_active("incident", {"order_reference": "x"})


@pytest.mark.parametrize("status", ["Solved", "Customer Accepted"])
async def test_an_order_that_is_processed_no_more_is_not_active(desk: Desk, status: str) -> None:
    people = desk.sandbox
    order = people.person_creates({"subject": LU, "orderReference": "PO-7712"}, kind="order")
    people.person_sets_status(order, status)
    assert await found(desk, order_reference="PO-7712", identification_number=LU) is None
    other = people.person_creates({"subject": "b", "orderReference": "PO-7712"}, kind="order")
    assert await found(desk, order_reference="PO-7712", identification_number=LU) == other


async def test_an_order_the_search_does_not_show_yet_is_found_among_the_newest(
    connecting: Connecting,
) -> None:
    clock = SandboxClock(connecting.clock.now())
    settings = TelenorSandboxSettings(clock=clock, search_lag_s=600)
    async with TelenorSandbox(settings) as sandbox:
        desk = Desk(sandbox, connecting)
        order = sandbox.person_creates({"orderReference": "PO-7712"}, kind="order")
        assert await found(desk, order_reference="PO-7712") == order


async def test_where_the_closed_filter_is_refused_orders_are_judged_all_the_same(
    connecting: Connecting,
) -> None:
    clock = SandboxClock(connecting.clock.now())
    async with TelenorSandbox(TelenorSandboxSettings(clock=clock)) as sandbox:
        desk = Desk(sandbox, connecting, closed_literals={"true": "Ja", "false": "Nei"})
        order = sandbox.person_creates({"orderReference": "PO-7712"}, kind="order")
        assert await found(desk, order_reference="PO-7712") == order
        sandbox.person_sets_status(order, "Solved")
        assert await found(desk, order_reference="PO-7712") is None


@pytest.mark.parametrize("fault", ["error_before", "garbage"])
async def test_what_cannot_be_looked_up_is_an_error_and_no_absence(desk: Desk, fault: str) -> None:
    desk.sandbox.faults.next(fault, operation="list_orders", count=100)
    with pytest.raises(RemoteError):
        await found(desk, order_reference="PO-7712")
