"""People on both sides, at random moments; what they did is remembered for the reckoning."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from syncd.core import marker
from syncd.model.ids import Side, TicketId
from syncd.model.ticket import CommentKind, Visibility
from tests.simulation.vendor import US, Vendor

PRIORITIES = {Side.ITSM: ("1", "2", "3"), Side.VENDOR: ("Critical", "High", "Medium")}
STATUSES = {
    Side.ITSM: ("New", "In Progress", "Resolved", "Closed"),
    Side.VENDOR: ("New", "Solved", "Closed"),
}
SECRET = "secret"
"""Stands in every private text, and may never be met on the other side."""
TICKETS_MAX = 2


@dataclass(slots=True, kw_only=True)
class Deeds:
    """What people of one side did.

    Attributes:
        opened: tickets, and whether they are to get a partner.
        said: public words: ticket, author and text.
        files: names and bodies, by ticket.
    """

    opened: dict[TicketId, bool] = field(default_factory=dict)
    said: list[tuple[TicketId, str, str]] = field(default_factory=list)
    files: list[tuple[TicketId, str, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class People:
    """Everybody who works in one of the two systems.

    Attributes:
        sets_title: they change titles.
        forgets: they open tickets without what the mapping needs, and correct it later.
        removes: they delete tickets by mistake, and bring them back.
    """

    side: Side
    vendor: Vendor
    random: Random
    deeds: Deeds = field(default_factory=Deeds)
    serial: int = 0
    sets_title: bool = True
    forgets: bool = False
    removes: bool = False

    def open_before(self) -> TicketId:
        """Open a ticket in the days before syncd came."""
        ticket_id = self.vendor.open(
            title=self._next("title"),
            description=self._next("description"),
            priority=self.random.choice(PRIORITIES[self.side]),
            assigned_group="NOC",
        )
        self.deeds.opened[ticket_id] = True
        return ticket_id

    def say_before(self, ticket_id: TicketId, text: str) -> None:
        """Say something in those days, which the other side may have heard by telephone."""
        self._say_it(ticket_id, "Ann", text)

    def do_before(self, ticket_id: TicketId) -> None:
        """Do something else in those days."""
        acts = (self._say, self._whisper, self._attach, self._set_status, self._set_title)
        self.random.choice(acts)(ticket_id)

    def put_right(self) -> None:
        """Bring back what was deleted, and fill in what was forgotten."""
        for ticket_id in self.vendor.removed():
            self.vendor.restore(ticket_id)
        for ticket in self.vendor.tickets():
            if self._is_ours(ticket.id):
                self._correct(ticket.id)

    def act(self) -> str:
        """Do one thing, and say which."""
        tickets = [ticket for ticket in self.vendor.tickets() if self._is_ours(ticket.id)]
        if not tickets or (self.random.random() < 0.2 and len(self.deeds.opened) < TICKETS_MAX):
            self._open()
            return f"{self.side} people open"
        ticket_id = self.random.choice(tickets).id
        deeds: list[tuple[Callable[[TicketId], None], int]] = [
            (self._say, 5),
            (self._whisper, 2),
            (self._attach, 2),
            (self._set_priority, 3),
            (self._set_status, 3),
            (self._set_title, 2 if self.sets_title else 0),
            (self._quote, 1),
            (self._remove, 4 if self.removes else 0),
            (self._correct, 1 if self.forgets else 0),
        ]
        acts, weights = zip(*deeds, strict=True)
        (act,) = self.random.choices(acts, weights)
        act(ticket_id)
        return f"{self.side} people {act.__name__.strip('_').replace('_', ' ')}"

    def _is_ours(self, ticket_id: TicketId) -> bool:
        return self.deeds.opened.get(ticket_id, True)

    def _next(self, what: str) -> str:
        self.serial += 1
        return f"{what} {self.side} {self.serial}"

    def _open(self) -> None:
        matches = self.side is Side.VENDOR or self.random.random() < 0.85
        ticket_id = self.vendor.open(
            title=self._next("title"),
            description="" if self._does_forget() else self._next("description"),
            priority=self.random.choice(PRIORITIES[self.side]),
            assigned_group="NOC" if matches else "Printers",
        )
        self.deeds.opened[ticket_id] = matches
        if matches and self.random.random() < 0.3:
            self._say(ticket_id)
        if matches and self.random.random() < 0.2:
            self._attach(ticket_id)

    def _does_forget(self) -> bool:
        return self.forgets and self.random.random() < 0.5

    def _correct(self, ticket_id: TicketId) -> None:
        if not self.vendor.ticket(ticket_id).get("description"):
            self.vendor.set(ticket_id, description=self._next("description"))

    def _remove(self, ticket_id: TicketId) -> None:
        if removed := self.vendor.removed():
            self.vendor.restore(self.random.choice(removed))
        elif not self.vendor.is_just_made(ticket_id):
            # Deleted before anybody looked, nothing tells it from one that was never made.
            self.vendor.remove(ticket_id)

    def _say(self, ticket_id: TicketId) -> None:
        same = self.random.random() < 0.15
        text = "same words" if same else self._next("words")
        self._say_it(ticket_id, self.random.choice(("Ann", "Bob")), text)

    def _say_it(self, ticket_id: TicketId, author: str, text: str) -> None:
        self.vendor.say(ticket_id, text, author=author)
        self.deeds.said.append((ticket_id, author, marker.split(text)[0]))

    def _whisper(self, ticket_id: TicketId) -> None:
        self.vendor.say(
            ticket_id,
            self._next(SECRET),
            visibility=self.random.choice((Visibility.PRIVATE, Visibility.UNKNOWN)),
            kind=CommentKind.WORK_NOTE,
        )

    def _attach(self, ticket_id: TicketId) -> None:
        if not self.vendor.profile.takes_files:
            return
        name = self.random.choice(("log.txt", self._next("file") + ".txt", "a/b:c.txt"))
        body = self._next("body").encode()
        self.vendor.attach(ticket_id, name, body)
        self.deeds.files.append((ticket_id, name, body))

    def _set_priority(self, ticket_id: TicketId) -> None:
        self.vendor.set(ticket_id, priority=self.random.choice(PRIORITIES[self.side]))

    def _set_status(self, ticket_id: TicketId) -> None:
        self.vendor.set(ticket_id, status=self.random.choice(STATUSES[self.side]))

    def _set_title(self, ticket_id: TicketId) -> None:
        self.vendor.set(ticket_id, title=self._next("title"))

    def _quote(self, ticket_id: TicketId) -> None:
        """Answer under a quotation of what we wrote, marker and all."""
        raw = self.vendor.raw_said(ticket_id)
        ours = [text for author, text in raw if author == US]
        if not ours:
            return
        text = f"{self._next('answer')}: {self.random.choice(ours)}"
        self._say_it(ticket_id, "Ann", text)
