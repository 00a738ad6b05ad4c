"""The sandbox answers as Request Tracker does, on every call the provider makes.

One story is played at both; answers are compared by status, shape and value, ids and instants
aside. What differs would make the sandbox, and every test that stands on it, say what is not so.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import orjson
import pytest

from syncd.sandbox import RtSandbox, RtSandboxSettings, SandboxClock
from syncd.sandbox.rt import CustomField, Queue
from tests.rt.server import Rt

FORM = "multipart/form-data; boundary=x"
ENTRIES = "Type,Field,OldValue,NewValue,Created,Creator,CustomFields,_hyperlinks"
PARTS = "Filename,ContentType,ContentLength,TransactionId,Created"
IGNORED = frozenset(("_url", "_hyperlinks", "next_page", "prev_page"))
"""Addresses, and links of which the provider reads two kinds; those are compared by themselves."""
CHOICE, STATUSES = 'name="ValueOfStatus"', re.compile(r'<option value="(\w*)"')
"""What is compared of the search form."""
SET_APART = frozenset(("TimeWorked", "TimeLeft", "EffectiveId"))
"""What the sandbox leaves out, for nobody asks."""


@dataclass
class Answer:
    """What one call was answered, with what changes from run to run taken out."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Side:
    """One of the two, and the ids it gave out, in order."""

    base_url: str
    token: str
    http: aiohttp.ClientSession
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **more: Any
    ) -> tuple[int, Any, Any]:
        headers = {"Authorization": f"token {self.token}"} | more.pop("headers", {})
        sent = raw if raw is not None else (None if body is None else orjson.dumps(body))
        if sent is not None:
            headers.setdefault("Content-Type", "application/json")
        root = "" if path.startswith(("/Ticket", "/Search")) else "/REST/2.0"
        async with self.http.request(
            method, f"{self.base_url}{root}{path}", data=sent, headers=headers, **more
        ) as got:
            whole = await got.read()
            is_json = got.content_type == "application/json" and whole
            told = orjson.loads(whole) if is_json else None
            shown = {
                name: self._plain(got.headers[name])
                for name in ("ETag", "Location")
                if name in got.headers
            }
            if root == "" and got.status == 200 and got.content_type != "text/html":
                told = whole.hex()
            if path.startswith("/Search"):
                told = STATUSES.findall(
                    whole.decode().partition(CHOICE)[2].partition("</select")[0]
                )
            asked = re.sub(r"\d+", "N", f"{method} {path}")
            self.answers.append((asked, Answer(got.status, self._shape(told), shown)))
            return got.status, told, got.headers

    def _plain(self, text: str) -> str:
        return re.sub(r"\d+", "N", text)

    def _shape(self, told: Any, name: str = "") -> Any:
        """Take out addresses, ids and instants; keep everything else."""
        if isinstance(told, dict):
            return {
                key: self._shape(value, key)
                for key, value in sorted(told.items())
                if key not in IGNORED | SET_APART
            }
        if isinstance(told, list):
            return [self._shape(one, name) for one in told]
        if name in ("id", "TransactionId") and str(told).isdecimal():
            return f"{type(told).__name__} id"
        if isinstance(told, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told):
            return "unset" if told.startswith("1970") else "instant"
        if name in ("OldValue", "NewValue", "Field") and str(told).isdecimal():
            return "number"
        if name == "Version":
            return "version"
        if isinstance(told, str):
            return re.sub(r"Ticket \d+| at [/a-z].*", "…", told).replace("\n", "")
        return told


def part(name: str, content: bytes, content_type: str = "application/octet-stream") -> bytes:
    head = (
        '--x\r\nContent-Disposition: form-data; name="JSON"\r\n\r\n'
        '{"TxnCustomFields":{"Sync Origin":"acme12-000000000001"}}\r\n--x\r\n'
        f'Content-Disposition: form-data; name="Attachments"; filename="{name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n--x--\r\n"


async def story(side: Side) -> None:
    """Make every call the provider makes, and the mistakes it might make."""
    ask = side.ask
    await ask("GET", "/rt")
    await ask("GET", "/queue/Support")
    await ask("GET", "/queue/Nowhere")
    _, told, _ = await ask("GET", "/Search/Build.html")
    assert "resolved" in told
    body = {
        "Queue": "Support", "Subject": "Link down", "Content": "Dark\r\nsince noon",
        "ContentType": "text/plain", "Owner": "agent", "Priority": "20",
        "Requestor": ["kari@acme.example"],
        "CustomFields": {"External ID": "Case-1", "Severity": "high"},
    }  # fmt: skip
    _, made, _ = await ask("POST", "/ticket", body)
    one = made["id"]
    await ask("POST", "/ticket", {"Subject": "x"})
    await ask("POST", "/ticket", {"Queue": "Nowhere", "Subject": "x"})
    await ask("POST", "/ticket", {"Queue": "Support", "Subject": "x", "Status": "weird"})
    await ask("POST", "/ticket", {"Queue": "Support", "Subject": "y" * 220, "Owner": "nobody-here"})
    await ask("GET", "/ticket/99999")
    await updates(side, one)
    await messages(side, one)
    await reads(side, one)


async def updates(side: Side, one: str) -> None:
    for body in (
        {"Subject": "Link up", "Priority": "30"},
        {"Owner": "anna"},
        {"Owner": "nobody-here"},
        {"Queue": "Nowhere"},
        {"CustomFields": {"External ID": "Case-2"}},
        {"CustomFields": {"External ID": ""}},
        {"CustomFields": {"Nope": "x"}},
        {"Status": "weird"},
        {"Status": "resolved"},
    ):
        _, _, headers = await side.ask("GET", f"/ticket/{one}")
        tag = {"If-Match": headers["ETag"]}
        await side.ask("PUT", f"/ticket/{one}", body, headers=tag)
    await side.ask("PUT", f"/ticket/{one}", {"Subject": "z"}, headers={"If-Match": '"1"'})
    await side.ask("PUT", "/ticket/99999", {"Subject": "z"}, headers={"If-Match": '"1"'})


async def messages(side: Side, one: str) -> None:
    say = {"ContentType": "text/plain", "TxnCustomFields": {"Sync Origin": "acme12-00000000000a"}}
    for way, body in (
        ("correspond", {**say, "Content": "Hello\r\nÆøå 🔥"}),
        ("comment", {**say, "Content": "private"}),
        ("comment", {"Content": "x", "ContentType": "text/plain", "TxnCustomFields": {"Nope": 1}}),
        ("comment", {"Content": "no type"}),
        ("comment", {"Content": "0", "ContentType": "text/plain"}),
    ):
        await side.ask("POST", f"/ticket/{one}/{way}", body)
    await side.ask("POST", "/ticket/99999/comment", {**say, "Content": "x"})
    for raw in (part("Blåbær æ.bin", b"\x00\xff" * 50), part("empty.bin", b"")):
        await side.ask("POST", f"/ticket/{one}/comment", raw=raw, headers={"Content-Type": FORM})


async def reads(side: Side, one: str) -> None:
    ask = side.ask
    await ask("GET", f"/ticket/{one}", params={"fields[Queue]": "Name,Lifecycle"})
    paged = {"orderby": "id", "order": "ASC", "per_page": "100", "page": "1"}
    _, told, _ = await ask(
        "GET", f"/ticket/{one}/history",
        params={**paged, "fields": ENTRIES, "fields[Creator]": "RealName"},
    )  # fmt: skip
    spoken = [each["id"] for each in told["items"] if each["Type"] in ("Comment", "Correspond")]
    terms = [
        {"field": "TransactionId", "operator": "=", "value": each, "entry_aggregator": "OR"}
        for each in spoken
    ]
    query = {**paged, "query": orjson.dumps(terms).decode()}
    _, told, _ = await ask("GET", f"/ticket/{one}/attachments", params={**query, "fields": PARTS})
    (file,) = [each for each in told["items"] if each["Filename"]]
    texts = [
        {"field": "id", "operator": "=", "value": each["id"], "entry_aggregator": "OR"}
        for each in told["items"]
        if each["ContentType"] == "text/plain"
    ]
    query = {**paged, "query": orjson.dumps(texts).decode(), "fields": f"{PARTS},Content"}
    await ask("GET", f"/ticket/{one}/attachments", params=query)
    await ask("GET", f"/Ticket/Attachment/{file['TransactionId']}/{file['id']}/file")
    await ask("GET", f"/Ticket/Attachment/{file['TransactionId']}/99999/file")
    newest = [("orderby", "LastUpdated"), ("order", "DESC"), ("orderby", "id"), ("order", "DESC")]
    for sql in (f"id = {one}", "Queue = 'Nowhere'", "Colour = 'red'", f"id = {one} AND id > 99999"):
        params = [("query", sql), *newest, ("fields", "LastUpdated,Status"), ("per_page", "500")]
        await ask("GET", "/tickets", params=params)
    await ask("GET", "/ticket/99999/history", params={**paged, "fields": "Type"})


@asynccontextmanager
async def simulated(at: datetime) -> AsyncIterator[RtSandbox]:
    fields = (
        CustomField(id=2, name="Vendor Ref"),
        CustomField(id=4, name="Severity", values=("critical", "high", "medium", "low")),
        CustomField(id=5, name="External ID"),
        CustomField(id=3, name="Site"),
        CustomField(id=6, name="Carrier", values=("Telenor", "Digital Realty", "Other")),
    )
    queues = (Queue(id=3, name="Support"), Queue(id=4, name="Network"))
    options = RtSandboxSettings(
        clock=SandboxClock(at),
        custom_fields=fields,
        queues=queues,
        shows_mail=False,
        other_lifecycles={"orders": ("draft", "placed", "done")},
    )
    async with RtSandbox(options) as sandbox:
        yield sandbox


async def test_the_sandbox_answers_as_request_tracker_does(rt: Rt, start: datetime) -> None:
    rt.hold(start)
    async with aiohttp.ClientSession() as http, simulated(start) as sandbox:
        real = Side(rt.base_url, rt.tokens["syncd"], http)
        ours = Side(sandbox.base_url, sandbox.settings.token, http)
        await asyncio.gather(story(real), story(ours))
    assert [asked for asked, _ in real.answers] == [asked for asked, _ in ours.answers]
    differing = [
        f"{asked} (call {place})\n  RT      {theirs.status} {theirs.body} {theirs.headers}\n"
        f"  sandbox {our.status} {our.body} {our.headers}"
        for place, ((asked, theirs), (_, our)) in enumerate(
            zip(real.answers, ours.answers, strict=True)
        )
        if not told_alike(theirs, our)
    ]
    if differing:
        pytest.fail("\n".join(differing), pytrace=False)


def told_alike(theirs: Answer, our: Answer) -> bool:
    """Say whether all the sandbox says is what RT says; RT may say more that nobody reads."""
    place = "Location"
    if (theirs.status, theirs.headers.get(place)) != (our.status, our.headers.get(place)):
        return False
    return holds(theirs.body, our.body)


def holds(theirs: Any, our: Any) -> bool:
    """Say whether what the sandbox says stands in what RT says, wherever custom fields stand."""
    if isinstance(theirs, dict) and isinstance(our, dict):
        return all(key in theirs and holds(theirs[key], value) for key, value in our.items())
    if isinstance(theirs, list) and isinstance(our, list):
        return len(theirs) == len(our) and all(map(holds, in_order(theirs), in_order(our)))
    return bool(theirs == our)


def in_order(items: list[Any]) -> list[Any]:
    """Order what RT gives in any order: custom fields, and the messages of one update."""
    if all(isinstance(one, dict) and "name" in one for one in items):
        return sorted(items, key=lambda one: str(one["name"]))
    return sorted(items) if all(isinstance(one, str) for one in items) else items
