"""What people at the service desk do, and how a ticket's people wait for each other.

What a life does follows from the seed; when exactly depends on how fast the copies appear. Every
text begins with a token of its own, so that the judge can find it again.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncd.demo.pairing import Pairing
from syncd.sandbox import Sandbox, SmartOpsSandbox

DESK_NAMES = ("Dina Desk", "Åse Ødegård", "Per Vakt")
SITES = ("Fornebu", "Bergen", "Tromsø")
PRIORITIES = ("Critical", "High", "Medium", "Low")
TROUBLES = ("Link down", "Packets lost", "Slow at lunch", "No voice", "Flapping port", "High delay")
REMARKS = ("any news?", "we see it too", "et øyeblikk…", "restarted the CPE", "seen since 08:12 👀")
LONG_CHARS = 9000
"""A comment of this length does not fit into one of Telenor's, nor of Digital Realty's."""
LOOK_S = 0.05
"""How often somebody looks whether a ticket has got its partner."""

Act = Callable[["Life"], None]
Live = Callable[["Life"], Awaitable[None]]


@dataclass(slots=True)
class Life:
    """One ticket, its partner, and somebody's plans for both.

    Attributes:
        place: number of the life; part of its tokens.
        chance: its own randomness.
        desk_ticket, vendor_ticket: ids, "" while not there.
        marks: tokens of its titles and of what it was opened with, by which its copy is found.
        is_desks: the service desk opened it.
    """

    place: int
    chance: random.Random
    suffix: str
    desk_ticket: str = ""
    vendor_ticket: str = ""
    marks: list[str] = field(default_factory=list)
    is_desks: bool = False
    count: int = 0

    def token(self) -> str:
        """Make a token nobody else has."""
        self.count += 1
        return f"T{self.place:02d}{self.count:02d}-{self.suffix}"

    def mark(self) -> str:
        """Make a token by which the copy of the ticket can be found."""
        self.marks.append(self.token())
        return self.marks[-1]

    def remark(self) -> str:
        """Say something new."""
        return f"{self.token()} {self.chance.choice(REMARKS)}"


class Staff(ABC):
    """The people of one pairing: the service desk's, and, in what is built on it, the vendor's.

    Args:
        pairing: whose.
        desk: the ITSM.
        vendor: the vendor's system.
    """

    names: Sequence[str] = ()
    """Who works at the vendor."""

    def __init__(self, pairing: Pairing, desk: SmartOpsSandbox, vendor: Sandbox) -> None:
        self._pairing = pairing
        self._desk = desk
        self._system = vendor
        self._ends_at = 0.0
        self._pace_s = 0.5

    def begin(self, seconds: float) -> None:
        """Say how long the lives are."""
        self._ends_at = asyncio.get_running_loop().time() + seconds
        self._pace_s = min(0.8, max(0.15, seconds / 25))

    @abstractmethod
    def lives(self, seconds: float) -> Sequence[Live]:
        """Give the lives that are lived in so many seconds."""

    # --- at the service desk ---------------------------------------------------------------------

    def desk_comments(self, life: Life) -> None:
        self._say_at_desk(life, life.remark())

    def desk_comments_twice(self, life: Life) -> None:
        """The same words twice by one person are two comments."""
        by, text = self._desk_name(life), life.remark()
        self._say_at_desk(life, text, by=by)
        self._say_at_desk(life, text, by=by)

    def desk_comments_at_length(self, life: Life) -> None:
        filling = "Interface Gi0/1 resets, last input never. "
        text = f"{life.token()} " + filling * (LONG_CHARS // len(filling)) + f" {life.token()}"
        self._say_at_desk(life, text)

    def desk_notes_privately(self, life: Life) -> None:
        kind = life.chance.choice(("workNotes", "workNotes", "closureNotes"))
        self._say_at_desk(life, f"{life.token()} never tell the vendor", kind=kind)

    def desk_shares(self, life: Life) -> None:
        self._say_at_desk(life, f"{self._pairing.share_word}{life.remark()}", kind="workNotes")

    def desk_retitles(self, life: Life) -> None:
        if life.desk_ticket:
            self._desk_updates(life, {"shortDescription": self._title(life)})

    def desk_prioritises(self, life: Life) -> None:
        if life.desk_ticket:
            self._desk_updates(life, {"ticketPriority": life.chance.choice("1234")})

    def desk_describes(self, life: Life) -> None:
        if life.desk_ticket:
            text = f"{life.mark()} more precisely:\nfor LU-1000000{life.place % 10}, sía áðan"
            self._desk_updates(life, {"longDescription": text})

    def desk_moves(self, life: Life) -> None:
        # Of the vendor's tickets the desk was told no site: what stands there has no ancestor.
        if life.desk_ticket and life.is_desks:
            self._desk_updates(life, {"u_site": life.chance.choice(SITES)})

    def desk_attaches(self, life: Life) -> None:
        """Cannot be seen through the contract, so nobody expects it across."""
        if life.desk_ticket:
            name = f"{life.token()} skjerm.png"
            self._desk.person_attaches(life.desk_ticket, name, b"png", by=self._desk_name(life))

    def desk_waits(self, life: Life) -> None:
        if life.desk_ticket and life.vendor_ticket:
            self._desk.person_sets_status(life.desk_ticket, "On Hold", self._desk_name(life))

    def desk_reopens(self, life: Life) -> None:
        self._desk.person_sets_status(life.desk_ticket, "In Progress", self._desk_name(life))
        self.desk_comments(life)

    def desk_closes(self, life: Life) -> None:
        self._desk.person_sets_status(life.desk_ticket, "Closed", self._desk_name(life))

    # --- below -----------------------------------------------------------------------------------

    async def _desk_begins(self, life: Life) -> bool:
        """Open a ticket at the desk, a quarter of them shared only later; say whether it is."""
        life.is_desks = True
        group = self._pairing.group
        is_late = life.chance.random() < 0.25
        life.desk_ticket = self._desk.person_creates(
            self._desk_fields(life, "Service Desk" if is_late else group), self._desk_name(life)
        )
        if is_late:
            # Said before anybody meant to share the ticket; goes along when it is shared.
            self.desk_comments(life)
            self.desk_notes_privately(life)
            if not await self._pause(life):
                return False
            self._desk_updates(life, {"assignedGroup": group})
        return True

    async def _do(self, life: Life, acts: Sequence[Act], times: float = 1.0) -> bool:
        """Do one after the other while there is time; say whether all were done."""
        for act in acts:
            if not await self._pause(life, times):
                return False
            act(life)
        return True

    def _desk_fields(self, life: Life, group: str) -> dict[str, str]:
        return {
            "shortDescription": self._title(life),
            "longDescription": f"{life.mark()} seen from the desk.\nIt began at 08:12.",
            "ticketPriority": life.chance.choice("1234"),
            "assignedGroup": group,
            "subCategory": life.chance.choice(("Slow", "Down")),
            "callerId": "ola.nordmann",
            "u_site": life.chance.choice(SITES),
        }

    def _title(self, life: Life) -> str:
        return f"{life.mark()} {life.chance.choice(TROUBLES)}"

    def _say_at_desk(self, life: Life, text: str, *, by: str = "", kind: str = "comments") -> None:
        if life.desk_ticket:
            by = by or self._desk_name(life)
            self._desk.person_comments(life.desk_ticket, text, by, kind=kind)

    def _desk_updates(self, life: Life, fields: dict[str, str]) -> None:
        self._desk.person_updates(life.desk_ticket, fields, self._desk_name(life))

    def _desk_sets(self, life: Life, status: str) -> None:
        if life.desk_ticket:
            self._desk.person_sets_status(life.desk_ticket, status, self._desk_name(life))

    def _desk_name(self, life: Life) -> str:
        return life.chance.choice(DESK_NAMES)

    def _vendor_name(self, life: Life) -> str:
        return life.chance.choice(self.names)

    async def _pause(self, life: Life, times: float = 1.0) -> bool:
        """Wait a while and look for the partner; say whether there is time for another act."""
        await asyncio.sleep(self._pace_s * times * life.chance.uniform(0.3, 1.7))
        self._look(life)
        return asyncio.get_running_loop().time() < self._ends_at

    async def _partner(self, life: Life) -> bool:
        """Wait for the partner; say whether it came in time."""
        while not (life.desk_ticket and life.vendor_ticket):
            if asyncio.get_running_loop().time() >= self._ends_at:
                return False
            await asyncio.sleep(LOOK_S)
            self._look(life)
        return True

    def _look(self, life: Life) -> None:
        """See whether the copy of a ticket is there."""
        if not life.vendor_ticket:
            name = self._pairing.copy_field
            life.vendor_ticket = _copy_of(life, self._system.tickets(), name)
        if not life.desk_ticket:
            life.desk_ticket = _copy_of(life, self._desk.tickets(), "shortDescription")


def _copy_of(life: Life, tickets: Sequence[dict[str, Any]], name: str) -> str:
    for ticket in tickets:
        title = str(ticket["fields"].get(name, ""))
        if ticket["actor"] == "client" and any(token in title for token in life.marks):
            return str(ticket["id"])
    return ""


def ticket_of(tickets: Sequence[dict[str, Any]], ticket_id: str) -> dict[str, Any]:
    """Find a ticket by its id."""
    return next(each for each in tickets if each["id"] == ticket_id)
