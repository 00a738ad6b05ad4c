"""An automation that raises tickets by calling the daemon, as SmartOps would.

It repeats a call with the same key until it is answered, also while the daemon is down, and asks
now and then how its tickets are. What it did and what it saw is recorded as a sandbox would.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
import orjson

from syncd.demo.pairing import TELENOR
from syncd.demo.realm import Realm
from syncd.sandbox import SandboxClock
from syncd.sandbox.clock import iso
from syncd.sandbox.record import CLIENT, PERSON, Event, Record, Who

NAME = "automation"
"""Who it is in its own notes; the daemon's answers name others."""
RETRY_S = 0.2
"""Between two tries of one call."""
ANSWER_S = 5.0
"""Longest wait for an answer; then the same is sent again."""
GIVE_UP_S = 120.0
"""A call that is not answered for so long fails the demo."""
LOOK_S = 0.7
"""How often it asks how its tickets are."""
LISTS = {"comments": "comment", "workNotes": "workNote", "closureNotes": "closureNote"}


@dataclass(slots=True)
class Raised:
    """One of its tickets, and what it has seen of it.

    Attributes:
        seen: list or `attachments` -> how many of its elements it has seen.
    """

    sys_id: str
    number: str
    status: str = "New"
    seen: dict[str, int] = field(default_factory=dict)


class Automation:
    """Raises tickets, adds notes, watches.

    Attributes:
        record: what it did (as a person) and what it saw (done by the client).
        repeated: calls sent again because no answer came.
        troubles: calls that were refused.
    """

    def __init__(self, realm: Realm, url: str) -> None:
        """Call nobody yet; `url` is the prefix of the served connection."""
        self._realm = realm
        self._url = url
        self._clock = SandboxClock()
        self._http: aiohttp.ClientSession | None = None
        self.record = Record(self._clock)
        self.raised: dict[str, Raised] = {}
        self.repeated = 0
        self.troubles: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    # --- what it does ----------------------------------------------------------------------------

    async def raise_ticket(self, fields: Mapping[str, str], key: str) -> Raised:
        """Create a ticket, however often that must be tried."""
        began = iso(self._clock.now())
        body = {"ticketJSON": dict(fields), "ticketFields": ["sysId", "ticketNumber"]}
        told = await self._call("tickets/create", body, key)
        made = Raised(told["ticketDetails"]["sysId"], told["ticketDetails"]["ticketNumber"])
        self._note("ticket_created", made, PERSON, began, status=made.status, fields=dict(fields))
        self.raised[made.sys_id] = made
        return made

    async def say(self, ticket: Raised, text: str, key: str) -> None:
        """Add a comment, once."""
        began = iso(self._clock.now())
        body = {"sysId": ticket.sys_id, "ticketJSON": {"comments": text}}
        await self._call("tickets/update", body, key)
        self._note("comment_added", ticket, PERSON, began, kind="comments", text=text)

    async def watch(self) -> None:
        """Ask again and again how its tickets are."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Ask once; a daemon that is down is asked the next time."""
        for ticket in list(self.raised.values()):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await self._look(ticket)

    async def _look(self, ticket: Raised) -> None:
        body = {"ticketNumber": ticket.number, "ticketFields": ["ticketStatus", *LISTS]}
        status, told = await self._send("tickets/details", body, {})
        files_status, files = await self._send(f"attachments/{ticket.sys_id}", None, {})
        if (status, files_status, told.get("statusCode")) != (200, 200, "200"):
            return
        details = told["ticketDetails"]
        if details["ticketStatus"] != ticket.status:
            before, ticket.status = ticket.status, details["ticketStatus"]
            at = iso(self._clock.now())
            self._note("status_changed", ticket, CLIENT, at, old=before, new=ticket.status)
        for name, stem in LISTS.items():
            for note in self._new(ticket, name, details[name]):
                if note[f"{stem}By"] != NAME:
                    at, text = f"{note[f'{stem}Time']}Z", note[stem]
                    self._note("comment_added", ticket, CLIENT, at, kind=name, text=text)
        for file in self._new(ticket, "attachments", files["attachments"]):
            if file["addedBy"] != NAME:
                # The judge looks for a name, a size and a digest, wherever they are told.
                text = f"{file['name']} {file['size']} {file['sha256']}"
                at = f"{file['addedTime']}Z"
                self._note("comment_added", ticket, CLIENT, at, kind="comments", text=text)

    def _new(self, ticket: Raised, name: str, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = ticket.seen.get(name, 0)
        ticket.seen[name] = max(known, len(listed))
        return listed[known:]

    # --- below -----------------------------------------------------------------------------------

    def _note(self, what: str, ticket: Raised, actor: str, at: str, **contents: Any) -> Event:
        who = Who(actor=actor, by=NAME if actor == PERSON else "syncd")
        event = self.record.add(what, who, ticket=ticket.sys_id, number=ticket.number, **contents)
        event["at"] = at
        return event

    async def _call(self, path: str, body: object, key: str) -> dict[str, Any]:
        """Send until there is an answer that tells how it went."""
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                    status, told = await self._send(path, body, {"Idempotency-Key": key})
                    if status not in {401, 429, 503}:
                        break
                # The daemon is being killed, or is not up yet.
                self.repeated += 1
                await asyncio.sleep(RETRY_S)
        if (status, told.get("statusCode")) != (200, "200"):
            self.troubles.append(f"{path}: answered {status}: {told}")
        return told

    async def _send(
        self, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        login = {"Authorization": f"Bearer {self._realm.token()}", **headers}
        content: dict[str, Any] = {} if body is None else {"json": body}
        method = "GET" if body is None else "POST"
        async with self._http.request(
            method, f"{self._url}/itsm/{path}", headers=login, **content
        ) as answer:
            told: dict[str, Any] = orjson.loads(await answer.read())
            return answer.status, told


def ticket_fields(title: str, description: str, chance: random.Random) -> dict[str, str]:
    """What one of its tickets says."""
    return {
        "shortDescription": title,
        "longDescription": description,
        "ticketPriority": chance.choice("1234"),
        "assignedGroup": TELENOR.group,
        "subCategory": chance.choice(("Slow", "Down")),
        "callerId": "monitoring",
    }
