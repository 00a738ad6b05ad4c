"""Plays the people on both sides: seeded lives of tickets, each an own task.

What a life does follows from the seed; when exactly depends on how fast the copies appear. Every
text begins with a token of its own, so that the judge can find it again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncd.demo.automation import Automation, ticket_fields
from syncd.demo.judge import GROUP, ORGANIZATION, SHARE_WORD, SKIPPED_WORD
from syncd.sandbox import SmartOpsSandbox, TelenorSandbox

DESK_NAMES = ("Dina Desk", "Åse Ødegård", "Per Vakt")
CARRIER_NAMES = ("Tone Telenor", "Kåre Kabel")
SITES = ("Fornebu", "Bergen", "Tromsø")
PRIORITIES = ("Critical", "High", "Medium", "Low")
TROUBLES = ("Link down", "Packets lost", "Slow at lunch", "No voice", "Flapping port", "High delay")
REMARKS = ("any news?", "we see it too", "et øyeblikk…", "restarted the CPE", "seen since 08:12 👀")
FILES = ("måling.txt", "spor ÆØÅ.csv", "ping log.txt", "日誌.txt")
LONG_CHARS = 9000
"""A comment of this length does not fit into one of the vendor's."""
LOOK_S = 0.05
"""How often somebody looks whether a ticket has got its partner."""

Act = Callable[["Life"], None]


@dataclass(slots=True)
class Life:
    """One ticket, its partner, and somebody's plans for both.

    Attributes:
        place: number of the life; part of its tokens.
        chance: its own randomness.
        desk_ticket, carrier_ticket: ids, "" while not there.
        titles: tokens its titles had, by which its copy is found.
        is_desks: the service desk opened it.
    """

    place: int
    chance: random.Random
    suffix: str
    desk_ticket: str = ""
    carrier_ticket: str = ""
    titles: list[str] = field(default_factory=list)
    is_desks: bool = False
    count: int = 0

    def token(self) -> str:
        """Make a token nobody else has."""
        self.count += 1
        return f"T{self.place:02d}{self.count:02d}-{self.suffix}"

    def remark(self) -> str:
        """Say something new."""
        return f"{self.token()} {self.chance.choice(REMARKS)}"


class People:
    """Everybody at the service desk and at the vendor.

    Args:
        desk: the ITSM.
        carrier: the vendor.
        seed: of what they do.
        automation: what raises tickets besides; None: nothing does.
    """

    def __init__(
        self,
        desk: SmartOpsSandbox,
        carrier: TelenorSandbox,
        seed: int,
        *,
        automation: Automation | None = None,
    ) -> None:
        self._desk = desk
        self._automation = automation
        self._carrier = carrier
        self._seed = seed
        suffix = random.Random(f"{seed}:tokens")
        self._suffix = "".join(suffix.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(3))
        self._ends_at = 0.0
        self._pace_s = 0.5

    async def act(self, seconds: float) -> None:
        """Live until the time is over."""
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + seconds
        self._pace_s = min(0.8, max(0.15, seconds / 25))
        count = max(2, min(40, round(seconds / 4)))
        lives: list[Callable[[Life], Awaitable[None]]] = [self._private_life]
        both = (self._desk_life, self._carrier_life)
        lives += [both[place % 2] for place in range(count)]
        if self._automation is not None:
            lives += [partial(self._raised_life, self._automation)] * max(2, count // 3)
        gap_s = seconds * 0.5 / len(lives)
        async with asyncio.TaskGroup() as group:
            for place, live in enumerate(lives):
                life = Life(
                    place=place,
                    chance=random.Random(f"{self._seed}:life:{place}"),
                    suffix=self._suffix,
                )
                group.create_task(self._begin(live, life, place * gap_s))

    async def _begin(
        self, live: Callable[[Life], Awaitable[None]], life: Life, delay_s: float
    ) -> None:
        await asyncio.sleep(delay_s)
        await live(life)

    # --- lives -----------------------------------------------------------------------------------

    async def _desk_life(self, life: Life) -> None:
        """A ticket of the service desk that the vendor gets, works on and solves."""
        life.is_desks = True
        is_late = life.chance.random() < 0.25
        life.desk_ticket = self._desk.person_creates(
            self._desk_fields(life, "Service Desk" if is_late else GROUP), self._desk_name(life)
        )
        if is_late:
            # Said before anybody meant to share the ticket; goes along when it is shared.
            self.desk_comments(life)
            self.desk_notes_privately(life)
            if not await self._pause(life):
                return
            self._desk.person_updates(
                life.desk_ticket, {"assignedGroup": GROUP}, self._desk_name(life)
            )
        await self._work(life)

    async def _carrier_life(self, life: Life) -> None:
        """A ticket of the vendor about one of our lines."""
        fields = self._carrier_fields(life) | {"organizationNumber": ORGANIZATION}
        life.carrier_ticket = self._carrier.person_creates(fields, self._carrier_name(life))
        await self._work(life)

    async def _raised_life(self, automation: Automation, life: Life) -> None:
        """A ticket of the automation that the vendor gets, works on and solves."""
        fields = ticket_fields(
            self._title(life), f"{life.token()} seen by the monitoring", life.chance
        )
        key = f"{self._suffix}-{life.place}"
        raised = await automation.raise_ticket(fields, key)
        acts: list[Act] = [
            self.carrier_comments_twice,
            self.carrier_attaches,
            self.carrier_replies_by_machine,
            self.carrier_solves,
            self.carrier_accepts,
        ]
        for number, act in enumerate(acts):
            if not await self._pause(life, 1.5):
                return
            if not life.carrier_ticket and act is not acts[0]:
                continue
            await automation.say(raised, life.remark(), f"{key}-{number}")
            if life.carrier_ticket:
                act(life)

    async def _private_life(self, life: Life) -> None:
        """A ticket of each side that is nobody else's business."""
        life.desk_ticket = self._desk.person_creates(
            self._desk_fields(life, "Service Desk"), self._desk_name(life)
        )
        fields = self._carrier_fields(life) | {"organizationNumber": "999999999"}
        life.carrier_ticket = self._carrier.person_creates(fields, self._carrier_name(life))
        acts: Sequence[Act] = (
            self.desk_comments,
            self.desk_notes_privately,
            self.carrier_comments,
            self.desk_attaches,
            self.desk_retitles,
            self.carrier_attaches,
        )
        for act in acts:
            if not await self._pause(life):
                return
            act(life)

    async def _work(self, life: Life) -> None:
        first: list[Act] = [self.desk_comments_twice, self.carrier_attaches, self.both_prioritise]
        second: list[Act] = [self.carrier_comments_twice, self.desk_shares, self.both_retitle]
        acts = [*(first if life.place % 2 else second)]
        acts += life.chance.sample(self._catalogue, k=min(len(self._catalogue), 7))
        for act in acts:
            if not await self._pause(life):
                return
            act(life)
        await self._end(life)

    async def _end(self, life: Life) -> None:
        """Solved, perhaps reopened, solved again, closed; sometimes everybody at once."""
        if not await self._partner(life):
            return
        self._desk.person_sets_status(life.desk_ticket, "In Progress", self._desk_name(life))
        steps: list[Act] = [self.carrier_solves]
        if life.chance.random() < 0.4:
            steps += [self.desk_reopens, self.carrier_solves]
        ways: Sequence[Act] = (self.desk_closes, self.carrier_accepts, self.both_close)
        steps.append(life.chance.choice(ways))
        if life.chance.random() < 0.3:
            steps.append(self.carrier_comments)
        for act in steps:
            if not await self._pause(life, 2.0):
                return
            act(life)

    @property
    def _catalogue(self) -> Sequence[Act]:
        return (
            self.desk_comments,
            self.desk_comments_at_length,
            self.desk_notes_privately,
            self.desk_shares,
            self.desk_retitles,
            self.desk_prioritises,
            self.desk_describes,
            self.desk_moves,
            self.desk_attaches,
            self.desk_waits,
            self.carrier_comments,
            self.carrier_replies_by_machine,
            self.carrier_quotes,
            self.carrier_attaches,
            self.carrier_retitles,
            self.carrier_prioritises,
            self.carrier_describes,
            self.both_comment,
            self.both_prioritise,
        )

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
        self._say_at_desk(life, f"{SHARE_WORD}{life.remark()}", kind="workNotes")

    def desk_retitles(self, life: Life) -> None:
        if life.desk_ticket:
            self._desk_updates(life, {"shortDescription": self._title(life)})

    def desk_prioritises(self, life: Life) -> None:
        if life.desk_ticket:
            self._desk_updates(life, {"ticketPriority": life.chance.choice("1234")})

    def desk_describes(self, life: Life) -> None:
        if life.desk_ticket:
            text = f"{life.token()} more precisely:\nfor LU-1000000{life.place % 10}, sía áðan"
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
        if life.desk_ticket and life.carrier_ticket:
            self._desk.person_sets_status(life.desk_ticket, "On Hold", self._desk_name(life))

    def desk_reopens(self, life: Life) -> None:
        self._desk.person_sets_status(life.desk_ticket, "In Progress", self._desk_name(life))
        self.desk_comments(life)

    def desk_closes(self, life: Life) -> None:
        self._desk.person_sets_status(life.desk_ticket, "Closed", self._desk_name(life))

    # --- at the vendor ---------------------------------------------------------------------------

    def carrier_comments(self, life: Life) -> None:
        self._say_at_carrier(life, life.remark())

    def carrier_comments_twice(self, life: Life) -> None:
        by, text = self._carrier_name(life), life.remark()
        self._say_at_carrier(life, text, by=by)
        self._say_at_carrier(life, text, by=by)

    def carrier_replies_by_machine(self, life: Life) -> None:
        self._say_at_carrier(life, f"{SKIPPED_WORD}: {life.remark()}")

    def carrier_quotes(self, life: Life) -> None:
        """Quote the newest copy there is, our marker included: it is no copy of ours."""
        if not life.carrier_ticket:
            return
        ticket = _find(self._carrier.tickets(), life.carrier_ticket)
        copies = [each["text"] for each in ticket["comments"] if each["actor"] == "client"]
        if copies:
            quoted = copies[-1][-300:].replace("\n", "\n> ")
            self._say_at_carrier(life, f"{life.remark()}\n> {quoted}")

    def carrier_attaches(self, life: Life) -> None:
        if not life.carrier_ticket:
            return
        by, name = self._carrier_name(life), f"{life.token()} {life.chance.choice(FILES)}"
        content = life.chance.randbytes(life.chance.choice((0, 1, 700, 40_000)))
        for _ in range(life.chance.choice((1, 1, 2))):
            self._carrier.person_attaches(life.carrier_ticket, name, content, by=by)

    def carrier_retitles(self, life: Life) -> None:
        if life.carrier_ticket:
            self._carrier_updates(life, {"subject": self._title(life)})

    def carrier_prioritises(self, life: Life) -> None:
        if life.carrier_ticket:
            self._carrier_updates(life, {"priority": life.chance.choice(PRIORITIES)})

    def carrier_describes(self, life: Life) -> None:
        if life.carrier_ticket:
            self._carrier_updates(life, {"description": f"{life.token()} cause found:\n– splice"})

    def carrier_solves(self, life: Life) -> None:
        self._carrier_updates(life, {"rootCause": f"{life.token()} splice replaced"})
        self._carrier.person_sets_status(
            life.carrier_ticket, "Solved", self._carrier_name(life), "Solved at the site"
        )

    def carrier_accepts(self, life: Life) -> None:
        self._carrier.person_sets_status(
            life.carrier_ticket, "Customer Accepted", self._carrier_name(life)
        )

    # --- both at once ----------------------------------------------------------------------------

    def both_comment(self, life: Life) -> None:
        self.desk_comments(life)
        self.carrier_comments(life)

    def both_prioritise(self, life: Life) -> None:
        self.carrier_prioritises(life)
        self.desk_prioritises(life)

    def both_retitle(self, life: Life) -> None:
        self.desk_retitles(life)
        self.carrier_retitles(life)

    def both_close(self, life: Life) -> None:
        self.desk_closes(life)
        self.carrier_accepts(life)

    # --- below -----------------------------------------------------------------------------------

    def _desk_fields(self, life: Life, group: str) -> dict[str, str]:
        return {
            "shortDescription": self._title(life),
            "longDescription": f"{life.token()} seen from the desk.\nIt began at 08:12.",
            "ticketPriority": life.chance.choice("1234"),
            "assignedGroup": group,
            "subCategory": life.chance.choice(("Slow", "Down")),
            "callerId": "ola.nordmann",
            "u_site": life.chance.choice(SITES),
        }

    def _carrier_fields(self, life: Life) -> dict[str, Any]:
        return {
            "subject": self._title(life),
            "description": f"{life.token()} seen by the network centre",
            "priority": life.chance.choice(PRIORITIES),
            "productCategoryName": "Ethernet Connect",
            "incidentType": "Treghet",
            "location": life.chance.choice(SITES),
        }

    def _title(self, life: Life) -> str:
        token = life.token()
        life.titles.append(token)
        return f"{token} {life.chance.choice(TROUBLES)}"

    def _say_at_desk(self, life: Life, text: str, *, by: str = "", kind: str = "comments") -> None:
        if life.desk_ticket:
            by = by or self._desk_name(life)
            self._desk.person_comments(life.desk_ticket, text, by, kind=kind)

    def _say_at_carrier(self, life: Life, text: str, *, by: str = "") -> None:
        if life.carrier_ticket:
            by = by or self._carrier_name(life)
            self._carrier.person_comments(life.carrier_ticket, text, by)

    def _desk_updates(self, life: Life, fields: dict[str, str]) -> None:
        self._desk.person_updates(life.desk_ticket, fields, self._desk_name(life))

    def _carrier_updates(self, life: Life, fields: dict[str, str]) -> None:
        self._carrier.person_updates(life.carrier_ticket, fields, self._carrier_name(life))

    def _desk_name(self, life: Life) -> str:
        return life.chance.choice(DESK_NAMES)

    def _carrier_name(self, life: Life) -> str:
        return life.chance.choice(CARRIER_NAMES)

    async def _pause(self, life: Life, times: float = 1.0) -> bool:
        """Wait a while and look for the partner; say whether there is time for another act."""
        await asyncio.sleep(self._pace_s * times * life.chance.uniform(0.3, 1.7))
        self._look(life)
        return asyncio.get_running_loop().time() < self._ends_at

    async def _partner(self, life: Life) -> bool:
        """Wait for the partner; say whether it came in time."""
        while not (life.desk_ticket and life.carrier_ticket):
            if asyncio.get_running_loop().time() >= self._ends_at:
                return False
            await asyncio.sleep(LOOK_S)
            self._look(life)
        return True

    def _look(self, life: Life) -> None:
        """See whether the copy of a ticket is there."""
        if not life.carrier_ticket:
            life.carrier_ticket = _copy_of(life, self._carrier.tickets(), "subject")
        if not life.desk_ticket:
            life.desk_ticket = _copy_of(life, self._desk.tickets(), "shortDescription")


def _copy_of(life: Life, tickets: Sequence[dict[str, Any]], name: str) -> str:
    for ticket in tickets:
        title = str(ticket["fields"].get(name, ""))
        if ticket["actor"] == "client" and any(token in title for token in life.titles):
            return str(ticket["id"])
    return ""


def _find(tickets: Sequence[dict[str, Any]], ticket_id: str) -> dict[str, Any]:
    return next(each for each in tickets if each["id"] == ticket_id)
