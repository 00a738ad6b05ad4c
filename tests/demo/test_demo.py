"""The demo as a user runs it, and its parts that can be looked at without a daemon."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.demo.automation import NAME, Automation, ticket_fields
from syncd.demo.clerk import find_effect
from syncd.demo.daemon import Pulse, parse_metrics, pulse_of
from syncd.demo.judge import judge
from syncd.demo.options import DemoOptions
from syncd.demo.pairing import B612, PAIRINGS, TELENOR, Pairing
from syncd.demo.people import People
from syncd.demo.realm import Realm
from syncd.demo.report import Result, document
from syncd.demo.telenor_staff import TelenorStaff
from syncd.demo.verdict import Fate
from syncd.demo.world import world
from syncd.model.ids import MappingName, OperationKey, TicketId
from syncd.model.ticket import CommentKind
from syncd.ports.served import NoteDraft, ServedChange
from syncd.sandbox import SmartOpsSandbox, TelenorSandbox
from syncd.settings.load import load
from syncd.settings.secrets import SecretSource
from tests.gateway.served import NAME as SERVED
from tests.gateway.served import PREFIX, office

METRICS = """# HELP syncd_operations Operations in the outbox
syncd_operations{connection="servicedesk",state="ready"} 2.0
syncd_operations{connection="telenor-no",state="unknown"} 1.0
syncd_operations{connection="telenor-no",state="parked"} 2.0
syncd_parked{connection="telenor-no",reason="in_doubt"} 1.0
syncd_parked{connection="telenor-no",reason="refused"} 1.0
syncd_conflicts 1.0
syncd_inbox 0.0
syncd_connection_paused{connection="servicedesk"} 1.0
syncd_connection_paused{connection="telenor-no"} 0.0
"""


async def test_its_configuration_loads() -> None:
    async with world(DemoOptions(seed=1), 1) as made:
        settings = load(made.daemon.config, secrets=SecretSource(environ=made.daemon.secrets))
    assert set(settings.connections) == {
        "automation",
        "servicedesk",
        *(each.connection for each in PAIRINGS.values()),
    }
    assert len(settings.mappings) == sum(len(each.mappings) for each in PAIRINGS.values())
    assert not made.folder.exists()


async def test_vendors_that_are_left_out_have_no_mapping_no_connection_and_no_sandbox() -> None:
    async with world(DemoOptions(seed=1, vendors=("b612",)), 1) as made:
        settings = load(made.daemon.config, secrets=SecretSource(environ=made.daemon.secrets))
        assert list(made.vendors) == ["b612"]
    assert list(settings.mappings) == ["b612-hands"]
    # One that stayed would be asked in vain, and the demo would wait for it in the end.
    assert set(settings.connections) == {"automation", "servicedesk", "hands"}


@pytest.mark.parametrize("pairing", PAIRINGS.values(), ids=PAIRINGS)
async def test_what_the_judge_expects_of_a_vendor_is_what_its_mapping_names(
    pairing: Pairing,
) -> None:
    async with world(DemoOptions(seed=1), 1) as made:
        settings = load(made.daemon.config, secrets=SecretSource(environ=made.daemon.secrets))
    rules = settings.mappings[MappingName(pairing.mappings[0])]
    assert rules.vendor == pairing.connection
    assert (rules.open_to_itsm is not None) == (pairing.partner_if is not None)
    assert {str(side) for side in rules.comments} == {str(side) for side in pairing.comments_to}


async def test_its_secrets_stand_in_no_file() -> None:
    async with world(DemoOptions(seed=1), 1) as made:
        written = b"".join(
            path.read_bytes() for path in made.folder.rglob("*") if path.is_file()
        ).decode()
    assert not [name for name, value in made.daemon.secrets.items() if value in written]


async def test_people_alone_are_all_lost_and_everything_they_do_is_found() -> None:
    async with SmartOpsSandbox() as desk, TelenorSandbox() as carrier:
        await People([TelenorStaff(desk, carrier)], seed=1).act(1.0)
        verdict = judge(TELENOR, desk.record, carrier.record)
    assert verdict.count(Fate.LOST) == 2
    assert not verdict.arrived
    assert verdict.count(Fate.LEAKED) == verdict.count(Fate.DOUBLED) == 0


async def test_people_do_the_same_for_the_same_seed() -> None:
    titles = []
    for _ in range(2):
        async with SmartOpsSandbox() as desk, TelenorSandbox() as carrier:
            await asyncio.wait_for(People([TelenorStaff(desk, carrier)], seed=7).act(0.5), 5)
            titles.append(sorted(each["fields"]["shortDescription"] for each in desk.tickets()))
    assert titles[0] == titles[1] != []


def test_what_is_open_is_read_from_the_metrics() -> None:
    pulse = pulse_of(parse_metrics(METRICS))
    assert pulse == Pulse(open=3, in_doubt=1, parked=1, conflicts=1, paused=("servicedesk",))
    assert not pulse.is_quiet
    assert Pulse(parked=1, conflicts=1).is_quiet


async def test_an_operations_effect_is_found_by_its_key_though_people_rewrote_the_ticket() -> None:
    key = "abcd-0123456789"
    marked = {"shortDescription": "x", "longDescription": f"y\n[ref:{key}]"}
    async with TelenorSandbox() as carrier:
        ticket = carrier.person_creates({"subject": "x", "description": "y"})
        carrier.person_comments(ticket, "quoted [ref:abcd-9876543210]")
        by_us = {"what": "ticket_created", "actor": "client", "ticket": "t1", "fields": marked}
        rewritten = {"what": "field_changed", "actor": "person", "ticket": "t1", "new": "z"}
        record = [*carrier.record, by_us, rewritten]
        assert find_effect(record, key) == "t1"
        # A person who quotes our marker did not make our comment.
        assert find_effect(record, "abcd-9876543210") is None


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"seconds": 1e9}, {"kills": -1}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="between"):
        DemoOptions(**wrong)  # type: ignore[arg-type]


def test_the_document_has_the_promised_keys() -> None:
    verdict = judge(B612, [], [])
    result = Result(
        options=DemoOptions(),
        seed=1,
        verdict=verdict,
        by_vendor={"b612": verdict},
        folder=Path("/x"),
        is_settled=True,
    )
    found = document(result)
    numbers = ("lost", "doubled", "echoed", "in_doubt", "leaked", "superseded", "violations")
    assert {type(found[name]) for name in numbers} == {int}
    assert found["ok"] is True
    assert found["did"] == found["arrived"]
    assert set(found["did"]) == {"tickets", "comments", "attachments", "field_changes"}  # type: ignore[call-overload]
    assert set(found["by_vendor"]) == {"b612"}  # type: ignore[call-overload]
    assert {"requests", "p50_s", "p99_s", "kills", "faults", "seconds", "seed"} <= found.keys()


def run_demo(*arguments: str) -> tuple[int, dict[str, object], str]:
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "demo", *arguments, "--json"],
        capture_output=True,
        text=True,
        timeout=220,
        env=dict(os.environ),
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stderr
    return done.returncode, json.loads(lines[0]), done.stderr


@pytest.mark.slow
def test_everything_arrives_once_though_the_daemon_is_killed_at_any_moment() -> None:
    status, found, said = run_demo("--for", "4", "--seed", "1", "--kills", "2")
    assert (status, found["ok"]) == (0, True), (found, said)
    assert found["kills"] == 2
    assert [found[str(fate)] for fate in (Fate.LOST, Fate.DOUBLED, Fate.ECHOED)] == [0, 0, 0]
    assert found["violations"] == 0
    did = found["did"]
    assert isinstance(did, dict)
    assert found["raised"] == 2
    # Some tickets of the desk are shared only later, or never within so short a time.
    assert did["tickets"]["to_itsm"] == 2
    assert 2 + 4 <= did["tickets"]["to_vendor"] <= 2 + 6
    assert isinstance(found["by_vendor"], dict)
    assert set(found["by_vendor"]) == set(PAIRINGS)
    assert min(did["comments"].values()) > 0
    assert did["attachments"]["to_itsm"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_demo_leaves_no_daemon_behind(how: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "syncd", "demo", "--for", "30", "--vendors", "b612", "--json"]
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environ
    ) as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if line.startswith("people act"):
                break
        demo.send_signal(how)
        demo.stderr.read()
        assert demo.wait(60) != 0
    # Its folder is removed only when the daemon is over.
    assert not list(tmp_path.glob("syncd-demo-*"))


async def test_the_automation_raises_once_and_takes_down_what_the_vendor_does_once(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as gateway:
        realm = Realm()
        realm.token = lambda: gateway.issuer.token(preferred_username=NAME)  # type: ignore[method-assign]
        url = f"http://127.0.0.1:{gateway.gateway.port}{PREFIX}"
        async with Automation(realm, url) as automation:
            fields = ticket_fields("T0101-abc down", "T0103-abc seen", random.Random(1))
            raised = await automation.raise_ticket(fields, "k")
            assert await automation.raise_ticket(fields, "k") == raised
            await automation.say(raised, "T0102-abc any news?", "n")
            note = NoteDraft(kind=CommentKind.WORK_NOTE, author="Telenor", body="T0201-abc soon")
            change = ServedChange(by="syncd", fields={"ticketStatus": "In Progress"}, notes=[note])
            await gateway.tickets.write(
                SERVED, TicketId(raised.sys_id), change, key=OperationKey("a-1")
            )
            for _ in range(2):
                await automation.look()
    seen = [(each["what"], each["actor"]) for each in automation.record[1:]]
    assert seen == [
        ("ticket_created", "person"),
        ("comment_added", "person"),
        ("status_changed", "client"),
        ("comment_added", "client"),
    ]
    assert not automation.troubles
    assert judge(TELENOR, automation.record[1:], []).count(Fate.LOST) == 1
