"""Sandboxes with a frozen clock, and a client that speaks plain HTTP to them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from syncd.sandbox import (
    DigitalRealtySandbox,
    DigitalRealtySandboxSettings,
    Sandbox,
    SandboxClock,
    SipSynergySandbox,
    SipSynergySandboxSettings,
    SmartOpsSandbox,
    SmartOpsSandboxSettings,
    TelenorSandbox,
    TelenorSandboxSettings,
)
from syncd.sandbox.telenor.settings import PREFIX

START = datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)


@dataclass
class Got:
    """One answer, read."""

    status: int
    body: bytes
    headers: Any
    json: Any


class Caller:
    """Plain requests with a bearer token."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: Sandbox, prefix: str = "") -> None:
        self.session = session
        self.sandbox = sandbox
        self.prefix = prefix
        self.headers: dict[str, str] = {}

    async def raw(self, method: str, path: str, **options: Any) -> Got:
        headers = self.headers | options.pop("headers", {})
        url = self.sandbox.base_url + path
        async with self.session.request(method, url, headers=headers, **options) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json"
            try:
                json = await answer.json() if is_json and body else None
            except ValueError:
                json = None
            return Got(answer.status, body, answer.headers, json)

    async def __call__(self, method: str, path: str, **options: Any) -> Got:
        return await self.raw(method, self.prefix + path, **options)


@pytest.fixture
def clock() -> SandboxClock:
    return SandboxClock(START)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    # No keep-alive: a dropped connection must show as what it is, without a hidden second try.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture
async def telenor(clock: SandboxClock) -> AsyncIterator[TelenorSandbox]:
    sandbox = TelenorSandbox(TelenorSandboxSettings(clock=clock, oddities=False))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def call(session: aiohttp.ClientSession, telenor: TelenorSandbox) -> Caller:
    """A caller with a token of the Telenor sandbox and a user name."""
    caller = Caller(session, telenor, PREFIX)
    token = telenor.tokens.issue()
    caller.headers = {"Authorization": f"Bearer {token}", "X-User-Name": "syncd"}
    return caller


@pytest.fixture
async def smartops(clock: SandboxClock) -> AsyncIterator[SmartOpsSandbox]:
    sandbox = SmartOpsSandbox(SmartOpsSandboxSettings(clock=clock))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def ask(session: aiohttp.ClientSession, smartops: SmartOpsSandbox) -> Caller:
    """A caller with a token of the SmartOps sandbox."""
    caller = Caller(session, smartops)
    caller.headers = {"Authorization": f"Bearer {smartops.tokens.issue()}"}
    return caller


@pytest.fixture
async def realty(clock: SandboxClock) -> AsyncIterator[DigitalRealtySandbox]:
    sandbox = DigitalRealtySandbox(DigitalRealtySandboxSettings(clock=clock, oddities=False))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def order(session: aiohttp.ClientSession, realty: DigitalRealtySandbox) -> Caller:
    """A caller with a token of the Digital Realty sandbox and the first account's headers."""
    caller = Caller(session, realty, "/v1")
    caller.headers = {
        "Authorization": f"Bearer {realty.tokens.issue()}",
        "Master-Account-Id": "100123",
        "Account-Id": "A1",
    }
    return caller


@pytest.fixture
async def sip(clock: SandboxClock) -> AsyncIterator[SipSynergySandbox]:
    sandbox = SipSynergySandbox(SipSynergySandboxSettings(clock=clock, oddities=False))
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def tell(session: aiohttp.ClientSession, sip: SipSynergySandbox) -> Caller:
    """A caller with a token of the SIP Synergy sandbox."""
    caller = Caller(session, sip, "/api")
    caller.headers = {"Authorization": f"Bearer {sip.tokens.issue()}"}
    return caller
