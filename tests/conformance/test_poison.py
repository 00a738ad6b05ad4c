"""One item of a feed or list that cannot be read is told and stepped over; nothing else is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest

from syncd.ports.adapter import PollResult
from syncd.transport.request import Answer, Request
from tests.conformance.test_feed import Follower, following
from tests.conformance.world import World, needs_remote

POISONS: dict[str, object] = {"empty": {}, "number": 7, "null": None, "text": "odd", "list": [[]]}


@dataclass
class Poison:
    """Puts something odd in the place of one item of each list answered; remembers what it hid."""

    place: int
    value: object
    hidden: list[str] = field(default_factory=list)

    def __call__(self, _request: Request, answer: Answer) -> Answer:
        try:
            told = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return answer
        items = max(_lists(told), key=len, default=[])
        if len(items) < 2:
            return answer
        self.hidden.append(orjson.dumps(items[self.place]).decode())
        items[self.place] = self.value
        return replace(answer, body=orjson.dumps(told))

    def hides(self, world: World, ticket: str) -> bool:
        """Say whether a ticket was named by an item that was hidden."""
        names = {ticket, world.ref(ticket).number}
        return any(name in item for name in names for item in self.hidden)


def _lists(told: Any) -> Iterator[list[Any]]:
    if isinstance(told, list):
        yield told
    for each in told.values() if isinstance(told, dict) else ():
        if isinstance(each, list) and all(isinstance(one, dict) for one in each):
            yield each


class Noting(Follower):
    """A follower that keeps what was told for the operator."""

    notes: tuple[str, ...] = ()

    async def round(self) -> set[str]:
        adapter = self.adapter

        class Listening:
            async def poll(_self, kind: str, cursor: str | None) -> PollResult:  # noqa: N805
                result = await adapter.poll(kind, cursor)
                self.notes += result.notes
                return result

        self.adapter = Listening()  # type: ignore[assignment]
        try:
            return await super().round()
        finally:
            self.adapter = adapter


class TestPoison:
    """What cannot be read hides nothing beside it, and nothing behind it, and is told."""

    @pytest.mark.parametrize("value", POISONS.values(), ids=list(POISONS))
    @pytest.mark.parametrize("place", [0, 2, -1], ids=["first", "middle", "last"])
    async def test_an_item_that_cannot_be_read_is_told_and_loses_nothing(
        self, world: World, place: int, value: object
    ) -> None:
        needs_remote(world)
        plain = await following(world)
        follower = Noting(world)
        follower.cursor, follower.known = plain.cursor, plain.known
        opened = []
        for _ in range(5):
            world.advance(1)
            opened.append(str(world.person_opens().id))
        poison = Poison(place, value)
        world.wire.rewrite = poison
        seen = await follower.follow()
        assert poison.hidden, "nothing was poisoned"
        assert follower.notes, "nobody was told"
        assert {one for one in opened if not poison.hides(world, one)} <= seen

        world.wire.rewrite = None
        world.advance(1)
        later = str(world.person_opens().id)
        seen |= await follower.follow()
        assert {*opened, later} <= seen, "what was hidden is not looked at when it can be read"
