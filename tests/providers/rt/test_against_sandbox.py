"""What only RT does: successes that are none, zones, merges, replies that open, files it alters."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from syncd.model.operation import Finding, Receipt, WriteKind
from syncd.model.ticket import CommentKind, Visibility
from syncd.ports.adapter import Expectation
from syncd.ports.errors import NotFound, OutcomeUnknown, Refused, StaleVersion
from syncd.sandbox.rt import CustomField, RtSandboxSettings
from syncd.transport.request import Answer, Request
from tests.conformance.test_feed import Follower
from tests.conformance.world import World, draft_of, error_of
from tests.providers.rt.desk import desk, rt_of, says


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with desk() as one:
        yield one


# --- updates -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"owner": "nobody-here"}, "That user does not exist"),
        ({"queue": "Nowhere"}, "Queue Nowhere does not exist"),
    ],
)
async def test_an_update_answered_200_and_not_done_is_refused_with_rts_words(
    world: World, fields: dict[str, str], why: str
) -> None:
    ref = await world.opened()
    told = await error_of(world.send(world.write_of(WriteKind.UPDATE, ref, fields=fields)))
    assert isinstance(told, Refused)
    assert why in str(told)


async def test_words_beside_a_success_that_quote_our_token_are_told_without_it(
    world: World,
) -> None:
    ref = await world.opened()
    token = min(world.secrets, key=len)

    def quote(request: Request, answer: Answer) -> Answer:
        if request.operation != "update_ticket":
            return answer
        return replace(answer, body=orjson.dumps([f"Ticket 1: no such user (you are {token})"]))

    world.wire.rewrite = quote
    told = await error_of(
        world.send(world.write_of(WriteKind.UPDATE, ref, fields={"owner": "nobody-here"}))
    )
    assert isinstance(told, Refused)
    assert "no such user (you are ***)" in str(told)
    assert token not in str(told)


async def test_a_status_the_lifecycle_does_not_have_is_refused(world: World) -> None:
    async with desk(statuses=["new", "open", "resolved", "waiting"]) as one:
        ref = await one.opened()
        write = one.write_of(WriteKind.STATUS, ref, fields={"status": "waiting"})
        told = await error_of(one.send(write))
        assert isinstance(told, Refused)
        assert "isn't a valid status" in str(told)


async def test_what_was_done_beside_a_refused_part_is_applied_and_told(world: World) -> None:
    ref = await world.opened()
    fields = {"title": "Link up", "owner": "nobody-here"}
    told = await world.send(world.write_of(WriteKind.UPDATE, ref, fields=fields))
    assert told.fields == {"title": "Link up", "owner": "agent"}


async def test_what_somebody_changed_back_at_once_is_applied(world: World) -> None:
    ref = await world.opened()
    rt = rt_of(world)

    def meanwhile(request: Request, answer: Answer) -> Answer:
        if request.method == "PUT":
            rt.person_updates(str(ref.id), {"Subject": "No, this"})
        return answer

    world.wire.rewrite = meanwhile
    told = await world.send(world.write_of(WriteKind.UPDATE, ref, fields={"title": "Link up"}))
    assert told.fields == {"title": "No, this"}


async def test_a_ticket_changed_between_read_and_update_is_stale_and_not_overwritten(
    world: World,
) -> None:
    ref = await world.opened()
    rt = rt_of(world)

    def meanwhile(request: Request, answer: Answer) -> Answer:
        if request.operation == "get_ticket":
            rt.person_updates(str(ref.id), {"Subject": "Theirs"})
        return answer

    world.wire.rewrite = meanwhile
    write = world.write_of(WriteKind.UPDATE, ref, fields={"title": "Ours"})
    assert isinstance(await error_of(world.send(write)), StaleVersion)
    world.wire.rewrite = None
    assert (await world.read(ref)).fields["title"] == "Theirs"
    assert isinstance(await error_of(world.send(write)), Receipt)


async def test_an_update_that_cannot_be_read_back_is_unknown_and_then_found(world: World) -> None:
    ref = await world.opened()
    write = world.write_of(WriteKind.UPDATE, ref, fields={"title": "Ours"})
    world.sandbox.faults.next("error_before", operation="get_ticket", status=503, skip=1, count=9)
    told = await error_of(world.send(write))
    assert isinstance(told, OutcomeUnknown)
    assert told.closed_at is not None
    world.sandbox.faults.clear()
    assert (await world.adapter.probe(write, world.clock.now())).finding is Finding.FOUND


# --- messages ------------------------------------------------------------------------------------


async def test_replies_are_public_comments_private_and_mail_is_noise(world: World) -> None:
    ref = world.person_opens(Content="Dark since noon")
    world.person("comments", str(ref.id), "We look", internal=False)
    world.person("comments", str(ref.id), "They broke it", internal=True)
    ticket = await world.read(ref)
    seen = [(one.body, one.kind, one.visibility) for one in ticket.comments]
    assert seen == [
        ("We look", CommentKind.COMMENT, Visibility.PUBLIC),
        ("They broke it", CommentKind.WORK_NOTE, Visibility.PRIVATE),
    ]
    assert ticket.fields["description"] == "Dark since noon"


async def test_a_reply_opens_a_resolved_ticket_and_a_comment_does_not(world: World) -> None:
    ref = world.person_opens()
    world.person("sets_status", str(ref.id), "resolved")
    await world.send(says(world, ref, "noted", CommentKind.WORK_NOTE))
    assert (await world.read(ref)).fields["status"] == "resolved"
    await world.send(says(world, ref, "again"))
    assert (await world.read(ref)).fields["status"] == "open"


async def test_what_the_editor_writes_is_read_as_text(world: World) -> None:
    ref = world.person_opens()
    source = '<p>Hi <b>there</b>,<br>see <a href="http://x/y">this</a></p><ul><li>one</li></ul>'
    world.person("comments", str(ref.id), source, html=True)
    (comment,) = (await world.read(ref)).comments
    assert comment.body == "Hi there,\nsee this <http://x/y>\n\n- one"


async def test_the_text_zero_is_not_stored_empty(world: World) -> None:
    ref = await world.opened()
    await world.send(says(world, ref, "0"))
    assert [one.body.strip() for one in (await world.read(ref)).comments] == ["0"]
    assert world.sandbox.violations == []


@pytest.mark.parametrize("kind", [WriteKind.COMMENT, WriteKind.ATTACHMENT])
async def test_without_a_field_for_keys_ours_is_known_by_creator_and_content(
    kind: WriteKind,
) -> None:
    async with desk({"transaction_field": ""}, transaction_field="") as world:
        assert not world.features.writes[kind].marker
        ref = await world.opened()
        # Somebody else's of the same words and name is not ours.
        world.person("comments", str(ref.id), "Any news? Æøå")
        world.person("attaches", str(ref.id), "status.txt", b"hello\x00\xff")
        write = world.write_of(kind, ref)
        sent_at = await world.lost(write, "error_before")
        assert (await world.adapter.probe(write, sent_at)).finding is Finding.ABSENT
        sent_at = await world.lost(write, "lost_answer")
        found = await world.adapter.probe(write, sent_at)
        assert (found.finding, found.others) == (Finding.FOUND, ())


async def test_the_key_of_a_create_may_stand_in_a_custom_field() -> None:
    fields_there = (*RtSandboxSettings().custom_fields, CustomField(id=5, name="Sync Key"))
    async with desk({"custom_fields": fields_there}, ticket_field="Sync Key") as world:
        fields = {"title": "Link down", "description": "Dark"}
        write = world.write_of(WriteKind.CREATE, fields=fields)
        sent_at = await world.lost(write, "lost_answer")
        found = await world.adapter.probe(write, sent_at)
        assert found.receipt is not None
        ticket = await world.read(world.ref(found.receipt.ticket_id))
        assert ticket.keys == (write.key,)
        assert rt_of(world).tickets()[0]["fields"]["Content"] == "Dark"


# --- merged tickets ------------------------------------------------------------------------------


async def test_a_merged_ticket_is_not_there_and_nothing_is_written_to_the_other(
    world: World,
) -> None:
    ref, other = world.person_opens(), world.person_opens()
    rt_of(world).person_merges(str(ref.id), str(other.id))
    told = await error_of(world.read(ref))
    assert isinstance(told, NotFound)
    assert f"merged into {other.id}" in str(told)
    since = world.mark
    for kind in (WriteKind.UPDATE, WriteKind.STATUS, WriteKind.COMMENT, WriteKind.ATTACHMENT):
        assert isinstance(await error_of(world.send(world.write_of(kind, ref))), NotFound)
    assert not world.sends(since)
    assert (await world.read(other)).id == other.id


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["truncate", "drop"])
async def test_a_file_that_rt_altered_is_in_doubt_and_says_so(way: str) -> None:
    sandbox = {"attachment_max_bytes": 1000, "long_attachments": way}
    async with desk(sandbox) as world:
        ref = await world.opened()
        content = bytes(5000)
        write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft_of("a.bin", content))
        sent_at = world.clock.now()
        told = await error_of(world.send(write, content))
        assert isinstance(told, OutcomeUnknown)
        assert "altered" in str(told)
        looked = await world.adapter.probe(write, sent_at)
        assert looked.finding is Finding.UNCLEAR
        assert "altered" in looked.looked_at


async def test_a_text_that_is_not_utf_8_keeps_its_bytes(world: World) -> None:
    ref = await world.opened()
    content = "blåbær".encode("latin-1")
    draft = draft_of("a.txt", content, "text/plain")
    write = world.write_of(WriteKind.ATTACHMENT, ref, attachment=draft)
    assert isinstance(await error_of(world.send(write, content)), Receipt)
    assert world.sandbox.violations == []


async def test_a_page_to_log_in_is_not_taken_for_a_file(world: World) -> None:
    ref = world.person_opens()
    world.person("attaches", str(ref.id), "a.bin", bytes(10))
    (file,) = (await world.read(ref)).attachments
    world.person("locks_login")
    with pytest.raises(Exception, match="token"):
        async with world.adapter.download(ref, file.id):
            raise AssertionError("a page came")


async def test_files_of_private_comments_stay_unless_asked_for() -> None:
    for private_files in (False, True):
        async with desk(private_files=private_files) as world:
            ref = world.person_opens()
            world.person("attaches", str(ref.id), "open.txt", b"1")
            world.person("attaches", str(ref.id), "secret.txt", b"2", internal=True)
            ours = await world.send(world.write_of(WriteKind.ATTACHMENT, ref))
            told = {one.name: one.id for one in (await world.read(ref)).attachments}
            assert ("secret.txt" in told) is private_files
            assert told["status.txt"] == ours.attachment_id
            assert "open.txt" in told


# --- time zones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zone_h", [-11.0, 0.0, 5.5, 14.0])
async def test_whatever_zone_the_user_has_no_change_is_missed(zone_h: float) -> None:
    async with desk({"client_zone_h": zone_h}) as world:
        world.person_opens()
        follower = Follower(world)
        await follower.follow()
        for _ in range(3):
            world.advance(7200)
            ref = world.person_opens()
            assert str(ref.id) in await follower.follow()


@pytest.mark.parametrize(("zone_h", "is_utc"), [(0.0, True), (1.0, False), (-5.0, False)])
async def test_a_check_tells_a_zone_that_is_not_utc(zone_h: float, is_utc: bool) -> None:
    async with desk({"client_zone_h": zone_h}) as world:
        world.person_opens()
        findings = await world.adapter.check(Expectation())
        (zone,) = [one for one in findings if "time zone" in one.what]
        assert zone.ok is is_utc


# --- the feed ------------------------------------------------------------------------------------


async def test_a_second_change_within_the_second_is_seen(world: World) -> None:
    ref = world.person_opens()
    follower = Follower(world)
    assert str(ref.id) in await follower.follow()
    world.person("comments", str(ref.id), "in the same second")
    world.advance(30)
    assert str(ref.id) in await follower.follow()
    world.advance(30)
    assert await follower.follow() == set(), "told once more, not for ever"


async def test_a_thousand_tickets_of_one_second_are_read_once() -> None:
    async with desk(feed={"page_size": 100, "pages_max": 20}) as world:
        follower = Follower(world)
        await follower.follow()
        world.advance(300)
        for _ in range(250):
            world.person_opens()
        world.advance(300)
        assert len(await follower.follow()) == 250
        since = world.mark
        assert await follower.follow() == set()
        assert len(world.requests(since)) == 1


async def test_totals_that_are_not_told_end_nothing_early(world: World) -> None:
    ref = world.person_opens()
    for number in range(120):
        world.person("comments", str(ref.id), f"line {number}", internal=True)
    assert len((await world.read(ref)).comments) == 120


async def test_only_what_is_new_is_asked_for_again(world: World) -> None:
    ref = world.person_opens(Content="Dark")
    world.person("comments", str(ref.id), "one")
    await world.read(ref)
    since = world.mark
    await world.read(ref)
    asked = [one["operation"] for one in world.requests(since)]
    assert asked == ["get_ticket", "history"]


async def test_tickets_of_other_queues_are_left_alone() -> None:
    async with desk(queues=["Support"]) as world:
        follower = Follower(world)
        await follower.follow()
        world.advance(60)
        ours, theirs = world.person_opens(), world.person_opens(Queue="Network")
        seen = await follower.follow()
        assert str(ours.id) in seen
        assert str(theirs.id) not in seen


# --- checks --------------------------------------------------------------------------------------


async def test_a_check_reads_lifecycles_and_names_what_is_missing() -> None:
    async with desk({"transaction_field": ""}, queues=["Support", "Nowhere"]) as world:
        world.person_opens()
        findings = await world.adapter.check(Expectation(statuses=frozenset({"open", "waiting"})))
    wrong = " ".join(one.what for one in findings if not one.ok)
    assert "'Nowhere' is not there" in wrong
    assert "no custom field 'Sync Origin' of transactions" in wrong
    assert "status 'waiting' is not in the lifecycle" in wrong
    right = " ".join(one.what for one in findings if one.ok)
    assert "from new to open" in right
    assert "lifecycle 'default': new, open, stalled, resolved, rejected" in right


async def test_a_check_tells_a_lifecycle_from_another_and_statuses_the_settings_lack() -> None:
    more = {"approvals": ("new", "asked")}
    lifecycle = {"new": ("at work",), "at work": ("new",)}
    async with desk({"other_lifecycles": more, "lifecycle": lifecycle}, queue="Support") as world:
        wanted = Expectation(statuses=frozenset({"At work", "asked", "resolved", "deleted"}))
        findings = await world.adapter.check(wanted)
    wrong = " ".join(one.what for one in findings if not one.ok)
    assert "lacks at work, which" in wrong
    assert "status 'asked' is not in the lifecycle: at work, new" in wrong
    assert "status 'resolved' is not in the lifecycle" in wrong
    assert "status 'deleted'" not in wrong


@pytest.mark.parametrize("fault", [{"kind": "garbage"}, {"kind": "error_before", "status": 403}])
async def test_a_search_form_that_cannot_be_read_leaves_what_tickets_show(
    fault: dict[str, Any],
) -> None:
    async with desk() as world:
        world.person_opens()
        world.sandbox.faults.next(**fault, operation="lifecycles", count=9)
        findings = await world.adapter.check(
            Expectation(statuses=frozenset({"open", "stalled", "waiting"}))
        )
    told = " ".join(one.what for one in findings if one.ok)
    assert "search form could not be read" in told
    assert "status 'open' is in the lifecycle" in told
    assert "status 'stalled': no ticket of ours shows it" in told
    (wrong,) = [one.what for one in findings if not one.ok]
    assert "status 'waiting' is not in the lifecycle" in wrong


async def test_a_reply_in_a_foreign_transaction_is_never_taken_for_ours(world: World) -> None:
    ref = await world.opened()
    world.person("comments", str(ref.id), "Any news? Æøå")
    write = world.write_of(WriteKind.COMMENT, ref)
    looked = await world.adapter.probe(write, world.clock.now())
    assert looked.finding is Finding.ABSENT
