"""The control interface under `/_control/`: play the people, read the record, set faults, time."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from syncd.sandbox.calls import json_answer
from syncd.sandbox.clock import SandboxClock, iso
from syncd.sandbox.faults import Faults
from syncd.sandbox.record import Event, Record

ZEROS_MAX_BYTES = 64 * 1024 * 1024
"""Largest attachment the control interface makes up from a size."""


class Controlled(Protocol):
    """What the control interface asks of a sandbox."""

    clock: SandboxClock
    record: Record
    faults: Faults

    @property
    def acts(self) -> dict[str, Callable[..., Any]]: ...
    @property
    def operations(self) -> list[str]: ...
    @property
    def violations(self) -> list[Event]: ...
    def tickets(self) -> list[dict[str, Any]]: ...


class Control:
    """Answer the control calls of one sandbox; a wrong one gets 400 and the reason."""

    def __init__(self, sandbox: Controlled) -> None:
        self._sandbox = sandbox

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one control request."""
        name = request.path.removeprefix("/_control/").strip("/")
        try:
            body = orjson.loads(await request.read() or b"{}")
            if request.method == "POST":
                return json_answer(self._post(name, body))
            if request.method == "GET":
                return json_answer(self._get(name, request))
        except LookupError as error:
            return json_answer({"error": str(error)}, 404)
        except (ValueError, TypeError) as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer({"error": f"{request.method} is not answered here"}, 405)

    def _get(self, name: str, request: web.Request) -> Any:
        sandbox = self._sandbox
        if name == "record":
            return sandbox.record.since(int(request.query.get("since", "0")))
        if name == "tickets":
            return sandbox.tickets()
        if name == "violations":
            return sandbox.violations
        if name == "clock":
            return self._clock()
        if name == "faults":
            return {"operations": sandbox.operations, "pending": sandbox.faults.describe()}
        raise LookupError(f"no /_control/{name}; GET: record, tickets, violations, clock, faults")

    def _post(self, name: str, body: dict[str, Any]) -> Any:
        if name == "act":
            return self._act(dict(body))
        if name == "faults":
            return self._faults(body)
        if name == "clock":
            return self._set_clock(body)
        raise LookupError(f"no /_control/{name}; POST: act, faults, clock")

    def _act(self, body: dict[str, Any]) -> Any:
        do = body.pop("do", None)
        act = self._sandbox.acts.get(str(do))
        if act is None:
            raise LookupError(f"nobody can {do!r}; there is: {', '.join(self._sandbox.acts)}")
        if do == "attach":
            body["content"] = _content(body)
        return {"result": act(**body)}

    def _faults(self, body: dict[str, Any]) -> Any:
        faults = self._sandbox.faults
        if body.get("clear"):
            faults.clear()
        for rule in body.get("next", []):
            faults.next(**rule)
        if "rates" in body:
            faults.rates(body["rates"], body.get("only"), **body.get("options", {}))
        return {"pending": faults.describe()}

    def _set_clock(self, body: dict[str, Any]) -> Any:
        clock = self._sandbox.clock
        if body.get("freeze"):
            at = body["freeze"]
            clock.freeze(_instant(at) if isinstance(at, str) else None)
        if body.get("resume"):
            clock.resume()
        if "advance" in body:
            clock.advance(float(body["advance"]))
        return self._clock()

    def _clock(self) -> dict[str, Any]:
        clock = self._sandbox.clock
        return {"now": iso(clock.now()), "frozen": clock.is_frozen}


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text}: an instant needs its zone")
    return at


def _content(body: dict[str, Any]) -> bytes:
    if "content_base64" in body:
        try:
            return base64.b64decode(body.pop("content_base64"), validate=True)
        except binascii.Error as error:
            raise ValueError(f"content_base64: {error}") from error
    size = int(body.pop("size", 0))
    if not 0 <= size <= ZEROS_MAX_BYTES:
        raise ValueError(f"size: from 0 to {ZEROS_MAX_BYTES}")
    return bytes(size)
