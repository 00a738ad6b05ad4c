"""A served connection is read and written like any other side, exactly once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncd.model.ids import AttachmentId, ConnectionName, OperationKey, TicketId
from syncd.model.operation import (
    AttachmentDraft,
    CommentDraft,
    Finding,
    Write,
    WriteKind,
)
from syncd.model.secret import Secret
from syncd.model.ticket import CommentKind, Visibility
from syncd.ports.adapter import Expectation, TicketRef
from syncd.ports.clock import SystemIds
from syncd.ports.errors import NotFound, OddAnswer, Refused, Unreachable, Unsupported
from syncd.ports.offer import OfflineTokens
from syncd.ports.served import NoteDraft, ServedChange, ServedRequest, ServedTicket
from syncd.providers.smartops import adapter as smartops
from syncd.providers.smartops import serving
from syncd.providers.smartops.serving import ServedAdapter
from syncd.providers.smartops.settings import SmartOpsSettings
from syncd.store.database import Database
from syncd.store.serving import StoredTickets
from syncd.store.spool import Spool
from tests.support.clock import FakeClock
from tests.support.stores import sqlite_store

NAME = ConnectionName("automation")
REALM = {"issuer": "https://sso.example.com/realms/acme", "azp": ("itops",), "role": "raise"}
FIELDS = {
    "site": {"key": "u_site", "access": "read"},
    "vendor_ref": {"key": "u_vendor_ref", "access": "write", "max": "40"},
    "due": {"key": "u_due", "access": "read_write", "kind": "time", "clearable": "true"},
    "title": {"key": "u_short", "access": "write", "max": "160"},
}
PHASES = {"open": ("New", "Open"), "resolved": ("Resolved",), "closed": ("Closed",)}
REQUEST = ServedRequest(connection=NAME, caller="itops", fingerprint="f")


def load(**keys: object) -> SmartOpsSettings:
    whole = {"mode": "serve", "serve": {"realms": [REALM]}, "fields": FIELDS} | keys
    return SmartOpsSettings.model_validate(whole)


SETTINGS = load(visibility={"comments": "public"})
RULES = smartops.offer(NAME, SETTINGS, PHASES).rules


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def served(tmp_path: Path, clock: FakeClock) -> AsyncIterator[StoredTickets]:
    async with await Database.open(sqlite_store(tmp_path / "store.db")) as db:
        spool = Spool(tmp_path / "spool", clock=clock)
        yield StoredTickets(db, spool, clock=clock, ids=SystemIds(), rules=lambda _: RULES)


@pytest.fixture
def adapter(served: StoredTickets, clock: FakeClock) -> ServedAdapter:
    return smartops.build_served(NAME, SETTINGS, served, clock)


async def raised(served: StoredTickets) -> ServedTicket:
    note = NoteDraft(kind=CommentKind.COMMENT, author="itops", body="it flaps")
    change = ServedChange(
        by="itops", fields={"shortDescription": "Link down", "u_site": "Fornebu"}, notes=[note]
    )
    return (await served.create(REQUEST, change)).ticket


def ref(ticket: ServedTicket) -> TicketRef:
    return TicketRef(kind="ticket", id=ticket.sys_id, number=ticket.number)


def write(ticket: ServedTicket, kind: WriteKind, number: int = 1, **parts: object) -> Write:
    key = OperationKey(f"abcdef-00000000000{number}")
    made = Write(kind=kind, key=key, ticket_kind="ticket", ticket_id=ticket.sys_id)
    return replace(made, **parts)  # type: ignore[arg-type]


async def test_a_raised_ticket_reads_in_neutral_names_with_what_is_empty(
    served: StoredTickets, adapter: ServedAdapter
) -> None:
    made = await raised(served)
    ticket = await adapter.read(TicketRef(kind="ticket", number=made.number))
    assert (ticket.id, ticket.number) == (made.sys_id, made.number)
    assert ticket.fields["title"] == "Link down"
    assert ticket.fields["site"] == "Fornebu"
    assert ticket.fields["status"] == "New"
    assert ticket.fields["vendor_ref"] == "" == ticket.fields["category"]
    assert ticket.created_at == made.created_at
    (comment,) = ticket.comments
    assert (comment.body, comment.author, comment.visibility) == (
        "it flaps", "itops", Visibility.PUBLIC,
    )  # fmt: skip
    with pytest.raises(NotFound):
        await adapter.read(TicketRef(kind="ticket", id=TicketId("none"), number=made.number))
    with pytest.raises(Unsupported):
        await adapter.read(TicketRef(kind="incident", number=made.number))


async def test_what_the_vendor_did_is_what_the_caller_finds_there(
    served: StoredTickets, adapter: ServedAdapter
) -> None:
    made = await raised(served)
    fields = {"status": "Resolved", "vendor_ref": "Case-1", "closure_note": "spliced"}
    receipt = await adapter.write(write(made, WriteKind.STATUS, fields=fields))
    assert receipt.fields == {"status": "Resolved", "vendor_ref": "Case-1"}
    now = await served.find(NAME, sys_id=made.sys_id)
    assert now is not None
    assert (now.fields["ticketStatus"], now.fields["u_vendor_ref"]) == ("Resolved", "Case-1")
    assert now.resolved_at is not None
    assert [(each.kind, each.body) for each in now.notes[1:]] == [("closure_note", "spliced")]
    assert (await adapter.read(ref(made))).fields["resolved_at"] == now.resolved_at.isoformat()


async def test_a_write_is_found_by_its_key_and_never_done_twice(
    served: StoredTickets, adapter: ServedAdapter, clock: FakeClock
) -> None:
    made = await raised(served)
    draft = CommentDraft(body="solved", author="Tone (Telenor)")
    ours = write(made, WriteKind.COMMENT, comment=draft)
    assert (await adapter.probe(ours, clock.now())).finding is Finding.ABSENT
    first = await adapter.write(ours)
    assert await adapter.write(ours) == first
    found = await adapter.probe(ours, clock.now())
    assert (found.finding, found.receipt) == (Finding.FOUND, first)
    comments = (await adapter.read(ref(made))).comments
    assert [(each.id, each.author, each.keys) for each in comments[1:]] == [
        (first.comment_id, "Tone (Telenor)", (ours.key,))
    ]


async def test_a_file_of_the_vendor_is_kept_and_read_back(
    served: StoredTickets, adapter: ServedAdapter
) -> None:
    made = await raised(served)
    digest, size = await served.keep_file(_bytes(b"picture"), max_bytes=100)
    draft = AttachmentDraft(
        source_id=AttachmentId("a"), name="måling.png", content_type="image/png",
        size_bytes=size, digest=digest,
    )  # fmt: skip
    ours = write(made, WriteKind.ATTACHMENT, attachment=draft)
    receipt = await adapter.write(ours, served.open_file(digest))
    (file,) = (await adapter.read(ref(made))).attachments
    assert (file.id, file.name, file.size_bytes) == (receipt.attachment_id, "måling.png", 7)
    async with adapter.download(ref(made), file.id) as parts:
        assert b"".join([part async for part in parts]) == b"picture"
    with pytest.raises(NotFound):
        async with adapter.download(ref(made), AttachmentId("file-99")):
            pass
    Path(served.open_file(digest)._path).unlink()  # type: ignore[attr-defined]
    with pytest.raises(Unreachable, match="another replica"):
        async with adapter.download(ref(made), file.id):
            pass


@pytest.mark.parametrize(
    "fields",
    [{"site": "Bergen"}, {"number": "X"}, {"nobody": "x"}, {"caller": {"name": "a"}}],
    ids=["read only", "ours", "unknown", "of several parts"],
)
async def test_what_cannot_be_written_is_refused_and_changes_nothing(
    served: StoredTickets, adapter: ServedAdapter, fields: dict[str, str]
) -> None:
    made = await raised(served)
    with pytest.raises(Refused):
        await adapter.write(write(made, WriteKind.UPDATE, fields=fields))
    assert await served.find(NAME, sys_id=made.sys_id) == made
    with pytest.raises(Unsupported):
        await adapter.write(write(made, WriteKind.CREATE, ticket_id=None))
    gone = write(made, WriteKind.UPDATE, ticket_id=TicketId("none"), fields={"title": "x"})
    with pytest.raises(NotFound):
        await adapter.write(gone)


async def test_the_feed_goes_through_all_changes_and_back_over_the_last_minutes(
    served: StoredTickets,
    adapter: ServedAdapter,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "PAGE", 2)
    monkeypatch.setattr(serving, "PAGES_MAX", 2)
    made = [await raised(served) for _ in range(5)]
    first = await adapter.poll("ticket", None)
    assert first.gap
    rest = await adapter.poll("ticket", first.cursor)
    assert not rest.gap
    seen = [each.ref.id for each in (*first.sightings, *rest.sightings)]
    assert seen == [each.sys_id for each in made]
    clock.advance(timedelta(minutes=2).total_seconds())
    again = await adapter.poll("ticket", rest.cursor)
    assert {each.ref.id for each in again.sightings} <= set(seen)
    clock.advance(timedelta(minutes=10).total_seconds())
    late = await raised(served)
    quiet = await adapter.poll("ticket", again.cursor)
    while quiet.gap:
        quiet = await adapter.poll("ticket", quiet.cursor)
    assert late.sys_id in {each.ref.id for each in quiet.sightings}
    with pytest.raises(OddAnswer):
        await adapter.poll("ticket", "no cursor")


def test_an_offer_says_what_callers_may_write_and_what_is_only_ours() -> None:
    offer = smartops.offer(NAME, SETTINGS, PHASES)
    assert offer is not None
    assert offer.prefix == "/smartops/automation"
    assert offer.keys["u_short"].target == "shortDescription"
    assert offer.keys["u_due"].is_time
    assert {"ticketNumber", "createdTime", "u_vendor_ref"}.isdisjoint(offer.keys)
    assert offer.readable >= {"u_vendor_ref", "u_site"}
    assert offer.note_keys["closeNotes"] is CommentKind.CLOSURE_NOTE
    assert (offer.rules.first_status, offer.rules.closed) == ("New", {"Closed"})
    (realm,) = offer.realms
    assert realm.keys_url == f"{REALM['issuer']}/protocol/openid-connect/certs"
    assert realm.offline_tokens is OfflineTokens.REFUSE
    assert smartops.offer(NAME, SmartOpsSettings.model_validate({"auth": AUTH}), {}) is None


AUTH = {"access_token": Secret("x")}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"serve": None}, "mode serve needs `serve`"),
        ({"auth": AUTH}, "calls nobody"),
        ({"mode": "call", "auth": AUTH}, "belongs to mode: serve"),
        ({"serve": {"realms": []}}, "at least 1"),
        ({"serve": {"realms": [{"issuer": REALM["issuer"]}]}}, "one of audience and azp"),
        ({"serve": {"realms": [{**REALM, "issuer": "http://sso.example.com"}]}}, "in the clear"),
        ({"serve": {"realms": [{**REALM, "algorithms": ("HS256",)}]}}, "RS256"),
        ({"serve": {"realms": [{**REALM, "offline_tokens": "redeem"}]}}, "need a client_id"),
        ({"serve": {"realms": [{**REALM, "introspect": "true"}]}}, "needs client_id"),
        ({"serve": {"realms": [REALM], "prefix": "/metrics/x"}}, "answers there itself"),
        ({"serve": {"realms": [REALM], "bind": {"field": "site"}}}, "not among the writable"),
        ({"paths": {"create": "/a", "update": "/a"}}, "each call needs its own"),
    ],
)
def test_a_served_connection_that_cannot_be_meant_is_refused(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        load(**keys)


async def test_check_names_what_a_mapping_could_not_write_there(adapter: ServedAdapter) -> None:
    (fine,) = await adapter.check(Expectation())
    assert fine.ok
    wrong = await adapter.check(Expectation(values={"nobody": frozenset("x")}))
    assert [each.what for each in wrong if not each.ok] == ["no such field: nobody"]


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content


def test_no_field_is_written_when_a_ticket_is_made_for_its_caller_makes_it() -> None:
    fields = smartops.describe(SETTINGS, "ticket")
    assert not any("create" in each.writable for each in fields)
    assert {"status", "vendor_ref"} <= {each.name for each in fields if each.writable}
    assert smartops.describe(SETTINGS, "incident") == ()
