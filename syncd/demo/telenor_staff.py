"""What people at Telenor do with incidents, and the automation's tickets there."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from syncd.demo.automation import Automation, ticket_fields
from syncd.demo.pairing import ORGANIZATION, SKIPPED_WORD, TELENOR
from syncd.demo.staff import SITES, Act, Life, Live, Staff, ticket_of
from syncd.sandbox import SmartOpsSandbox, TelenorSandbox

PRIORITIES = ("Critical", "High", "Medium", "Low")
FILES = ("måling.txt", "spor ÆØÅ.csv", "ping log.txt", "日誌.txt")


class TelenorStaff(Staff):
    """Everybody who works on incidents at Telenor.

    Args:
        desk: the ITSM.
        carrier: Telenor.
        automation: what raises tickets besides; None: nothing does.
    """

    names = ("Tone Telenor", "Kåre Kabel")

    def __init__(
        self, desk: SmartOpsSandbox, carrier: TelenorSandbox, automation: Automation | None = None
    ) -> None:
        super().__init__(TELENOR, desk, carrier)
        self._carrier = carrier
        self._automation = automation

    def lives(self, seconds: float) -> Sequence[Live]:
        count = max(2, min(40, round(seconds / 4)))
        both = (self._desk_life, self._carrier_life)
        found: list[Live] = [self._private_life, *(both[place % 2] for place in range(count))]
        if self._automation is not None:
            found += [partial(self._raised_life, self._automation)] * max(2, count // 3)
        return found

    # --- lives -----------------------------------------------------------------------------------

    async def _desk_life(self, life: Life) -> None:
        """A ticket of the service desk that the vendor gets, works on and solves."""
        if not await self._desk_begins(life):
            return
        await self._work(life)

    async def _carrier_life(self, life: Life) -> None:
        """A ticket of the vendor about one of our lines."""
        fields = self._carrier_fields(life) | {"organizationNumber": ORGANIZATION}
        life.vendor_ticket = self._carrier.person_creates(fields, self._vendor_name(life))
        await self._work(life)

    async def _raised_life(self, automation: Automation, life: Life) -> None:
        """A ticket of the automation that the vendor gets, works on and solves."""
        fields = ticket_fields(
            self._title(life), f"{life.token()} seen by the monitoring", life.chance
        )
        key = f"{life.suffix}-{life.place}"
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
            if not life.vendor_ticket and act is not acts[0]:
                continue
            await automation.say(raised, life.remark(), f"{key}-{number}")
            if life.vendor_ticket:
                act(life)

    async def _private_life(self, life: Life) -> None:
        """A ticket of each side that is nobody else's business."""
        life.desk_ticket = self._desk.person_creates(
            self._desk_fields(life, "Service Desk"), self._desk_name(life)
        )
        fields = self._carrier_fields(life) | {"organizationNumber": "999999999"}
        life.vendor_ticket = self._carrier.person_creates(fields, self._vendor_name(life))
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

    # --- at the vendor ---------------------------------------------------------------------------

    def carrier_comments(self, life: Life) -> None:
        self._say_at_carrier(life, life.remark())

    def carrier_comments_twice(self, life: Life) -> None:
        by, text = self._vendor_name(life), life.remark()
        self._say_at_carrier(life, text, by=by)
        self._say_at_carrier(life, text, by=by)

    def carrier_replies_by_machine(self, life: Life) -> None:
        self._say_at_carrier(life, f"{SKIPPED_WORD}: {life.remark()}")

    def carrier_quotes(self, life: Life) -> None:
        """Quote the newest copy there is, our marker included: it is no copy of ours."""
        if not life.vendor_ticket:
            return
        ticket = ticket_of(self._carrier.tickets(), life.vendor_ticket)
        copies = [each["text"] for each in ticket["comments"] if each["actor"] == "client"]
        if copies:
            quoted = copies[-1][-300:].replace("\n", "\n> ")
            self._say_at_carrier(life, f"{life.remark()}\n> {quoted}")

    def carrier_attaches(self, life: Life) -> None:
        if not life.vendor_ticket:
            return
        by, name = self._vendor_name(life), f"{life.token()} {life.chance.choice(FILES)}"
        content = life.chance.randbytes(life.chance.choice((0, 1, 700, 40_000)))
        for _ in range(life.chance.choice((1, 1, 2))):
            self._carrier.person_attaches(life.vendor_ticket, name, content, by=by)

    def carrier_retitles(self, life: Life) -> None:
        if life.vendor_ticket:
            self._carrier_updates(life, {"subject": self._title(life)})

    def carrier_prioritises(self, life: Life) -> None:
        if life.vendor_ticket:
            self._carrier_updates(life, {"priority": life.chance.choice(PRIORITIES)})

    def carrier_describes(self, life: Life) -> None:
        if life.vendor_ticket:
            self._carrier_updates(life, {"description": f"{life.token()} cause found:\n– splice"})

    def carrier_solves(self, life: Life) -> None:
        self._carrier_updates(life, {"rootCause": f"{life.token()} splice replaced"})
        self._carrier.person_sets_status(
            life.vendor_ticket, "Solved", self._vendor_name(life), "Solved at the site"
        )

    def carrier_accepts(self, life: Life) -> None:
        self._carrier.person_sets_status(
            life.vendor_ticket, "Customer Accepted", self._vendor_name(life)
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

    def _carrier_fields(self, life: Life) -> dict[str, Any]:
        return {
            "subject": self._title(life),
            "description": f"{life.token()} seen by the network centre",
            "priority": life.chance.choice(PRIORITIES),
            "productCategoryName": "Ethernet Connect",
            "incidentType": "Treghet",
            "location": life.chance.choice(SITES),
        }

    def _say_at_carrier(self, life: Life, text: str, *, by: str = "") -> None:
        if life.vendor_ticket:
            by = by or self._vendor_name(life)
            self._carrier.person_comments(life.vendor_ticket, text, by)

    def _carrier_updates(self, life: Life, fields: dict[str, str]) -> None:
        self._carrier.person_updates(life.vendor_ticket, fields, self._vendor_name(life))
