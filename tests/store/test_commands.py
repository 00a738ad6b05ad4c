"""Operators' commands take and give JSON, name who gave them, and refuse what cannot be."""

from collections.abc import Mapping

import orjson
import pytest

from syncd.core.state import FoundConflict
from syncd.model.errors import CommandRefused
from syncd.model.ids import Side
from syncd.model.operation import ParkReason
from syncd.model.secret import Secret
from syncd.store import connections, credentials, feeds, links, mappings, tickets
from syncd.store.commands import COMMANDS
from tests.store.scene import (
    CARRIER,
    DESK,
    KIND,
    MAPPING,
    NOW,
    Scene,
    comment,
    later,
    parked,
    ticket,
    update,
)


async def give(scene: Scene, command: str, /, **arguments: object) -> Mapping[str, object]:
    sent = orjson.loads(orjson.dumps(arguments))
    answer = await scene.db.write(COMMANDS[command], sent, "kari", later(10))
    result: Mapping[str, object] = orjson.loads(orjson.dumps(answer))
    return result


async def refuse(scene: Scene, said: str, command: str, /, **arguments: object) -> None:
    with pytest.raises(CommandRefused, match=said):
        await give(scene, command, **arguments)


async def test_parked_operations_have_their_commands(scene: Scene) -> None:
    await scene.linked(update("a"), comment("c1"), comment("c2"))
    numbers = []
    for _ in range(3):
        op = await scene.send()
        await scene.settle(op, parked(ParkReason.REFUSED))
        numbers.append(op.id)
    first, second, third = numbers
    assert (await give(scene, "ops.discard", id=first))["state"] == "discarded"
    assert (await give(scene, "ops.adopt", id=second, external_id="v1"))["state"] == "applied"
    assert (await give(scene, "ops.retry", id=third))["state"] == "ready"
    await refuse(scene, "id is a whole number", "ops.retry", id="x")
    await refuse(scene, "i_know is true or false", "ops.retry", id=third, i_know="yes")


async def test_conflicts_have_their_command(scene: Scene) -> None:
    link = await scene.linked()
    found = FoundConflict(slot="both.priority", itsm_value="1", vendor_value="Low")
    await scene.plan(link, conflicts=(found,))
    await refuse(scene, "keep is itsm or vendor", "conflicts.resolve", id=1, keep="ours")
    answer = await give(scene, "conflicts.resolve", id=1, keep="vendor")
    assert answer == {"id": 1, "slot": "both.priority", "kept": "vendor"}


async def test_links_are_added_by_number_and_removed(scene: Scene) -> None:
    known = await scene.read(ticket("case1"), CARRIER)
    pair = {
        "mapping": MAPPING,
        "itsm_connection": DESK,
        "itsm_kind": KIND,
        "itsm_ticket": "INC77",
        "itsm_watched": True,
        "vendor_connection": CARRIER,
        "vendor_kind": KIND,
        "vendor_ticket": "CASE1",
    }
    answer = await give(scene, "link.add", **pair)
    (overview,) = await scene.db.read(links.overview)
    assert answer == {"link": overview.link.id}
    assert overview.link.rows[Side.VENDOR] == known
    assert (await scene.stored(overview.link.rows[Side.ITSM])).watched
    await refuse(scene, "link remove", "link.add", **pair)
    await give(scene, "link.remove", id=overview.link.id)
    assert await scene.db.read(links.overview) == []
    await refuse(scene, "mapping is missing", "link.add", **(pair | {"mapping": ""}))


async def test_connections_mappings_and_tickets_are_paused_by_name(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    assert await give(scene, "pause", name=DESK, reason="x") == {"paused": "connection"}
    assert await give(scene, "pause", name=MAPPING, reason="x") == {"paused": "mapping"}
    assert await give(scene, "pause", name="INC1", reason="x") == {
        "paused": "ticket",
        "links": [link],
    }
    assert set(await scene.db.read(connections.paused)) == {DESK}
    assert set(await scene.db.read(mappings.paused)) == {MAPPING}
    assert (await scene.db.read(links.get, link)).pause is not None
    for name in (DESK, MAPPING, "INC1"):
        await give(scene, "resume", name=name)
    assert await scene.db.read(connections.paused) == {}
    assert await scene.db.read(mappings.paused) == {}
    assert (await scene.db.read(links.get, link)).pause is None
    await refuse(scene, "no connection, mapping or ticket none", "pause", name="none")
    await scene.read(ticket("inc5"))
    await refuse(scene, "INC5 has no link", "pause", name="INC5")
    await scene.db.write(mappings.sync, DESK, mode="live", revision="", now=NOW)
    await refuse(scene, "a connection and a mapping", "pause", name=DESK)
    assert await give(scene, "pause", name=DESK, kind="mapping") == {"paused": "mapping"}


async def test_a_ticket_is_watched_by_number(scene: Scene) -> None:
    answer = await give(scene, "watch", connection=DESK, kind=KIND, number="INC8")
    (due,) = await scene.db.read(tickets.due_reads, DESK, now=later(10), limit=9)
    assert (due.row, due.watched, due.cause) == (answer["ticket"], True, "watched")
    await give(scene, "watch", connection=DESK, kind=KIND, number="INC8", stop=True)
    assert not (await scene.stored(due.row)).watched
    await refuse(scene, "not known", "watch", connection=DESK, kind=KIND, number="INC9", stop=True)


async def test_resync_reads_and_decides_again(scene: Scene) -> None:
    await scene.linked()
    await scene.read(ticket("case5"), CARRIER)
    await scene.db.write(feeds.rewind, CARRIER, KIND, "c9")
    assert (await give(scene, "resync", name=MAPPING))["tickets"] == 2
    assert (await give(scene, "resync", name="INC1"))["tickets"] == 1
    assert (await give(scene, "resync", name=CARRIER, limit=1))["tickets"] == 1
    assert await scene.db.read(feeds.load_cursor, CARRIER, KIND) is None
    after = {"since": later(0).isoformat()}
    assert (await give(scene, "resync", name=CARRIER, **after))["tickets"] == 0
    before = {"since": later(-61).isoformat()}
    assert (await give(scene, "resync", name=CARRIER, **before))["tickets"] == 2
    await refuse(scene, "a time like", "resync", name=CARRIER, since="yesterday")
    await refuse(scene, "needs a zone", "resync", name=CARRIER, since="2026-03-01T00:00:00")


async def test_the_store_has_its_own_commands(scene: Scene) -> None:
    await scene.db.write(credentials.save, Secret("k"), "token/desk", b"x", now=NOW)
    await refuse(scene, "stored: token/desk", "credential.forget", name="other")
    assert await give(scene, "credential.forget", name="token/desk") == {"forgotten": "token/desk"}
    assert (await give(scene, "db.restored", prefix="fedcba"))["epoch"] == 2
