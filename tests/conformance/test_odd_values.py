"""Whatever stands where in an answer: a ticket the store can keep comes of it, or a RemoteError."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from syncd.model.ids import ConnectionName
from syncd.model.operation import WriteKind
from syncd.model.ticket import Ticket
from syncd.ports.adapter import Adapter, PollResult, TicketRef
from syncd.ports.errors import NotFound, RemoteContext, Unsupported
from syncd.transport.request import Answer, Request
from tests.conformance.world import World, error_of, needs_remote

Place = tuple[str | int, ...]

ODD: tuple[object, ...] = (
    None,
    True,
    -1.5,
    2**63,
    1e300,
    "",
    "\x00\u2028\ufffd",
    "9" * 5000,
    "٣",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999999-12:00",
    "2026-02-30T25:61:61Z",
    [None, 7, "x", {}, []],
    {},
    {"id": None, "value": [{}]},
)
PLACES_MAX = 200
"""Places of one answer that are tried."""


def places(node: Any, at: Place = ()) -> Iterator[Place]:
    """Walk every place in JSON, the top included; of a list its first item."""
    yield at
    if isinstance(node, dict):
        for name, below in node.items():
            yield from places(below, (*at, name))
    elif isinstance(node, list):
        for index, below in enumerate(node[:1]):
            yield from places(below, (*at, index))


def changed(node: Any, at: Place, value: object) -> Any:
    """Copy JSON with another value in one place."""
    if not at:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[at[0]] = changed(node[at[0]], at[1:], value)
    return copy


def assert_storable(ticket: Ticket, adapter: Adapter) -> None:
    """Assert that every part of a ticket is of the kind it is declared, and can be kept."""
    for name, value in ticket.fields.items():
        assert value is None or isinstance(value, str | int | bool | Mapping), (name, value)
        orjson.dumps([value, adapter.normalise(name, value)])
    files = [(one.id, one.name, one.size_bytes, one.content_type) for one in ticket.attachments]
    said = [(one.id, one.body, one.author) for one in ticket.comments]
    orjson.dumps([ticket.id, ticket.number, files, said])
    times = [one.created_at for one in (*ticket.comments, *ticket.attachments)]
    for at in (ticket.created_at, ticket.updated_at, *times):
        assert at is None or at.tzinfo is not None


class Replay:
    """A transport that gives recorded answers, one of them with an odd value in one place."""

    def __init__(self, recorded: Mapping[str, list[tuple[str, Answer]]]) -> None:
        self._recorded = recorded
        self.odd: tuple[str, Place, object] | None = None

    async def read(self, request: Request) -> Answer:
        answers = self._recorded.get(request.operation, [])
        given = [one for named, one in answers if named == _named(request)] or [
            one for _, one in answers
        ]
        if not given:
            raise NotFound("nothing was recorded", RemoteContext())
        if self.odd is None or self.odd[0] != request.operation:
            return given[0]
        try:
            body = orjson.dumps(changed(orjson.loads(given[0].body), self.odd[1], self.odd[2]))
        except (KeyError, IndexError, TypeError):
            return given[0]  # this one has no such place
        return replace(given[0], body=body)

    write = read


def _named(request: Request) -> str:
    return f"{request.path}?{request.query!r}"


async def recorded(world: World) -> tuple[TicketRef, dict[str, list[tuple[str, Answer]]]]:
    """Read and poll a ticket on which everything happened; give it and every answer."""
    ref = await world.opened()
    for act, arguments in {
        "updates": (world.fixture.person_change,),
        "comments": ("Looking at it",),
        "attaches": ("log.txt", b"x", "text/plain"),
    }.items():
        if hasattr(world.sandbox, f"person_{act}"):
            world.person(act, str(ref.id), *arguments)
    if world.can(WriteKind.COMMENT):
        await world.send(world.write_of(WriteKind.COMMENT, ref))
    kept: dict[str, list[tuple[str, Answer]]] = {}

    def keep(request: Request, answer: Answer) -> Answer:
        kept.setdefault(request.operation, []).append((_named(request), answer))
        return answer

    world.wire.rewrite = keep
    await world.read(ref)
    await error_of(world.adapter.poll(world.fixture.kind, None))
    return ref, kept


async def problem(world: World, ref: TicketRef, replay: Replay) -> str:
    """Read and poll with the odd value in its place; say what went wrong, empty for nothing."""
    built = world.provider.build(world.own, ConnectionName("odd"), replay, world.clock)
    adapter = world.wrap(built)
    try:
        told = await error_of(adapter.read(ref))
        if isinstance(told, Ticket):
            assert told.id == ref.id, f"another ticket's answer was taken: {told.id!r:.40}"
            assert_storable(told, adapter)
        polled = await error_of(adapter.poll(world.fixture.kind, None))
        if isinstance(polled, PollResult):
            orjson.dumps([[one.ref.id, one.ref.number] for one in polled.sightings])
            await error_of(adapter.poll(world.fixture.kind, polled.cursor))
    except Exception as err:  # noqa: BLE001 - whatever it is, it is what this looks for
        return f"{err!r:.200}"
    return ""


class TestOddValues:
    """No value in any place of an answer is a bug here, or hides the ticket from the store."""

    async def test_any_value_in_any_place_ends_well(self, world: World) -> None:
        needs_remote(world)
        ref, answers = await recorded(world)
        replay = Replay(answers)
        found: list[str] = []
        tried = 0
        for operation, given in answers.items():
            for place in list(places(orjson.loads(given[0][1].body)))[:PLACES_MAX]:
                for odd in ODD:
                    replay.odd = (operation, place, odd)
                    tried += 1
                    if wrong := await problem(world, ref, replay):
                        found.append(f"{operation} {place}: {odd!r:.40}: {wrong}")
        assert tried > 5 * len(ODD)
        assert not found, "\n".join(found[:20])

    async def test_half_a_letter_hides_neither_the_ticket_nor_the_rest_of_its_text(
        self, world: World
    ) -> None:
        needs_remote(world)
        ref = world.person_opens()
        words = max((one for one in world.fixture.person.values() if isinstance(one, str)), key=len)

        def halve(_request: Request, answer: Answer) -> Answer:
            assert b"\\ud800" not in answer.body
            halved = b"\\ud800" + words.encode()
            return replace(
                answer, body=b"\xef\xbb\xbf" + answer.body.replace(words.encode(), halved)
            )

        world.wire.rewrite = halve
        told = await world.read(ref)
        assert told.id == ref.id
        assert_storable(told, world.adapter)
        texts = [one for one in told.fields.values() if isinstance(one, str)]
        assert any(one.endswith(words) and one != words for one in texts), texts
        polled = await error_of(world.adapter.poll(world.fixture.kind, None))
        if isinstance(polled, PollResult):
            assert ref.id in {one.ref.id for one in polled.sightings}
        else:
            assert isinstance(polled, Unsupported)
