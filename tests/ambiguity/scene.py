"""The real delivery on a real store, between a desk in memory and a provider's sandbox."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from syncd.core.state import ItemKind, PlannedOperation, Rank, Reason, SlotMove
from syncd.delivery.service import Delivery
from syncd.model.ids import AttachmentId, LinkRow, OperationId, Side, TicketId
from syncd.model.operation import AttachmentDraft, OperationState, ParkReason, WriteKind
from syncd.ports.adapter import TicketRef
from syncd.sandbox import SANDBOXES, SandboxClock
from syncd.store import links
from syncd.transport.interface import Transport
from syncd.transport.options import Timeouts
from syncd.transport.pool import ClientPool
from syncd.transport.request import Answer, Request
from tests.ambiguity.table import Case, End
from tests.conformance.fixture import Fixture
from tests.conformance.world import HELLO, Wire, Wrap, as_it_is, one_field, operation_of
from tests.conformance.world import World as Kit
from tests.delivery.test_crash import Fuse, FusedDatabase, Killed
from tests.delivery.world import DESK, MAPPING, VENDOR, World, a_world, silent
from tests.support.clock import FakeClock
from tests.support.memory_adapter import KIND

HURRIED = Timeouts(connect_s=5, read_s=0.2, total_s=5)
"""Real seconds: the vendor answers much later than that."""
LATE_S = 60.0
FAULTS: dict[Case, tuple[str, dict[str, object]]] = {
    Case.ERROR_BEFORE: ("error_before", {"status": 503}),
    Case.RESET_BEFORE: ("reset_before", {}),
    Case.ERROR_AFTER: ("error_after", {"status": 502}),
    Case.ANSWER_LOST: ("lost_answer", {}),
    Case.ANSWER_LATE: ("slow", {"delay_s": LATE_S}),
    Case.ANSWER_GARBAGE: ("garbage", {}),
    Case.FAILED_BEFORE: ("envelope_before", {"status": 500}),
    Case.FAILED_AFTER: ("envelope_after", {"status": 500}),
    Case.CRASH_SENT: ("lost_answer", {}),
}
ROUNDS_MAX = 20


class VendorsTime(SandboxClock):
    """The vendor's time is ours, whoever moves it."""

    def __init__(self, ours: FakeClock) -> None:
        super().__init__(ours.now())
        self._ours = ours

    def now(self) -> datetime:
        return self._ours.now()


class MortalWire(Wire):
    """A transport whose process dies around its first write."""

    def __init__(self, inner: Transport, case: Case) -> None:
        super().__init__(inner)
        self._case = case

    async def write(self, request: Request) -> Answer:
        if self._case is Case.CRASH_UNSENT:
            raise Killed
        try:
            answer = await super().write(request)
        except Exception as err:
            # Whatever reached the process, it is dead before it could act on it.
            raise Killed from err
        if self._case is Case.CRASH_ANSWERED:
            raise Killed
        return answer


class Scene:
    """Plays cells of one provider, each with a ticket of its own."""

    def __init__(self, kit: Kit, world: World) -> None:
        self.kit = kit
        self.world = world
        self._cells = 0

    async def end(self, kind: WriteKind, case: Case) -> str:
        """Play one cell; give its `End`, or what happened instead."""
        self._cells += 1
        self.world.adapters[VENDOR] = self.kit.adapter = self.kit.another()
        link = await self._link(kind)
        since = self.kit.mark
        (operation,) = await self.world.plan(link, self._planned(kind))
        await self._send_first(kind, case, operation)
        self.world.adapters[VENDOR] = self.kit.adapter = self.kit.another()
        await self._go_on()
        return await self._judged(operation, since)

    async def _judged(self, operation: OperationId, since: int) -> str:
        record = (await self.world.show(operation)).record
        done = self.kit.done(since)
        if record.state is OperationState.APPLIED and done == 1:
            return End.ONCE
        if record.park_reason is ParkReason.IN_DOUBT and done <= 1:
            sends = len(self.kit.sends(since))
            return End.DOUBT if sends <= 1 else f"in doubt, and sent {sends} times"
        return f"{record.state} {record.park_reason or ''} with {done} effects"

    # --- the first send

    async def _send_first(self, kind: WriteKind, case: Case, operation: OperationId) -> None:
        call = await operation_of(self.kit.fixture, kind)
        if case in FAULTS:
            fault, options = FAULTS[case]
            self.kit.sandbox.faults.next(fault, operation=call, **options)
        if case is Case.ANSWER_LATE:
            self.world.adapters[VENDOR] = self.kit.another(timeouts=HURRIED)
        fuse = Fuse(0, kills=True)
        if case in (Case.CRASH_UNSENT, Case.CRASH_SENT, Case.CRASH_ANSWERED):
            self.world.adapters[VENDOR] = self.kit.another(
                wire=lambda inner: MortalWire(inner, case)
            )
        delivery = self.world.delivery(db=FusedDatabase(self.world.db, fuse), owner=self._owner())
        await delivery.recover()
        if case is Case.CRASH_CLAIMED:
            fuse.at = fuse.count + 3  # before and after the claim, before *sending*
        await self._until_sent(delivery, operation)
        assert not self.kit.sandbox.faults.pending, "the fault met nothing"
        assert fuse.blown.is_set() == (case is Case.CRASH_CLAIMED)

    async def _until_sent(self, delivery: Delivery, operation: OperationId) -> None:
        for _ in range(ROUNDS_MAX):
            with contextlib.suppress(Killed):
                await delivery.run_round()
            if (await self.world.state(operation)) is not OperationState.READY:
                return
            self.world.clock.advance(1)  # type: ignore[attr-defined]
        raise AssertionError("it was never sent")

    async def _go_on(self) -> None:
        delivery = self.world.delivery(owner=self._owner())
        await delivery.recover()
        await self.world.drive(delivery)

    def _owner(self) -> str:
        return f"process {self.world.ids.token(4)}"

    # --- what is planned

    def _planned(self, kind: WriteKind) -> PlannedOperation:
        write = one_field(self.kit, self.kit.write_of(kind))
        planned = PlannedOperation(
            target=Side.VENDOR,
            kind=kind,
            reason=Reason.OPENED if kind is WriteKind.CREATE else Reason.FIELD_CHANGED,
            fields=write.fields,
            comment=write.comment,
            rank=Rank.CREATE if kind is WriteKind.CREATE else Rank.NORMAL,
        )
        if kind is WriteKind.COMMENT:
            return replace(planned, item=(ItemKind.COMMENT, Side.ITSM, "c1"))
        if kind is WriteKind.UPDATE:
            return replace(planned, slots=dict(_moves(write.fields)))
        if kind is not WriteKind.ATTACHMENT:
            return planned
        file = AttachmentId("f1")
        self.world.desk.put_file(self._desk_id, file, "status.txt", HELLO)
        draft = AttachmentDraft(source_id=file, name="status.txt", content_type="text/plain")
        return replace(planned, attachment=draft, item=(ItemKind.ATTACHMENT, Side.ITSM, file))

    @property
    def _desk_id(self) -> str:
        return f"D{self._cells}"

    async def _link(self, kind: WriteKind) -> LinkRow:
        if kind is WriteKind.CREATE:
            return await self.world.opening(self._cells, kind=self.kit.fixture.kind)
        self.world.desk.put(self._desk_id, title="t")
        ref = TicketRef(kind=KIND, id=TicketId(self._desk_id))
        desk = await self.world.know(DESK, await self.world.desk.read(ref))
        vendor = await self.world.know(VENDOR, await self.kit.read(await self.kit.opened()))
        return await self.world.db.write(
            links.add_link,
            mapping=MAPPING,
            itsm_row=desk,
            vendor_row=vendor,
            by="test",
            now=self.world.clock.now(),
        )


def _moves(fields: object) -> Iterator[tuple[str, SlotMove]]:
    for name, value in dict(fields).items():  # type: ignore[call-overload]
        yield name, SlotMove(source=Side.ITSM, source_value=value, target_value=value)


@contextlib.asynccontextmanager
async def scene_of(fixture: Fixture, folder: Path, wrap: Wrap = as_it_is) -> AsyncIterator[Scene]:
    """Open a scene with a provider's sandbox and a fresh store."""
    ours = FakeClock(auto_advance=True)
    options = {**fixture.sandbox, "clock": VendorsTime(ours)}
    async with (
        ClientPool() as pool,
        SANDBOXES[fixture.provider](**options) as vendor,
        a_world(folder, ours) as world,
    ):
        world.log = silent()
        kit = Kit(fixture, vendor, pool, wrap, clock=ours)
        yield Scene(kit, world)
