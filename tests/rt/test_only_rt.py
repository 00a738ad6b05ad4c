"""What only RT does, played on RT itself: zones, lifecycles, merges, files it alters, and the rest.

All that its sandbox is asked in `tests/providers/rt` and that needs no other RT is asked here too.
"""

import inspect
from collections.abc import Iterator

import pytest

from syncd.model.operation import Finding, Receipt, WriteKind
from syncd.ports.adapter import Expectation
from syncd.ports.errors import OutcomeUnknown, Refused
from tests.conformance.test_feed import Follower
from tests.conformance.world import World, draft_of, error_of
from tests.providers.rt import test_against_sandbox as on_the_sandbox
from tests.rt.conftest import Desk
from tests.rt.server import Rt

globals().update(
    {
        name: one
        for name, one in vars(on_the_sandbox).items()
        if name.startswith("test_") and "world" in inspect.signature(one).parameters
    }
)


# --- time zones ----------------------------------------------------------------------------------


@pytest.fixture(params=["Pacific/Pago_Pago", "Asia/Kolkata", "Pacific/Kiritimati"])
def zone(rt: Rt, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the API user a time zone, as an administrator may have."""
    asked = rt.call("PUT", "/user/syncd", {"Timezone": request.param}, login="root")
    assert asked[0] == 200, asked
    yield request.param
    rt.call("PUT", "/user/syncd", {"Timezone": "UTC"}, login="root")


async def test_a_zone_that_is_not_utc_is_told_and_hides_no_change(world: World, zone: str) -> None:
    del zone
    world.person_opens()
    findings = await world.adapter.check(Expectation())
    (wrong,) = [one.what for one in findings if not one.ok]
    assert "the time zone of user syncd is not UTC" in wrong
    follower = Follower(world)
    await follower.follow()
    for _ in range(3):
        world.advance(7200)
        ref = world.person_opens()
        assert str(ref.id) in await follower.follow()


# --- lifecycles, queues, fields --------------------------------------------------------------


async def test_a_check_reads_lifecycles_zone_and_what_is_missing_from_the_server(
    desk: Desk,
) -> None:
    fields = {"nope": {"name": "Nope"}}
    async with desk(queues=["Support", "Orders", "Nowhere"], custom_fields=fields) as world:
        world.person_opens()
        wanted = Expectation(statuses=frozenset({"Placed", "stalled", "asked", "deleted"}))
        findings = await world.adapter.check(wanted)
    right = "\n".join(one.what for one in findings if one.ok)
    wrong = "\n".join(one.what for one in findings if not one.ok)
    assert "lifecycle 'default': new, open, stalled, resolved, rejected\n" in right
    assert "lifecycle 'orders': draft, placed, done\n" in right
    assert "from new to open, rejected, resolved" in right
    assert "zone is UTC" in right
    assert "queue 'Nowhere' is not there" in wrong
    assert "queue 'Support' has no custom field 'Nope'" in wrong
    assert "queue 'Orders' has no custom field 'Sync Origin' of transactions" in wrong
    assert "lacks done, draft, placed, which" in wrong
    assert "status 'asked' is not in the lifecycle" in wrong
    assert wrong.count("status '") == 1


async def test_a_queue_with_a_lifecycle_of_its_own_takes_its_statuses_alone(desk: Desk) -> None:
    statuses = ["draft", "placed", "done", "resolved"]
    async with desk(statuses=statuses, transaction_field="") as world:
        fields = {"title": "Two fibres", "queue": "Orders"}
        made = await world.send(world.write_of(WriteKind.CREATE, fields=fields))
        ref = world.ref(made.ticket_id)
        assert (await world.read(ref)).fields["status"] == "draft"
        for status, takes in (("placed", True), ("resolved", False), ("done", True)):
            told = await error_of(
                world.send(world.write_of(WriteKind.STATUS, ref, fields={"status": status}))
            )
            assert isinstance(told, Receipt if takes else Refused), told
        assert (await world.read(ref)).fields["status"] == "done"


async def test_the_key_of_a_create_in_a_custom_field_is_found_again(desk: Desk) -> None:
    async with desk(ticket_field="Vendor Ref") as world:
        write = world.write_of(WriteKind.CREATE, fields={"title": "Link down"})
        sent_at = await world.lost(write, "lost_answer")
        found = await world.adapter.probe(write, sent_at)
        assert found.receipt is not None
        assert (await world.read(world.ref(found.receipt.ticket_id))).keys == (write.key,)


# --- whose it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [WriteKind.COMMENT, WriteKind.ATTACHMENT])
async def test_without_a_field_for_keys_ours_is_known_by_creator_and_content(
    desk: Desk, kind: WriteKind
) -> None:
    async with desk(transaction_field="") as world:
        ref = await world.opened()
        world.person("comments", str(ref.id), "Any news? Æøå")
        world.person("attaches", str(ref.id), "status.txt", b"hello\x00\xff")
        write = world.write_of(kind, ref)
        sent_at = await world.lost(write, "error_before")
        assert (await world.adapter.probe(write, sent_at)).finding is Finding.ABSENT
        sent_at = await world.lost(write, "lost_answer")
        found = await world.adapter.probe(write, sent_at)
        assert (found.finding, found.others) == (Finding.FOUND, ())


async def test_mail_that_rt_shows_in_the_history_is_no_comment(rt: Rt, world: World) -> None:
    rt.lets("syncd", "ShowOutgoingEmail", "Support")
    ref = world.person_opens(Requestor="kari@acme.example")
    world.person("comments", str(ref.id), "We look")
    path = f"/ticket/{ref.id}/history?fields=Type&per_page=100"
    shown = [one["Type"] for one in rt.call("GET", path, login="syncd")[1]["items"]]
    assert "EmailRecord" in shown, "there is mail to be left out"
    assert [one.body for one in (await world.read(ref)).comments] == ["We look"]


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["Truncate", "Drop"])
async def test_a_file_that_rt_altered_is_in_doubt_and_says_so(rt: Rt, desk: Desk, way: str) -> None:
    with rt.configured(f"Set($MaxAttachmentSize, 1000); Set(${way}LongAttachments, 1);"):
        async with desk() as world:
            ref = await world.opened()
            content = bytes(5000)
            draft = draft_of("a.bin", content)
            write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft)
            sent_at = world.clock.now()
            told = await error_of(world.send(write, content))
            assert isinstance(told, OutcomeUnknown), told
            looked = await world.adapter.probe(write, sent_at)
            assert looked.finding is Finding.UNCLEAR
            # On this database a zero byte makes a file count for four thirds.
            for size, fits in ((700, True), (900, False)):
                draft = draft_of(f"{size}.bin", bytes(size))
                write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft)
                told = await error_of(world.send(write, bytes(size)))
                assert isinstance(told, Receipt if fits else OutcomeUnknown), told


async def test_files_of_private_comments_stay_unless_asked_for(desk: Desk) -> None:
    for private_files in (False, True):
        async with desk(private_files=private_files) as world:
            ref = world.person_opens()
            world.person("attaches", str(ref.id), "open.txt", b"1")
            world.person("attaches", str(ref.id), "secret.txt", b"2", internal=True)
            told = {one.name for one in (await world.read(ref)).attachments}
            assert told == {"open.txt"} | ({"secret.txt"} if private_files else set())
