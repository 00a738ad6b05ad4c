"""The scripted operator: looks an operation in doubt up in the other system and settles it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.demo.daemon import Daemon, DemoFailed
from syncd.demo.evidence import neutral_of, tokens_of
from syncd.demo.judge_fields import canonical
from syncd.demo.pairing import Pairing, Side
from syncd.demo.verdict import Shown
from syncd.sandbox import Sandbox

DOUBT = "in_doubt"
PARKED_MAX = 10_000
"""Operations listed at once; far above what a run can park."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """An operation nobody could tell about, and what the operator found.

    Attributes:
        operation: its number.
        kind: of write.
        key: its key.
        ticket: the ticket it writes, or the one a partner is opened for.
        found: what it made there; None when it did not happen.
        answer: what the command said; "" while it was not given.
    """

    operation: int
    kind: str
    key: str
    ticket: str
    found: str | None
    answer: str = ""

    def __str__(self) -> str:
        done = "retried: it did not happen" if self.found is None else "adopted: it had happened"
        return f"operation {self.operation} ({self.kind} for {self.ticket}): {done}"


@dataclass(slots=True)
class Clerk:
    """Settles what is in doubt, and collects what is shown as not crossing.

    Attributes:
        desk: the ITSM.
        vendors: by the connection's name.
        doubts: what was settled, in order.
        resumed: how often a connection was resumed.
    """

    daemon: Daemon
    desk: Sandbox
    vendors: Mapping[str, tuple[Pairing, Sandbox]]
    doubts: list[Doubt] = field(default_factory=list)
    resumed: int = 0

    async def settle(self) -> list[Doubt]:
        """Settle everything in doubt once; give what was settled now."""
        parked = [each for each in await self._parked() if each["park_reason"] == DOUBT]
        settled = [await self._settle(operation) for operation in parked]
        self.doubts.extend(settled)
        return settled

    async def resume(self, connection: str) -> None:
        """Resume a paused connection: its login works again.

        A token refused as soon as it is new pauses a connection, and faults do that by chance.
        """
        status, answer = await self.daemon.command("resume", connection)
        if status != 0:
            raise DemoFailed(f"syncd resume {connection}: {answer}")
        self.resumed += 1

    async def waiting(self) -> tuple[list[Shown], list[str]]:
        """Give what the daemon shows as parked or in conflict, and what is parked, a line each."""
        found, lines = [], []
        parked, (_, said), conflicts = await asyncio.gather(
            self._parked(),
            self.daemon.command("log", "--limit", "10000"),
            self.daemon.command("conflicts", "list"),
        )
        for each in parked:
            lines.append(
                f"operation {each['id']} ({each['kind']} for"
                f" {each['target_number'] or each['source_number']}): {each['park_reason']},"
                f" {each['detail']}"
            )
            names = [each["target_number"], each["source_number"]]
            found += [Shown(name, what) for name in names if name for what in whats_of(each)]
        status, answer = conflicts
        if status != 0:
            raise DemoFailed(f"syncd conflicts list: {answer}")
        for each in answer["conflicts"]:
            what = str(each["slot"]).rpartition(".")[2]
            found += [Shown(str(name), what) for name in dict(each["numbers"]).values()]
        return found + self._not_taken(said), lines

    def _not_taken(self, journal: Mapping[str, Any]) -> list[Shown]:
        """List fields of tickets just opened that the daemon says it did not take, as they are now.

        What it says about a value excuses that value alone.
        """
        said = [each for each in journal["lines"] if each["event"] == "field.not_carried"]
        values = {
            str(ticket["number"]): {repr(str(value)) for value in ticket["fields"].values()}
            for _, system in self.vendors.values()
            for ticket in system.tickets()
        }
        found = []
        for each in said:
            name, _, why = str(each["detail"]).partition(": ")
            is_now = any(
                value in why for number in each["tickets"] for value in values.get(number, ())
            )
            found += [Shown(str(number), name) for number in each["tickets"] if is_now]
        return found

    async def _parked(self) -> list[dict[str, Any]]:
        # One process whatever is parked: each start of one costs seconds on a busy machine.
        listing = ("ops", "list", "--parked", "--details", "--limit", str(PARKED_MAX))
        status, answer = await self.daemon.command(*listing)
        if status != 0:
            raise DemoFailed(f"syncd ops list: {answer}")
        return list(answer["operations"])

    def _where(self, operation: Mapping[str, Any]) -> tuple[Pairing, Sandbox]:
        """The system an operation writes to, and a pairing that knows its fields."""
        if operation["target"] == Side.ITSM:
            return next(iter(self.vendors.values()))[0], self.desk
        return self.vendors[str(operation["connection"])]

    async def _settle(self, operation: Mapping[str, Any]) -> Doubt:
        number, side = str(operation["id"]), Side(str(operation["target"]))
        pairing, system = self._where(operation)
        if operation["kind"] in ("update", "status"):
            found = _written(pairing, side, system.record, operation)
        else:
            found = find_effect(system.record, str(operation["key"]))
        known = found
        if operation["kind"] == "create":
            # What stands on the screen is the number.
            numbers = {str(each["id"]): str(each["number"]) for each in system.tickets()}
            known = numbers.get(found or "")
        elif side is Side.ITSM:
            # A note has no id of its own; the daemon knows it again by its marker.
            known = ""
        given = ("adopt", number, known) if found is not None and known else ("adopt", number)
        if found is None:
            given = ("retry", number, "--i-know")
        status, answer = await self.daemon.command("ops", *(each for each in given if each))
        return Doubt(
            operation=int(number),
            kind=str(operation["kind"]),
            key=str(operation["key"]),
            ticket=str(operation["target_number"] or operation["source_number"]),
            found=found,
            answer=f"{status}: {answer}",
        )


def find_effect(record: Sequence[Mapping[str, Any]], key: str) -> str | None:
    """Find what was made with an operation's key: a ticket's or a comment's id; None for nothing.

    Told by what was recorded then: a person may have rewritten the ticket since.
    """
    mark = f"[ref:{key}]"
    for event in record:
        if event.get("actor") != "client":
            continue
        fields = dict(event.get("fields") or {})
        if event["what"] == "ticket_created" and any(mark in str(each) for each in fields.values()):
            return str(event["ticket"])
        if event["what"] == "comment_added" and mark in str(event["text"]):
            return str(event["comment"])
    return None


def _written(
    pairing: Pairing,
    side: Side,
    record: Sequence[Mapping[str, Any]],
    operation: Mapping[str, Any],
) -> str | None:
    """Find a write of fields: all of them were given these values after it was sent."""
    sent_at = datetime.fromisoformat(str(operation["sent_at"] or operation["planned_at"]))
    names = pairing.names(side)
    wanted = {
        str(name): canonical(pairing, side, str(name), str(value)).casefold()
        for name, value in dict(operation["fields"] or {}).items()
        if str(name) in {"status", *names.values()}
    }
    for event in record:
        if event.get("actor") != "client" or event.get("number") != operation["target_number"]:
            continue
        name = neutral_of(event, names)
        is_after = datetime.fromisoformat(str(event["at"])) >= sent_at
        value = canonical(pairing, side, name, str(event.get("new", event.get("status", ""))))
        is_same = wanted.get(name) == value.casefold()
        if is_after and is_same:
            wanted.pop(name, None)
    return None if wanted else "written"


def whats_of(operation: Mapping[str, Any]) -> list[str]:
    """Name what a parked operation keeps from crossing, as the judge names it.

    A comment keeps back the words it holds and no others; one that says a status or an amount
    holds no words of anybody.
    """
    if operation["kind"] == "create":
        return ["*"]
    if operation["kind"] == "comment":
        return tokens_of(str(operation["comment"])) or ["status", "expenses"]
    if operation["kind"] == "attachment":
        return tokens_of(str(operation["attachment"])) or ["attachment"]
    return [str(name) for name in dict(operation["fields"] or {})] or ["*"]
