"""The small tables: who we are, connections, mappings, journal, inbox, credentials, leases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncd.core.state import Plan
from syncd.model.errors import BrokenInvariant, CommandRefused
from syncd.model.ids import ConnectionName, MappingName, Side
from syncd.model.outbox import OutcomeKind
from syncd.model.secret import Secret
from syncd.store import (
    connections,
    credentials,
    inbox,
    journal,
    leases,
    links,
    mappings,
    meta,
    tickets,
)
from syncd.store import tables as t
from syncd.store.database import Database, Tx
from syncd.store.records import ConnectionPin, JournalFilter, Line
from tests.store.scene import (
    CARRIER,
    DESK,
    MAPPING,
    NOW,
    Scene,
    applied,
    comment,
    create,
    later,
    outcome,
    receipt,
    ticket,
)

# --- who we are -----------------------------------------------------------------------------


async def test_prefix_and_environment_are_pinned_by_the_first_start(database: Database) -> None:
    assert not await database.read(meta.is_initialised)
    with pytest.raises(BrokenInvariant):
        await database.read(meta.instance)
    first = await database.write(meta.initialise, environment="prod", prefix="a1b2c3")
    assert await database.write(meta.initialise, environment="prod", prefix="ffffff") == first
    assert (first.prefix, first.epoch) == ("a1b2c3", 1)
    with pytest.raises(CommandRefused, match="'prod', the settings say 'test'"):
        await database.write(meta.initialise, environment="test", prefix="ffffff")


async def test_a_restored_store_probes_everything_before_it_sends(scene: Scene) -> None:
    never_sent = await scene.linked(comment("c1"), comment("c2"))
    sent = await scene.linked(comment("c1"), itsm="inc2", vendor="case2")
    ops = {op.link_id: op for op in await scene.claim()}
    instance = await scene.db.write(meta.begin_epoch, by="kari", now=later(5), prefix="ffffff")
    assert (instance.epoch, instance.prefix) == (2, "ffffff")
    assert await scene.states(never_sent) == ["comment unknown", "comment waiting"]
    assert await scene.states(sent) == ["comment unknown"]
    # Outcomes from before belong to another time line.
    assert not await scene.settle(ops[sent], outcome(OutcomeKind.LATER))
    probed = {op.link_id: op for op in await scene.claim(now=later(5))}
    await scene.settle(probed[never_sent], applied(receipt(comment_id="v1"), what="probe"))
    assert await scene.states(never_sent) == ["comment applied", "comment unknown"]


async def test_what_a_restored_store_plans_again_has_its_old_key_and_is_probed_first(
    scene: Scene,
) -> None:
    """As if the backup were from before the first planning: the plan is made twice."""
    link = await scene.opening(root="ab12cd")
    (lost,) = await scene.claim()
    forget = sa.delete(t.operation).where(t.operation.c.id == lost.id)
    await scene.db.write(lambda tx: tx.run(forget))
    await scene.db.write(meta.begin_epoch, by="kari", now=later(5), prefix="ffffff")
    context = scene.context(now=later(6), root="ab12cd")
    await scene.db.write(links.apply_plan, link, Plan(operations=(create(),)), context)
    assert await scene.states(link) == ["create unknown"]
    (again,) = await scene.claim(now=later(6))
    assert again.write.key == lost.write.key
    assert again.sends == 1


async def test_a_restored_store_decides_about_no_link_before_both_tickets_were_read_anew(
    scene: Scene,
) -> None:
    link = await scene.linked()
    await scene.db.write(meta.begin_epoch, by="kari", now=later(5))
    parts = await scene.db.read(links.load_link, link)
    assert parts.unread == set(Side)
    rows = parts.link.rows
    due = await scene.db.read(tickets.due_reads, DESK, now=later(6), limit=9)
    assert [each.row for each in due] == [rows[Side.ITSM]]
    await scene.read(ticket("inc1", title="Link down"), now=later(6))
    assert (await scene.db.read(links.load_link, link)).unread == {Side.VENDOR}


async def test_a_partner_found_after_a_restore_is_read_anew_before_its_link_is_decided_about(
    scene: Scene,
) -> None:
    """The backup knew the vendor's ticket, but not yet that a create of ours had made it."""
    await scene.read(ticket("case1", title="Link down"), CARRIER)
    link = await scene.opening()
    await scene.db.write(meta.begin_epoch, by="kari", now=later(5))
    await scene.read(ticket("inc1", title="Link down"), now=later(6))
    await scene.settle(
        await scene.claim_one(now=later(6)), applied(receipt("case1"), what="probe"), later(6)
    )
    assert (await scene.parts(link)).unread == {Side.VENDOR}
    await scene.read(ticket("case1", title="Link down"), CARRIER, now=later(7))
    assert not (await scene.parts(link)).unread


async def test_keys_are_derived_from_the_name_a_mapping_had_first(scene: Scene) -> None:
    for old, new in (("m", "m2"), ("m2", "m3")):
        await scene.db.write(meta.note_renamed, "mapping", old, new)
    asked = (("mapping", "m3"), ("mapping", "m"), ("connection", "m3"))
    assert await scene.db.read(meta.first_names, *asked) == ["m", "m", "m3"]


# --- connections ----------------------------------------------------------------------------


async def test_another_host_or_account_under_an_old_name_is_refused(scene: Scene) -> None:
    pinned = ConnectionPin(name=DESK, provider="smartops", base_host=f"{DESK}.example")
    await scene.db.write(connections.pin, pinned)
    moved = ConnectionPin(name=DESK, provider="smartops", base_host="elsewhere.example")
    with pytest.raises(CommandRefused, match=r"elsewhere\.example"):
        await scene.db.write(connections.pin, moved)


async def test_a_renamed_connection_keeps_its_tickets_and_operations(scene: Scene) -> None:
    await scene.linked(comment("c1"))
    new = ConnectionName("telenor-new")
    assert await scene.db.write(connections.rename, CARRIER, new)
    assert not await scene.db.write(connections.rename, CARRIER, new)
    (op,) = await scene.claim(free={new: 5})
    assert op.connection == new
    with pytest.raises(CommandRefused, match="has both"):
        await scene.db.write(connections.rename, DESK, new)


async def test_health_is_written_when_it_changes(scene: Scene) -> None:
    health = connections.set_health
    assert await scene.db.write(health, DESK, "unreachable since 12:00", now=NOW)
    assert not await scene.db.write(health, DESK, "unreachable since 12:00", now=later(5))
    await scene.db.write(connections.note_news, DESK, later(1))
    record = next(
        each for each in await scene.db.read(connections.overview) if each.pin.name == DESK
    )
    assert (record.health_at, record.last_news_at) == (NOW, later(1))
    assert (record.last_read_at, record.last_write_at) == (None, None)


async def test_a_pause_names_who_and_why(scene: Scene) -> None:
    await scene.db.write(connections.pause, DESK, "maintenance", by="kari", now=NOW)
    (pause,) = (await scene.db.read(connections.paused)).values()
    assert (pause.by, pause.reason, pause.at) == ("kari", "maintenance", NOW)
    await scene.db.write(connections.resume, DESK, by="kari", now=NOW)
    assert await scene.db.read(connections.paused) == {}
    with pytest.raises(CommandRefused, match="known: servicedesk, telenor-no"):
        await scene.db.write(connections.pause, "desk", "", by="kari", now=NOW)


# --- mappings -------------------------------------------------------------------------------


async def test_since_when_a_mapping_is_live_is_kept(scene: Scene) -> None:
    name = MappingName("m2")
    sync = mappings.sync
    record = await scene.db.write(sync, name, mode="dry_run", revision="a", now=NOW)
    assert record.first_live_at is None
    assert await scene.db.read(mappings.live_since, name) is None
    await scene.db.write(sync, name, mode="live", revision="b", now=later(5))
    await scene.db.write(sync, name, mode="paused", revision="b", now=later(6))
    record = await scene.db.write(sync, name, mode="live", revision="b", now=later(9))
    assert record.first_live_at == await scene.db.read(mappings.live_since, name) == later(5)


async def test_a_renamed_mapping_keeps_links_and_pause(scene: Scene) -> None:
    link = await scene.linked(comment("c1"))
    await scene.db.write(mappings.pause, MAPPING, "storm", by="kari", now=NOW)
    new = MappingName("new-name")
    record = await scene.db.write(
        mappings.sync, new, mode="live", revision="r2", now=later(5), was=MAPPING
    )
    assert record.first_live_at == NOW
    assert set(await scene.db.read(mappings.paused)) == {new}
    assert (await scene.db.read(links.get, link)).mapping == new
    assert len(await scene.claim(mappings_=frozenset({new}))) == 1
    await scene.db.write(mappings.resume, new, by="kari", now=NOW)
    assert await scene.db.read(mappings.paused) == {}
    await scene.db.write(mappings.sync, new, mode="live", revision="r2", now=NOW, was=MAPPING)
    with pytest.raises(CommandRefused, match="no mapping"):
        await scene.db.write(mappings.pause, MAPPING, "", by="kari", now=NOW)


async def test_a_configuration_that_orphans_links_is_named(scene: Scene) -> None:
    link = await scene.linked()
    assert await scene.db.read(mappings.orphans, [MAPPING], [DESK, CARRIER]) == []
    found = await scene.db.read(mappings.orphans, [], [DESK])
    assert [MAPPING in found[0], CARRIER in found[1], len(found)] == [True, True, 2]
    await scene.db.write(links.tombstone, link, by="kari", now=NOW)
    assert await scene.db.read(mappings.orphans, [], []) == []


# --- journal --------------------------------------------------------------------------------


async def test_the_journal_is_followed_and_filtered(database: Database) -> None:
    def write(tx: Tx) -> None:
        for n in range(5):
            name = DESK if n % 2 else CARRIER
            journal.append(tx, Line(at=later(n), event=f"e{n}", connection=name, detail="x" * 9999))

    await database.write(write)
    newest = await database.read(journal.tail, limit=2)
    assert [each.line.event for each in newest] == ["e3", "e4"]
    assert len(newest[0].line.detail) == journal.DETAIL_CHARS_MAX
    after = await database.read(journal.tail, after_id=newest[0].id)
    assert [each.line.event for each in after] == ["e4"]
    where = JournalFilter(connection=DESK, since=later(2))
    assert [each.line.event for each in await database.read(journal.tail, where=where)] == ["e3"]
    assert await database.read(journal.last_id) == newest[1].id


# --- inbox ----------------------------------------------------------------------------------


async def test_the_inbox_gives_each_item_until_it_is_done(database: Database) -> None:
    put = {"received_at": NOW, "received_from": "10.1.4.7"}
    first = await database.write(inbox.put, DESK, "notify", '{"numbers":["1"]}', **put)
    await database.write(inbox.put, CARRIER, "notify", "{}", **put)
    assert len(await database.read(inbox.take, limit=1)) == 1
    (item,) = await database.read(inbox.take, limit=9, connection=DESK)
    assert (item.id, item.body, item.received_from) == (first, '{"numbers":["1"]}', "10.1.4.7")
    await database.write(inbox.done, [first], now=later(1))
    assert [each.connection for each in await database.read(inbox.take, limit=9)] == [CARRIER]
    assert await database.write(inbox.forget_before, later(2), limit=9) == 1
    assert len(await database.read(inbox.take, limit=9)) == 1


# --- credentials ----------------------------------------------------------------------------


async def test_a_credential_comes_back_only_under_its_key(database: Database) -> None:
    key, other = Secret("the key"), Secret("another")
    await database.write(credentials.save, key, "token/desk", b"s3cret", now=NOW)
    await database.write(
        credentials.save, key, "token/desk", b"s3cret2", expires_at=later(60), now=NOW
    )
    found = await database.read(credentials.load, key, "token/desk")
    assert found is not None
    assert (found.secret, found.expires_at) == (b"s3cret2", later(60))
    assert "s3cret" not in repr(found)
    assert await database.read(credentials.load, key, "none") is None
    with pytest.raises(CommandRefused, match="another store"):
        await database.read(credentials.load, other, "token/desk")
    assert await database.read(credentials.names) == ["token/desk"]
    assert await database.write(credentials.forget, "token/desk")
    assert not await database.write(credentials.forget, "token/desk")


# --- leases ---------------------------------------------------------------------------------


async def test_a_lease_has_one_owner_until_it_expires(database: Database) -> None:
    async def take(owner: str, at: float, length: float = 60) -> bool:
        return await database.write(
            leases.take, "poll/desk", owner, now=later(at), until=later(at + length)
        )

    assert await take("a", 0)
    assert not await take("b", 59)
    assert await take("a", 30, 0)
    assert await take("b", 90)
    await database.write(leases.give_back, "poll/desk", "a")
    assert not await take("a", 91)
    await database.write(leases.give_back, "poll/desk", "b")
    assert await take("a", 92)


@pytest.mark.postgres
async def test_where_hosts_share_a_store_none_with_a_fast_clock_takes_a_lease_early(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url, upgrade=True) as db:

        async def take(owner: str, at: float, length: float) -> bool:
            given = {"now": later(at), "until": later(at + length)}
            return await db.write(leases.take, "poll/desk", owner, **given)

        assert await take("slow", -7_200, 60)
        assert not await take("fast", 7_200, 60)
        assert await take("slow", -7_190, 0)
        assert await take("fast", 7_210, 60)


@pytest.mark.postgres
async def test_a_lease_ends_with_the_process_that_holds_it_and_not_before(
    postgres_url: str,
) -> None:
    async with await Database.open(postgres_url, upgrade=True) as living:

        async def may(owner: str, db: Database, held_as: str) -> bool:
            given = {"now": NOW, "until": later(60)}
            return await db.write(leases.take, "poll/desk", owner, **given, held_as=held_as)

        async with await Database.open(postgres_url) as dying:
            await dying.hold_owner("daemon-1")
            assert dying.held_as == "daemon-1"
            assert await may("a", dying, dying.held_as)
            assert not await may("b", living, living.held_as)
        assert await may("b", living, living.held_as)
        assert not await may("c", living, living.held_as)


async def test_pieces_of_a_shared_time_follow_one_another_and_one_too_late_is_not_taken(
    database: Database,
) -> None:
    async def begins(within: float) -> float:
        found = await database.write(
            leases.reserve, "rate/desk",
            now=NOW, length=timedelta(hours=1), within=timedelta(seconds=within),
        )  # fmt: skip
        return found.total_seconds()

    # On a server its own clock counts, which goes on: whole hours apart is far enough.
    assert 0 <= await begins(0) < 60
    assert 3_500 < await begins(60) <= 3_600
    assert 3_500 < await begins(4_000) <= 3_600
    assert 7_100 < await begins(4_000) <= 7_200


async def test_a_shared_time_that_is_put_off_begins_no_earlier_and_never_comes_nearer(
    database: Database,
) -> None:
    async def off(hours: float) -> None:
        length = timedelta(hours=hours)
        await database.write(leases.postpone, "rate/desk", now=NOW, length=length)

    await off(1)
    await off(0.5)
    found = await database.write(
        leases.reserve, "rate/desk",
        now=NOW, length=timedelta(hours=1), within=timedelta(seconds=60),
    )  # fmt: skip
    assert 3_500 < found.total_seconds() <= 3_600
