"""`status` on one screen: who is needed, what is late, how every part is."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from syncd.cli.facts import status as facts
from syncd.cli.show import status as show
from syncd.model.ids import AttachmentId, ConnectionName, MappingName
from syncd.model.operation import ParkReason
from syncd.model.ticket import Attachment
from syncd.ports.adapter import PollResult
from syncd.providers.sipsynergy.cursor import Cursor
from syncd.providers.sipsynergy.report import Known
from syncd.store import connections, feeds, mappings, tickets, watching
from syncd.store import tables as t
from syncd.store.database import Database
from syncd.store.tx import Tx
from tests.cli.office import DESK, TELENOR, Office, incident, ticket
from tests.cli.outcomes import applied, later, parked

SIP = """
  sip:
    provider: sipsynergy
    base_url: https://sip.example
    user_human_id: USR-1
    auth: {kind: client_credentials, token_url: "https://sip.example/token", client_id: a,
      client_secret: {env: S}}
    statuses: [New, Closed]
    phases: {open: [New], closed: [Closed]}
"""  # fmt: skip


def running(office: Office, **changes: object) -> dict[str, Any]:
    """What a daemon that runs for two hours says of itself."""
    return {
        "pid": 4711,
        "version": "0.1.0",
        "started_at": (office.now - timedelta(hours=2)).isoformat(),
        "revision": office.settings().revision,
        "ready": True,
        "reasons": [],
        "sending": 0,
        "safe_to_restart": True,
    } | changes


def standing(office: Office, info: Mapping[str, Any] | None) -> facts.Standing:
    async def look(db: Database) -> facts.Standing:
        return await db.read(facts.gather, office.settings(), info, office.now)

    return office.does(look)


def shown(office: Office, info: Mapping[str, Any] | None) -> str:
    return "\n".join(line.plain for line in show.lines(standing(office, info)))


def polled(office: Office, news_at: datetime | None = None) -> None:
    """Telenor's feed was read to the end now, and both connections are up."""
    result = PollResult(sightings=(), cursor="{}")
    office.writes(feeds.save_poll, TELENOR, "incident", result, now=office.now)
    for name in (DESK, TELENOR):
        office.writes(connections.set_health, name, "up", now=office.now)
    office.writes(connections.note_news, DESK, news_at or office.now)


def in_step(office: Office) -> None:
    """One pair, in step."""
    office.read(DESK, ticket())
    office.delivers(lambda operation: applied(office.now, operation))
    office.read(TELENOR, incident())
    office.delivers(lambda operation: applied(office.now, operation))


def test_when_all_is_well_it_says_so_and_that_a_restart_is_safe(office: Office) -> None:
    in_step(office)
    polled(office)
    office.later(12)
    assert shown(office, running(office)) == textwrap.dedent(
        """\
        test  syncd 0.1.0 running for 2h

        nothing needs a person
        nothing is late

        CONNECTION   STATE  READ     WRITTEN  TICKETS  BUDGET
        servicedesk  up     12s ago  12s ago  1        5 requests/s
        telenor-no   up     12s ago  12s ago  1        2 requests/s

        MAPPING            MODE  LINKS OPEN/ALL  WAITING  OLDEST  PARKED
        telenor-incidents  live  1/1             0        -       0

        from seen to delivered: half within 0.0s, 99% within 0.0s
        restart: safe now"""
    )


def test_a_connection_read_ticket_by_ticket_shows_reads_without_news_too(office: Office) -> None:
    in_step(office)
    polled(office)
    office.later(3600)
    quiet = {DESK: (office.now - timedelta(seconds=5)).isoformat()}
    rows = shown(office, running(office, read_at=quiet)).splitlines()
    desk = next(each for each in rows if each.startswith("servicedesk"))
    assert re.match(r"servicedesk +up +5s ago +60m ago ", desk)


def test_what_needs_a_person_comes_first_with_its_command(office: Office) -> None:
    office.configure(changes={"conflict: itsm": "conflict: park"})
    in_step(office)
    office.later(10)
    office.read(DESK, ticket(priority="2"))
    office.read(TELENOR, incident(priority="Low"))
    office.read(DESK, ticket("INC0000002"))
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no answer"))
    office.writes(connections.pause, DESK, "credentials refused", by="syncd", now=office.now)
    reason = "more than 20 openings in 3600 s"
    office.writes(
        mappings.pause, MappingName("telenor-incidents"), reason, by="syncd", now=office.now
    )
    polled(office)
    found = standing(office, running(office, revision="another"))
    assert [(each.what, each.command) for each in found.needs] == [
        ("servicedesk is paused: credentials refused", "syncd resume servicedesk"),
        (f"telenor-incidents is paused: {reason}", "syncd resume telenor-incidents"),
        (
            "telenor-no, from INC0000002: create in doubt: no answer",
            f"syncd ops show {found.stored.parked[0].id}",
        ),
        (
            "INC0012399 ⇄ Case-00000002: both sides changed both.priority",
            "syncd conflicts resolve 1 --keep itsm|vendor",
        ),
        (
            "the configuration's files changed since the daemon read them",
            "syncd check && kill -HUP 4711",
        ),
    ]
    text = shown(office, running(office))
    assert text.index("NEEDS A PERSON (4)") < text.index("CONNECTION")
    assert "servicedesk  paused by syncd" in text
    assert "live, paused by syncd" in text


def test_what_a_person_paused_is_no_alarm(office: Office) -> None:
    in_step(office)
    polled(office)
    office.writes(connections.pause, DESK, "maintenance", by="cli:anna", now=office.now)
    found = standing(office, running(office))
    assert found.needs == ()
    assert "servicedesk  paused by cli:anna" in shown(office, running(office))


def test_what_is_parked_says_what_is_held_until_it_is_settled(office: Office) -> None:
    in_step(office)
    log = Attachment(id=AttachmentId("a1"), name="log.txt", size_bytes=10)
    office.read(DESK, ticket(attachments=(log,)))
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no answer"))
    office.read(TELENOR, incident(attachments=(replace(log, id=AttachmentId("b1")),)))
    polled(office)
    (need,) = standing(office, running(office)).needs
    assert need.what == (
        "Case-00000002: attachment in doubt: no answer; 1 attachment held until then"
    )


def test_many_parked_operations_are_counted_not_listed(office: Office) -> None:
    for number in range(8):
        office.read(DESK, ticket(f"INC000010{number}"))
    office.delivers(lambda _: parked(office.now, detail="no"))
    polled(office)
    needs = standing(office, running(office)).needs
    assert len(needs) == facts.NAMED_MAX + 1
    assert needs[-1].what == "3 more operations are parked"
    assert needs[-1].command == "syncd ops list --parked"


def test_what_waits_too_long_is_late_with_its_last_word(office: Office) -> None:
    in_step(office)
    office.read(DESK, ticket(title="Other"))
    office.delivers(lambda _: later(office.now))
    office.later(3600)
    polled(office)
    found = standing(office, running(office))
    assert found.late == ("1 write to telenor-no since 60m: 503 Service Unavailable",)


def test_a_feed_that_is_not_read_is_late(office: Office) -> None:
    in_step(office)
    polled(office)
    office.later(1200)
    office.writes(feeds.poll_failed, TELENOR, "incident", error="timed out", now=office.now)
    late = standing(office, running(office)).late
    assert late == ("telenor-no: incident feed read to the end 20m ago: timed out",)


def test_an_open_ticket_whose_partner_is_gone_needs_a_person_and_nothing_is_late(
    office: Office,
) -> None:
    in_step(office)
    vendors = office.read(TELENOR, incident())
    for gone in (False, True):
        office.writes(
            tickets.read_failed,
            vendors,
            now=office.now,
            retry_at=office.now,
            error="404",
            gone=gone,
        )
        if not gone:
            polled(office)
            late = standing(office, running(office)).late
            assert late == ("telenor-no: 1 ticket cannot be read (Case-00000002): 404",)
    office.decides(vendors)
    polled(office)
    found = standing(office, running(office))
    assert [(each.what, each.command) for each in found.needs] == [
        (
            "INC0012399: its partner Case-00000002 is not at telenor-no any more",
            "syncd explain INC0012399",
        )
    ]
    assert found.late == ()
    # Named by its feed once more, it is looked for again; that it is missing is known already.
    office.writes(tickets.hasten, [vendors], office.now)
    again = standing(office, running(office))
    assert (again.needs, again.late) == (found.needs, ())
    office.read(DESK, ticket(status="Resolved"))
    assert standing(office, running(office)).needs == ()


def test_a_ticket_that_lacks_what_its_partner_needs_needs_a_person_until_it_has_it(
    office: Office,
) -> None:
    office.read(DESK, ticket(site="Elsewhere"))
    office.delivers(lambda operation: applied(office.now, operation))
    polled(office)
    (need,) = standing(office, running(office)).needs
    assert need.what.startswith("INC0012399 is not sent: product_category_name missing (telenor-")
    assert need.command == "syncd explain INC0012399"
    office.read(DESK, ticket(site="Elsewhere", assigned_group="Network"))
    assert standing(office, running(office)).needs == ()
    office.read(DESK, ticket())
    assert standing(office, running(office)).needs == ()


def test_expected_news_that_stays_away_is_late(office: Office) -> None:
    in_step(office)
    office.later(10 * 3600)
    polled(office, news_at=office.now - timedelta(hours=4))
    # 2026-03-01 12:56 UTC is 13:56 in Oslo: within 07:00-18:00, and two hours are long over.
    info = running(office, started_at=(office.now - timedelta(days=1)).isoformat())
    late = standing(office, info).late
    assert late == ("servicedesk: no news (last 4h ago); is its webhook set up?",)


def test_a_write_being_sent_is_a_reason_to_wait_with_a_restart(office: Office) -> None:
    office.read(DESK, ticket())
    office.delivers(lambda _: None)
    polled(office)
    text = shown(office, running(office, sending=1, safe_to_restart=False))
    assert "restart: better wait: 1 write being sent (what is cut off is probed" in text
    told = shown(office, None)
    assert "restart: better wait: 1 write being sent" in told
    assert "telenor-no   up, as last known" in told


def test_without_a_daemon_that_is_what_a_person_is_needed_for(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.says("status")
    assert told.status == 1
    assert told.out.startswith("test  no daemon\n\nNEEDS A PERSON (1)\n")
    assert "no daemon runs on this store  syncd run" in told.out


def test_programs_get_one_document(office: Office) -> None:
    in_step(office)
    told = office.says("status", "--json")
    assert told.status == 1
    assert told.json["daemon"] is None
    assert told.json["restart_is_safe"] is True
    assert [each["record"]["pin"]["name"] for each in told.json["connections"]] == [DESK, TELENOR]
    assert told.json["mappings"][0]["links_open"] == 1


def test_a_connection_that_is_not_configured_any_more_is_still_shown(office: Office) -> None:
    in_step(office)
    polled(office)
    text = shown(office, running(office))
    assert standing(office, None).budget(ConnectionName("gone")) == "not configured"
    assert "telenor-no" in text


def test_it_says_what_reading_rests_on_where_there_is_something_to_say(office: Office) -> None:
    in_step(office)
    polled(office)
    text = office.config.read_text().replace("\nmappings: mappings", f"{SIP}\nmappings: mappings")
    office.config.write_text(text)
    at = office.now - timedelta(minutes=12)
    known = Known(facts={}, read_at={"weekly": at})
    result = PollResult(sightings=(), cursor=Cursor(known=known, polled_at=at).to_json())
    office.writes(feeds.save_poll, ConnectionName("sip"), "ticket", result, now=office.now)

    def watch(tx: Tx) -> None:
        for number, quiet in (("INC1", 60), ("INC2", 9 * 86_400), ("INC3", 0)):
            row = tickets.ensure_ticket(tx, DESK, "ticket", number=number, now=office.now)
            turn = office.now if quiet else None
            watching.set_watched(tx, row, True, turn)
            values = {"read_at": office.now - timedelta(seconds=quiet)}
            tx.run(sa.update(t.ticket).where(t.ticket.c.id == row).values(values))

    office.writes(watch)
    text = shown(office, running(office))
    assert "sip: statuses from the report, read 12m ago" in text
    assert "servicedesk: tickets read one by one: 1 hot, 1 cooling or cold, 1 at rest" in text
    # What nobody can read says nothing.
    odd = PollResult(sightings=(), cursor="[]")
    office.writes(feeds.save_poll, ConnectionName("sip"), "ticket", odd, now=office.now)
    assert "sip: " not in shown(office, running(office))
