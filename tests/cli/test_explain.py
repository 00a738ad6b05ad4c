"""`explain` tells a ticket's story, why it waits and what a person can do."""

import textwrap
from dataclasses import replace
from datetime import timedelta

from syncd.cli.facts import explain as facts
from syncd.cli.show import explain as show
from syncd.model.ids import AttachmentId, CommentId, MappingName, TicketRow
from syncd.model.operation import ParkReason
from syncd.model.ticket import Attachment, Comment, CommentKind, Visibility
from syncd.store import connections, links, mappings, tickets, watching
from syncd.store.database import Database
from tests.cli.office import DESK, TELENOR, Office, incident, place, ticket
from tests.cli.outcomes import applied, cut_off, parked, too_early

OPENED = place("  to_vendor:                     # a ticket of ours becomes")
WHEN = place("    when: {assigned_group: Telenor NOC")
SAID = place("  to_vendor:", after="comments:")
REOPENED = place("    In Progress: {set: New")


def explained(office: Office, row: TicketRow) -> str:
    """What `explain` prints, at the office's time."""

    async def look(db: Database) -> facts.Explained:
        return await db.read(facts.gather, office.settings(), row, office.now)

    return "\n".join(line.plain for line in show.lines(office.does(look)))


def opened(office: Office) -> TicketRow:
    """A ticket whose partner exists and was read."""
    row = office.read(DESK, ticket(), notified=True)
    office.later(1)
    office.delivers(lambda operation: applied(office.now, operation))
    office.later(1)
    office.read(TELENOR, incident())
    office.delivers(lambda operation: applied(office.now, operation))
    return row


def said(number: int, body: str, **more: object) -> Comment:
    made = Comment(
        id=CommentId(f"c{number}"), body=body, author="Kari", visibility=Visibility.PUBLIC
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_a_creation_whose_answer_was_lost_reads_as_the_design_shows_it(office: Office) -> None:
    row = office.read(DESK, ticket(comments=(said(1, "Said before."),)), notified=True)
    office.later(1)
    office.delivers(lambda _: cut_off(office.now))
    office.later(61)
    office.delivers(lambda _: too_early(office.now))
    office.read(DESK, ticket(comments=(said(1, "Said before."), said(2, "Any news?"))))
    office.later(60)
    assert explained(office, row) == textwrap.dedent(
        f"""\
        INC0012399 "Link down Fornebu" P1 New   telenor-incidents (live)
        PARTNER  none known: its creation is UNKNOWN (sent, no answer)

        2026-03-01 (UTC)
        02:55:58  notified  by 10.1.4.7
        02:55:58  read      INC0012399: changed
        02:55:58  decided   open at telenor-no: assigned_group=Telenor NOC ✓  number matches ^INC ✓ (INC0012399)  phase=open ✓  {OPENED}
        02:55:58  planned   op 1 create on vendor: opened; description Both routers are dark since 0…, identification_number LU-00000012, incident_type Annen type feil…  {OPENED}
        02:56:29  sent      op 1 POST /incidents, cut off after 30s (unknown after 30s)
        02:57:00  probed    op 1: search 0, newest 100 cases 0: too early (settle 5m) (unknown)
        02:57:00  read      INC0012399: its turn
        02:57:00  planned   op 2 comment on vendor: commented; Kari (Acme INC0012399): Any news?  {SAID}

        WAITING  1 comment (need 1)
        NOT CARRIED  1 comment: it was said before linking

        WHY   telenor-no may have it; not sent again before a probe succeeds.
        NEXT  probe 03:01:10 (in 3m), by itself
        YOU   they have it:    syncd ops adopt 1 NUMBER
              surely not:      syncd ops retry 1         (probes first)
              handle by hand:  syncd pause INC0012399"""  # noqa: E501 - as it is printed
    )


def test_a_pair_in_step_says_so(office: Office) -> None:
    row = opened(office)
    text = explained(office, row)
    assert 'PARTNER  Case-00000002 "Link down Fornebu" Critical New   telenor-no' in text
    assert "sent      op 1 create new 200 (applied) → Case-00000002" in text
    assert "WHY   Nothing is open: all that was seen has arrived, or is named above." in text
    # What the vendor's ticket says of itself is the same story, seen from there.
    partner = office.writes(tickets.find_anywhere, "Case-00000002")
    assert 'PARTNER  INC0012399 "Link down Fornebu" P1 New   servicedesk' in explained(
        office, partner[0]
    )


def test_a_decision_is_told_as_it_fell_whatever_became_of_its_conditions(office: Office) -> None:
    row = opened(office)
    then = "open at telenor-no: assigned_group=Telenor NOC ✓  number matches ^INC ✓ (INC0012399)"
    assert then in explained(office, row)
    office.later(60)
    office.read(DESK, ticket(assigned_group="Network"))
    text = explained(office, row)
    assert then in text
    assert "(now: assigned_group=Telenor NOC ✗ (Network))" in text
    # An edit of the mapping changes what would be asked today, not what was found then.
    path = office.folder / "mappings" / "telenor-incidents.yaml"
    path.write_text(path.read_text().replace("assigned_group: Telenor NOC", "assigned_group: NOC"))
    assert then in explained(office, row)


def test_a_ticket_without_partner_shows_the_first_condition_that_failed(office: Office) -> None:
    row = office.read(DESK, ticket(assigned_group="Network"))
    text = explained(office, row)
    assert "PARTNER  none" in text
    assert (
        f"NOT OPENED  telenor-incidents (live): it does not match  {OPENED}\n"
        f"            ✗  assigned_group=Telenor NOC  is Network  {WHEN}\n"
    ) in text
    assert "WHY   No mapping opens a partner for it, as shown above." in text
    assert "syncd link add telenor-incidents ITSM-NUMBER VENDOR-NUMBER" in text


def test_a_watched_ticket_says_when_it_is_read_and_how_closely_it_is_watched(
    office: Office,
) -> None:
    row = office.read(DESK, ticket(assigned_group="Network"))
    office.writes(watching.set_watched, row, True, office.now + timedelta(days=2))
    assert "(hot), by itself" in explained(office, row)
    office.later(86_400)
    assert "(cold), by itself" in explained(office, row)


def test_why_a_ticket_was_not_opened_is_told_as_it_was_then(office: Office) -> None:
    row = office.read(DESK, ticket(assigned_group="Network"))
    first = "decided  no partner by telenor-incidents: assigned_group=Telenor NOC ✗ (Network)"
    assert first in explained(office, row)
    office.later(60)
    office.read(DESK, ticket(assigned_group="Network", title="Still down"))
    office.later(60)
    office.read(DESK, ticket(assigned_group="Servers"))
    text = explained(office, row)
    assert text.count("no partner by") == 2, "said again only when it is news"
    assert first in text
    assert f"assigned_group=Telenor NOC ✗ (Servers)  {OPENED}" in text
    path = office.folder / "mappings" / "telenor-incidents.yaml"
    path.write_text(path.read_text().replace("assigned_group: Telenor NOC", "assigned_group: NOC"))
    text = explained(office, row)
    assert "✗  assigned_group=NOC  is Servers" in text
    assert "as decided 02:57:58:  assigned_group=Telenor NOC ✗ (Servers)" in text
    path.write_text(path.read_text().replace("assigned_group: NOC", "assigned_group: Telenor NOC"))
    office.later(60)
    office.read(DESK, ticket())
    text = explained(office, row)
    assert first in text, "what was decided then stays, whatever is true now"
    assert "decided  open at telenor-no: assigned_group=Telenor NOC ✓" in text


def test_a_ticket_that_is_gone_says_when_it_is_looked_for_again(office: Office) -> None:
    row = opened(office)
    look_at = office.now + timedelta(minutes=15)
    gone = {"now": office.now, "retry_at": office.now, "error": "404", "gone": True}
    office.writes(tickets.read_failed, row, **gone, look_at=look_at)
    text = explained(office, row)
    assert "servicedesk says there is no such ticket any more." in text
    assert f"NEXT  looked for again {look_at:%H:%M}" in text
    assert "by itself" in text


def test_conditions_that_held_stand_before_the_one_that_failed(office: Office) -> None:
    row = office.read(DESK, ticket("REQ0000001"))
    text = explained(office, row)
    assert "✓  assigned_group=Telenor NOC" in text
    assert f"✗  number matches ^INC         is REQ0000001  {WHEN}" in text


def test_what_a_ticket_lacks_is_named(office: Office) -> None:
    row = office.read(DESK, ticket(site="Elsewhere"))
    office.delivers(lambda operation: applied(office.now, operation))
    text = explained(office, row)
    assert "PARTNER  none yet: nothing was sent" in text
    assert "WHY   Not sent: product_category_name missing (telenor-incidents.yaml:" in text
    assert "; identification_number missing (telenor-incidents.yaml:" in text
    assert "NEXT  sent when the ticket, or the mapping's table, is corrected; read " in text


def test_a_ticket_older_than_its_mapping_says_so(office: Office) -> None:
    office.writes(lambda _tx: None)
    office.later(3600)
    old = replace(ticket(), created_at=office.now - timedelta(days=3))
    text = explained(office, office.read(DESK, old))
    assert (
        "it matches, but is older (2026-02-26 03:55:58) than the mapping, which went live" in text
    )


def test_a_dry_run_says_that_it_would_open(office: Office) -> None:
    office.configure(mode="dry_run")
    text = explained(office, office.read(DESK, ticket()))
    assert "telenor-incidents (dry_run): it matches, but the mapping is in mode dry_run" in text


def test_a_ticket_of_a_kind_no_mapping_uses_says_so(office: Office) -> None:
    strange = replace(ticket(), kind="change")
    text = explained(office, office.read(DESK, strange))
    assert "WHY   No mapping uses change tickets of servicedesk." in text


def test_what_the_vendor_refused_names_its_words_its_support_and_the_ways_out(
    office: Office,
) -> None:
    row = opened(office)
    office.read(DESK, ticket(title="Link down Fornebu, both"))
    office.delivers(lambda _: parked(office.now, detail="403 403001 status may not be changed"))
    text = explained(office, row)
    assert "WHY   telenor-no refused it: 403 403001 status may not be changed" in text
    assert "NEXT  nothing by itself; a change of the same field replaces it" in text
    assert "what it refused is put right:  syncd ops retry " in text
    assert "handle by hand:                syncd pause INC0012399" in text
    assert "call:                          +47 22 00 00 00, customer 912345678" in text


def test_a_ticket_whose_partner_is_gone_says_that_nothing_is_carried_and_the_ways_out(
    office: Office,
) -> None:
    row = opened(office)
    vendors = office.read(TELENOR, incident())
    office.writes(
        tickets.read_failed, vendors, now=office.now, retry_at=office.now, error="404", gone=True
    )
    office.decides(vendors)
    office.read(DESK, ticket(title="Link down Fornebu, both"))
    text = explained(office, row)
    assert (
        "WHY   Case-00000002 is not at telenor-no any more: what changes here is not carried."
        in text
    )
    assert "it is there again:  syncd resync Case-00000002" in text
    assert "it stays away:      syncd link remove 1" in text
    # Its feed names it once more: it is looked for again, and is as gone as before until found.
    office.writes(tickets.hasten, [vendors], office.now)
    for failed in range(2):
        assert explained(office, row) == text, failed
        assert "WHY   telenor-no says there is no such ticket" in explained(office, vendors)
        office.writes(
            tickets.read_failed, vendors, now=office.now, retry_at=office.now, error="404"
        )


def test_a_comment_that_was_refused_is_not_said_to_be_replaced_by_a_change(office: Office) -> None:
    row = opened(office)
    office.read(DESK, ticket(comments=(said(1, "Any news?"),)))
    office.delivers(lambda _: parked(office.now, detail="no"))
    assert "NEXT  nothing by itself\n" in explained(office, row)


def test_an_operation_in_doubt_asks_a_person(office: Office) -> None:
    row = office.read(DESK, ticket())
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no pages cover the time"))
    text = explained(office, row)
    assert "PARTNER  none known: its creation is PARKED (in doubt)" in text
    assert "WHY   Nobody can tell whether telenor-no has it: no pages cover the time" in text
    assert "they have it:    syncd ops adopt 1 NUMBER" in text
    assert "not wanted:      syncd ops discard 1" in text


def test_a_conflict_is_named_with_both_values_and_its_command(office: Office) -> None:
    office.configure(changes={"conflict: itsm": "conflict: park"})
    row = opened(office)
    office.later(10)
    office.read(DESK, ticket(priority="2"))
    # Both changed before either was carried: nothing was sent in between.
    office.read(TELENOR, incident(priority="Low"))
    text = explained(office, row)
    assert "CONFLICT  both.priority: itsm 2, vendor Low" in text
    assert "syncd conflicts resolve 1 --keep itsm|vendor" in text


def test_what_is_not_shared_is_told_apart_from_what_cannot_be_carried(office: Office) -> None:
    row = opened(office)
    private = said(3, "Slow.", visibility=Visibility.PRIVATE, kind=CommentKind.WORK_NOTE)
    program = Attachment(id=AttachmentId("a1"), name="tool\x1b[2J.exe", size_bytes=10)
    office.read(DESK, ticket(comments=(private,), attachments=(program,)))
    text = explained(office, row)
    assert "NOT SHARED  1 comment: it is private, and no rule names it" in text
    assert "NOT CARRIED  tool\\x1b[2J.exe: " in text


def test_what_is_held_names_the_operation_it_waits_for(office: Office) -> None:
    row = opened(office)
    log = Attachment(id=AttachmentId("a1"), name="log.txt", size_bytes=10)
    office.read(DESK, ticket(attachments=(log,)))
    office.delivers(lambda _: parked(office.now, ParkReason.IN_DOUBT, "no answer"))
    office.read(TELENOR, incident(attachments=(replace(log, id=AttachmentId("b1")),)))
    text = explained(office, row)
    (held,) = [each for each in text.splitlines() if each.startswith("HELD")]
    assert held == (
        "HELD  1 attachment on Case-00000002: op 3 may have made it; carried on when 3 is settled  "
        "syncd ops show 3"
    )
    assert "not wanted:      syncd ops discard 3" in text


def test_a_pause_is_the_answer_to_why(office: Office) -> None:
    row = opened(office)
    link = office.writes(links.links_of, row)[0]
    office.writes(links.pause, link.id, "Ola handles it", by="cli:ola", now=office.now)
    text = explained(office, row)
    assert "PAUSED   by cli:ola: Ola handles it" in text
    assert "WHY   The ticket is paused by cli:ola: Ola handles it." in text
    assert "go on:  syncd resume INC0012399" in text


def test_a_paused_mapping_and_connection_are_named(office: Office) -> None:
    row = opened(office)
    office.writes(
        mappings.pause, MappingName("telenor-incidents"), "too many", by="syncd", now=office.now
    )
    assert "WHY   telenor-incidents is paused by syncd: too many." in explained(office, row)
    office.writes(mappings.resume, MappingName("telenor-incidents"), by="x", now=office.now)
    office.writes(connections.pause, TELENOR, "401", by="syncd", now=office.now)
    assert "go on:  syncd resume telenor-no" in explained(office, row)


def test_a_hostile_ticket_cannot_command_the_terminal(office: Office) -> None:
    row = office.read(DESK, ticket(title="\x1b]0;owned\x07[bold]x[/bold]\u202e", status="\x9b31m"))
    text = explained(office, row)
    assert text.replace("\n", "").isprintable()
    assert '"\\x1b]0;owned\\x07[bold]x[/bold]\\u202e"' in text


def test_a_long_story_is_cut_and_says_where_the_rest_is(office: Office) -> None:
    row = office.read(DESK, ticket(assigned_group="Network"))
    for number in range(60):
        office.later(1)
        office.read(DESK, ticket(assigned_group="Network", title=f"Title {number}"))
    text = explained(office, row)
    assert "… 22 earlier lines: syncd log --ticket INC0012399" in text
    told = office.says("explain", "INC0012399", "--all")
    assert told.status == 0
    assert "earlier lines" not in told.out


def test_a_ticket_nobody_heard_of_says_where_it_could_have_come_from(office: Office) -> None:
    office.writes(lambda _tx: None)
    told = office.says("explain", "INC0099999")
    assert told.status == 1
    assert "INC0099999 is not known" in told.out
    assert "servicedesk  never notified, never watched, never opened by us" in told.out
    assert "telenor-no   never seen (last read to the end never)" in told.out
    assert "syncd watch servicedesk INC0099999" in told.out


def test_programs_get_one_document(office: Office) -> None:
    opened(office)
    told = office.says("explain", "INC0012399", "--json")
    assert told.status == 0
    assert told.json["known"] is True
    assert told.json["links"][0]["partner"]["number"] == "Case-00000002"
    assert told.json["advice"]["why"].startswith("Nothing is open")
    unknown = office.says("--json", "explain", "nothing")
    assert (unknown.status, unknown.json["known"]) == (1, False)


def test_what_is_not_carried_is_named_until_it_is(office: Office) -> None:
    row = opened(office)
    office.later(60)
    office.read(DESK, ticket(site="F" * 300))
    told = [line for line in explained(office, row).splitlines() if "NOT CARRIED" in line]
    assert any("location: 300 characters are too long, 255 are taken" in one for one in told), told
    office.later(60)
    office.read(DESK, ticket(site="Oslo S"))
    assert "NOT CARRIED  location" not in explained(office, row)


def test_a_follow_up_and_the_ticket_it_follows_name_one_another(office: Office) -> None:
    row = opened(office)
    office.later(60)
    steps = (
        (TELENOR, incident(status="Solved")),
        (DESK, ticket(status="Resolved")),
        (TELENOR, incident(status="Customer Accepted")),
        (DESK, ticket(status="Closed")),
        (DESK, ticket(status="In Progress")),
    )
    for connection, snapshot in steps:
        office.read(connection, snapshot)
        office.delivers(lambda operation: applied(office.now, operation))
        office.later(60)
    text = explained(office, row)
    assert "PARTNER  Case-00000002" in text
    assert "; a follow-up of Case-00000002 took its place" in text
    assert "; the follow-up of Case-00000002" in text
    why = "Case-00000002: status is now In Progress, and theirs is Customer Accepted"
    assert f"followed up  {why}  {REOPENED}" in text
    assert f"follows      {why}  {REOPENED}" in text
    assert "create on vendor: followed_up; description Follow-up of Case-00000002." in text
