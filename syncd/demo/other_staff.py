"""What people at Digital Realty, SIP Synergy and B-612 do with their tickets."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from syncd.demo.pairing import (
    B612,
    DIGITAL_REALTY,
    ORGANISATION_ID,
    SIPSYNERGY,
    SKIPPED_WORD,
    Pairing,
)
from syncd.demo.staff import Act, Life, Live, Staff, ticket_of
from syncd.sandbox import B612Sandbox, DigitalRealtySandbox, SipSynergySandbox, SmartOpsSandbox

QUOTED_CHARS = 300


def count_of(seconds: float) -> int:
    """How many lives of one kind a vendor has in so many seconds."""
    return max(1, min(12, round(seconds / 8)))


class _TalkingStaff(Staff, ABC):
    """People of a vendor whose tickets have comments and statuses."""

    def __init__(
        self,
        pairing: Pairing,
        desk: SmartOpsSandbox,
        vendor: DigitalRealtySandbox | SipSynergySandbox,
    ) -> None:
        super().__init__(pairing, desk, vendor)
        self._vendor = vendor

    async def _desk_life(self, life: Life) -> None:
        """A ticket of the service desk that the vendor gets, works on and ends."""
        if await self._desk_begins(life):
            await self._work(life)

    async def _work(self, life: Life) -> None:
        acts: list[Act] = [self.desk_comments_twice, self.vendor_comments_twice, self.desk_shares]
        acts += life.chance.sample(self._catalogue, k=min(len(self._catalogue), 6))
        if await self._do(life, acts) and await self._partner(life):
            await self._do(life, self._end(life), 2.0)

    @property
    def _catalogue(self) -> list[Act]:
        """What may happen, in any order."""
        return [
            self.desk_comments,
            self.desk_comments_at_length,
            self.desk_notes_privately,
            self.desk_retitles,
            self.desk_describes,
            self.desk_attaches,
            self.vendor_comments,
            self.vendor_replies_by_machine,
            self.vendor_quotes,
            self.both_comment,
        ]

    @abstractmethod
    def _end(self, life: Life) -> Sequence[Act]:
        """How the ticket ends."""

    # --- at the vendor ---------------------------------------------------------------------------

    def vendor_comments(self, life: Life) -> None:
        self._say_at_vendor(life, life.remark())

    def vendor_comments_twice(self, life: Life) -> None:
        by, text = self._vendor_name(life), life.remark()
        self._say_at_vendor(life, text, by=by)
        self._say_at_vendor(life, text, by=by)

    def vendor_replies_by_machine(self, life: Life) -> None:
        self._say_at_vendor(life, f"{SKIPPED_WORD}: {life.remark()}")

    def vendor_quotes(self, life: Life) -> None:
        """Quote the newest copy there is, our marker included: it is no copy of ours."""
        if not life.vendor_ticket:
            return
        ticket = ticket_of(self._vendor.tickets(), life.vendor_ticket)
        copies = [each["text"] for each in ticket["comments"] if each["actor"] == "client"]
        if copies:
            quoted = copies[-1][-QUOTED_CHARS:].replace("\n", "\n> ")
            self._say_at_vendor(life, f"{life.remark()}\n> {quoted}")

    def both_comment(self, life: Life) -> None:
        self.desk_comments(life)
        self.vendor_comments(life)

    def _say_at_vendor(self, life: Life, text: str, *, by: str = "") -> None:
        if life.vendor_ticket:
            by = by or self._vendor_name(life)
            self._vendor.person_comments(life.vendor_ticket, text, by)

    def _vendor_sets(self, life: Life, status: str) -> None:
        if life.vendor_ticket:
            self._vendor.person_sets_status(life.vendor_ticket, status, self._vendor_name(life))

    def _vendor_updates(self, life: Life, fields: dict[str, str]) -> None:
        if life.vendor_ticket:
            self._vendor.person_updates(life.vendor_ticket, fields, self._vendor_name(life))


class RealtyStaff(_TalkingStaff):
    """Everybody who works on support tickets at Digital Realty."""

    names = ("Dana Realty", "Joost Koeler")

    def __init__(self, desk: SmartOpsSandbox, realty: DigitalRealtySandbox) -> None:
        super().__init__(DIGITAL_REALTY, desk, realty)

    def lives(self, seconds: float) -> Sequence[Live]:
        return [*[self._desk_life] * (2 * count_of(seconds)), self._own_life]

    async def _own_life(self, life: Life) -> None:
        """An order somebody placed in the portal: nothing of it is for the desk."""
        fields = {"title": self._title(life), "site": "AMS011", "description": life.remark()}
        life.vendor_ticket = self._vendor.person_creates(fields, self._vendor_name(life))
        await self._do(life, [self.vendor_comments, self.realty_works, self.realty_completes])

    @property
    def _catalogue(self) -> list[Act]:
        return [*super()._catalogue, self.desk_waits, self.realty_works, self.realty_attaches]

    def _end(self, life: Life) -> Sequence[Act]:
        last = self.realty_cancels if life.chance.random() < 0.2 else self.realty_completes
        return [self.realty_works, last, self.vendor_comments, self.desk_closes]

    def realty_works(self, life: Life) -> None:
        self._vendor_sets(life, "In Progress")

    def realty_completes(self, life: Life) -> None:
        self._vendor_sets(life, "Completed")

    def realty_cancels(self, life: Life) -> None:
        self._vendor_sets(life, "Cancelled")

    def realty_attaches(self, life: Life) -> None:
        """No call shows it, so nobody expects it across."""
        if life.vendor_ticket:
            name = f"{life.token()} foto.jpg"
            self._vendor.person_attaches(
                life.vendor_ticket, name, b"jpg", by=self._vendor_name(life)
            )


class SipStaff(_TalkingStaff):
    """Everybody who works on faults at SIP Synergy."""

    names = ("Sam Synergy", "Zoë Trunk")

    def __init__(self, desk: SmartOpsSandbox, sip: SipSynergySandbox) -> None:
        super().__init__(SIPSYNERGY, desk, sip)

    def lives(self, seconds: float) -> Sequence[Live]:
        return [self._desk_life, self._vendor_life] * count_of(seconds)

    async def _vendor_life(self, life: Life) -> None:
        """A ticket SIP Synergy opens for us."""
        fields = {
            "title": self._title(life),
            "description": f"{life.mark()} seen on both trunks",
            "organisationHumanId": ORGANISATION_ID,
        }
        life.vendor_ticket = self._vendor.person_creates(fields, self._vendor_name(life))
        await self._work(life)

    @property
    def _catalogue(self) -> list[Act]:
        return [*super()._catalogue, self.sip_prioritises, self.sip_describes, self.sip_holds]

    def _end(self, life: Life) -> Sequence[Act]:
        last: Act = self.sip_closes if life.chance.random() < 0.5 else self.desk_closes
        return [self.sip_opens, self.sip_resolves, self.vendor_comments, last]

    def sip_prioritises(self, life: Life) -> None:
        number = life.chance.choice("12345")
        self._vendor_updates(life, {"priority": f"P{number} - Priority {number}"})

    def sip_describes(self, life: Life) -> None:
        self._vendor_updates(life, {"description": f"{life.token()} cause found: – a trunk"})

    def sip_opens(self, life: Life) -> None:
        self._vendor_sets(life, "Open")

    def sip_holds(self, life: Life) -> None:
        self._vendor_sets(life, "On Hold")

    def sip_resolves(self, life: Life) -> None:
        self._vendor_sets(life, "Resolved")

    def sip_closes(self, life: Life) -> None:
        self._vendor_sets(life, "Closed")


class HandsStaff(Staff):
    """The engineers of B-612."""

    names = ("Amiram Bukowsky", "Ines Rack")

    def __init__(self, desk: SmartOpsSandbox, hands: B612Sandbox) -> None:
        super().__init__(B612, desk, hands)
        self._hands = hands

    def lives(self, seconds: float) -> Sequence[Live]:
        return [self._desk_life] * (2 * count_of(seconds))

    async def _desk_life(self, life: Life) -> None:
        """Work the desk asks for; somebody does it, and it is billed."""
        if not await self._desk_begins(life):
            return
        acts = [
            self.desk_comments,
            self.desk_describes,
            self.desk_prioritises,
            self.desk_retitles,
            self.desk_notes_privately,
            self.hands_suggest,
            self.hands_log,
        ]
        life.chance.shuffle(acts)
        if await self._do(life, acts) and await self._partner(life):
            await self._do(life, [self.hands_log, self.hands_log_and_close, self.desk_closes], 2.0)

    # --- at the racks ----------------------------------------------------------------------------

    def hands_suggest(self, life: Life) -> None:
        if life.vendor_ticket:
            by = self._vendor_name(life)
            self._hands.person_suggests(life.vendor_ticket, "12/15/2026", "13:00:00", by)

    def hands_log(self, life: Life) -> None:
        """Log hours, and expenses that no other ticket has, so that their note can be found."""
        if life.vendor_ticket:
            life.count += 1
            hours, expenses = life.chance.choice(("1", "2.5", "4")), f"1{life.place}{life.count}.25"
            by = self._vendor_name(life)
            self._hands.person_logs_hours(life.vendor_ticket, hours, expenses=expenses, by=by)

    def hands_log_and_close(self, life: Life) -> None:
        self.hands_log(life)
        self._hands.person_sets_status(life.vendor_ticket, "Closed", self._vendor_name(life))
