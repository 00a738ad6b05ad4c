"""Pairing what exists on both sides when a mapping begins: beside a sandbox, and in the store."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.cli.facts.adopt import GROUP, ConfiguredSite, Findings, Gathering, Wish
from syncd.model.ids import ConnectionName, Side, TicketRow
from syncd.model.ticket import Ticket
from syncd.sandbox import TelenorSandbox
from syncd.settings.load import load
from syncd.settings.secrets import SecretSource
from syncd.store import adopting, journal, links, mappings, operations, tickets
from syncd.store.codec import encode_ticket
from syncd.store.tx import Tx
from tests.cli.office import DESK, KINDS, TELENOR, Office, incident, ticket

SECRETS = {
    "TELENOR_SECRET": "telenor-secret",
    "TELENOR_PASSWORD": "telenor-password",
    "DESK_SECRET": "smartops-secret",
    "KEY": "a-key-for-the-store",
}
MAPPING = ("adopt", "--mapping", "telenor-incidents")


class Hosted:
    """A sandbox that answers while commands run loops of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.sandbox = TelenorSandbox()
        self._do(self.sandbox.start())

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self._do(self.sandbox.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def requests(self, operation: str) -> int:
        made = [each for each in self.sandbox.record.events if each.kind == "request"]
        return len([each for each in made if each.data.get("operation") == operation])


@pytest.fixture(scope="module")
def hosted() -> Iterator[Hosted]:
    made = Hosted()
    yield made
    made.close()


class Desk:
    """An office whose vendor is a sandbox; the desk's tickets are those the store knows."""

    def __init__(self, folder: Path, telenor: str, **changes: str) -> None:
        self.office = Office(folder)
        self.office.configure(
            changes={
                "https://api.telenor.example/oauth": f"{telenor}/oauth",
                "https://api.telenor.example": telenor,
                "poll: {every: 30s}": "pace: {requests_per_s: 1000, concurrency: 16}",
                "offline_token: {credential: smartops}": "client_secret: {env: DESK_SECRET}",
                "key: {credential: store-key}": "key: {env: KEY}",
                "notify: {token: {credential: notify}}": "notify: {token: {env: KEY}}",
            }
            | changes
        )

    def says(self, *words: str) -> Any:
        told = self.office.says(*words, "--json", environ=SECRETS)
        return told, told.json

    def knows(self, connection: ConnectionName, *made: Ticket) -> None:
        """Have the store know tickets, as a daemon would that read them."""

        def unit(tx: Tx) -> None:
            for start in range(0, len(made), adopting.PAIRS_MAX):
                texts = [encode_ticket(each)[0] for each in made[start:][: adopting.PAIRS_MAX]]
                arguments = {"connection": connection, "kind": KINDS[connection], "tickets": texts}
                adopting.learn(tx, arguments, "test", self.office.now)

        self.office.writes(unit)

    def gather(self, wish: Wish) -> Findings:
        settings = load(self.office.config, secrets=SecretSource(environ=SECRETS))
        (rules,) = settings.mappings.values()
        return asyncio.run(Gathering(ConfiguredSite(settings), rules, wish).find())

    def pairs(self) -> set[tuple[str, str]]:
        found = self.office.writes(links.overview)
        return {(each.numbers[Side.ITSM], each.numbers[Side.VENDOR]) for each in found}


def test_what_exists_is_read_paired_and_an_interrupted_run_goes_on(
    tmp_path: Path, hosted: Hosted
) -> None:
    desk, sandbox = Desk(tmp_path, hosted.sandbox.base_url), hosted.sandbox
    names = [sandbox.person_creates({"subject": f"Link {each}"}) for each in range(GROUP + 10)]
    numbers = {each["id"]: str(each["number"]) for each in sandbox.tickets()}
    desk.knows(
        DESK,
        *(ticket(f"INC{at:07}", vendor_ref=numbers[name]) for at, name in enumerate(names[:55])),
        ticket("INC0000100"),
        ticket("INC0000101", vendor_ref="Case-99999999"),
    )

    dry, told = desk.says(*MAPPING, "--dry-run")
    assert dry.status == 1
    assert (len(told["matches"]), told["read"]["telenor-no"]) == (55, GROUP + 10)
    assert desk.pairs() == set()

    class Interrupted(Exception):
        pass

    def stop(name: str, done: int, _total: int) -> None:
        if done:
            raise Interrupted

    with pytest.raises(Interrupted):
        desk.gather(Wish(tell=stop))
    told, found = desk.says(*MAPPING)
    # What was read before the interruption was kept.
    assert found["read"]["telenor-no"] == 10
    assert found["linked"] == 55
    assert told.status == 1
    (doubt,) = found["doubtful"]
    assert doubt["why"] == "names Case-99999999, which was not found"
    wanted = {(f"INC{at:07}", numbers[name]) for at, name in enumerate(names[:55])}
    assert desk.pairs() == wanted
    assert [each["number"] for each in found["unmatched"]["itsm"]] == ["INC0000100"]
    assert len(found["unmatched"]["vendor"]) == 5

    _, again = desk.says(*MAPPING)
    assert (again["linked"], again["linked_before"], again["matches"]) == (0, 55, [])
    assert again["read"].get("telenor-no", 0) == 0
    assert desk.pairs() == wanted


@pytest.mark.slow
def test_hundreds_of_pairs_the_store_knows_are_linked_without_a_read(
    tmp_path: Path, hosted: Hosted
) -> None:
    desk = Desk(tmp_path, hosted.sandbox.base_url)
    numbers = range(1, 301)
    desk.knows(DESK, *(ticket(f"INC{at:07}", vendor_ref=f"case-{at + 900_000}") for at in numbers))
    desk.knows(TELENOR, *(incident(f"Case-{at + 900_000}") for at in numbers))
    _, told = desk.says(*MAPPING)
    assert (told["linked"], told["refused"]) == (300, [])
    assert len(desk.pairs()) == 300
    # No ancestor: whatever differs is for a person, and both tickets are read first.
    found = desk.office.writes(links.overview)[0]
    stored = desk.office.writes(tickets.load_tickets, list(found.link.rows.values()))
    assert found.link.added_by == "cli:anna"
    assert all(each.read_due_at is not None for each in stored.values())


def test_a_system_that_cannot_be_read_has_nothing_linked(tmp_path: Path, hosted: Hosted) -> None:
    desk = Desk(tmp_path, hosted.sandbox.base_url)
    desk.knows(DESK, ticket("INC0000001", vendor_ref="Case-7"))
    desk.knows(TELENOR, incident("Case-7"))
    wrong = desk.office.config.read_text().replace("client_id: acme", "client_id: nobody")
    desk.office.config.write_text(wrong)
    told, found = desk.says(*MAPPING)
    assert told.status == 2
    assert [each["why"] for each in found["matches"]] == [["INC0000001 names Case-7"]]
    assert found["failed"][0].startswith("telenor-no: ")
    assert desk.pairs() == set()
    assert "telenor-secret" not in told.out + told.err


def test_partners_of_old_tickets_are_opened_only_when_asked_and_no_more_than_said(
    tmp_path: Path, hosted: Hosted
) -> None:
    desk = Desk(tmp_path, hosted.sandbox.base_url, **{"at_most: 20/h": "at_most: 1/h"})
    old = desk.office.now - timedelta(days=9)
    desk.office.writes(lambda _tx: None)
    desk.office.later(60)
    made = [ticket(f"INC000000{at}", site="Fornebu") for at in range(1, 5)]
    made += [ticket("INC0000005", assigned_group="Printers"), ticket("INC0000006", site="Nowhere")]
    aged = [_aged(each, old + timedelta(hours=at)) for at, each in enumerate(made)]
    rows = [desk.office.read(DESK, each) for each in aged]
    assert _created(desk) == []

    refused = desk.office.says(*MAPPING, "--open-unmatched", environ=SECRETS)
    assert (refused.status, "needs --limit" in refused.err) == (2, True)
    _, told = desk.says(*MAPPING, "--open-unmatched", "--side", "itsm", "--limit", "2")
    assert (told["asked"], told["left"]) == (2, 2)
    lacks = {each["number"]: each["would_open"] for each in told["unmatched"]["itsm"]}
    assert (lacks["INC0000005"], lacks["INC0000006"]) == ("no", "lacks")
    for row in rows:
        desk.office.decides(row)
    # The mapping's own pace is for what nobody asked for.
    assert _created(desk) == ["INC0000001", "INC0000002"]
    _, again = desk.says(*MAPPING, "--open-unmatched", "--side", "itsm", "--limit", "1")
    assert again["asked"] == 1
    for row in rows:
        desk.office.decides(row)
    assert _created(desk) == ["INC0000001", "INC0000002", "INC0000003"]
    assert desk.office.writes(lambda tx: _asked(tx, rows)) == 3


def _aged(made: Ticket, at: Any) -> Ticket:
    from dataclasses import replace

    return replace(made, created_at=at)


def _created(desk: Desk) -> list[str]:
    found = desk.office.writes(operations.list_operations)
    return sorted(each.source_number for each in found if each.kind == "create")


def _asked(tx: Tx, rows: list[TicketRow]) -> int:
    name = "telenor-incidents"
    return sum(journal.was_ever_told(tx, row, (mappings.ASKED,), mapping=name) for row in rows)


def test_the_account_a_ticket_chooses_decides_between_two_of_one_number(
    tmp_path: Path, hosted: Hosted
) -> None:
    chosen = (
        "connection: {first: [{find: 'telenor-\\w+', in: title}], one_of: [telenor-no, telenor-2]}"
    )
    second = "  telenor-2: {like: telenor-no, user_name: other}\n\nmappings: mappings/*.yaml"
    desk = Desk(
        tmp_path,
        hosted.sandbox.base_url,
        **{"connection: telenor-no": chosen, "\nmappings: mappings/*.yaml": second},
    )
    KINDS[ConnectionName("telenor-2")] = "incident"
    desk.knows(DESK, ticket("INC0000001", vendor_ref="Case-8", title="at telenor-2"))
    for name in (TELENOR, ConnectionName("telenor-2")):
        desk.knows(name, incident("Case-8"))
    _, told = desk.says(*MAPPING)
    assert [each["vendor"]["connection"] for each in told["matches"]] == ["telenor-2"]
    assert told["linked"] == 1
    (link,) = desk.office.writes(links.overview)
    assert link.connections[Side.VENDOR] == "telenor-2"
