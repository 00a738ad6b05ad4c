"""The description of the served calls is what they do."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from syncd.gateway.served.contract import LISTS, TEXT_NAMES
from syncd.gateway.served.openapi import document
from syncd.registry import PROVIDERS
from tests.gateway.served import CREATE, DETAILS, NAME, PREFIX, UPDATE, Office, offer_of, office

PACKAGED = Path(sys.modules[document.__module__].__file__ or "").with_name("openapi.json")
LIMIT_S = 200.0
"""It takes a fraction of this on a quiet machine."""
EXAMPLES = 12
SEED = 20261122
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,ignored_auth,unsupported_method"
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Office]:
    patient = {"limits": {"requests_per_s": "100000", "burst": "100000"}}
    async with office(tmp_path, offer_of(serve=patient)) as opened:
        yield opened


def test_the_packaged_document_is_that_of_a_connection_without_a_template() -> None:
    provider = PROVIDERS["smartops"]
    realm = {"issuer": "https://sso.example.com/realms/acme", "audience": "syncd"}
    settings = provider.settings_model.model_validate(
        {"mode": "serve", "serve": {"realms": [realm]}}
    )
    offer = provider.offer(settings, "CONNECTION", {})  # type: ignore[arg-type]
    assert offer is not None
    assert json.loads(PACKAGED.read_text(encoding="utf-8")) == document(offer)


def test_the_document_names_each_field_of_the_contract_and_marks_what_is_ours() -> None:
    made = document(offer_of())
    details = made["components"]["schemas"]["TicketDetails"]["properties"]
    assert set(details) >= {*TEXT_NAMES, *LISTS, "u_site", "u_vendor_ref"}
    ours = {
        operation["operationId"]
        for path in made["paths"].values()
        for name, operation in path.items()
        if name != "parameters" and operation.get("x-syncd-extension")
    }
    assert ours == {"listAttachments", "addAttachment", "getAttachment"}


async def test_a_connection_tells_its_callers_its_own_document(desk: Office) -> None:
    async with desk.http.get(f"{PREFIX}/openapi.json", headers=desk.login) as answer:
        assert await answer.json() == document(desk.offer)
    async with desk.http.get(f"{PREFIX}/openapi.json") as answer:
        assert answer.status == 401


@pytest.mark.slow
async def test_whatever_is_sent_the_answer_is_one_that_the_document_describes(
    desk: Office, tmp_path: Path
) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(_with_examples(document(desk.offer), await desk.raised())))
    process = await asyncio.create_subprocess_exec(
        program, "run", str(described),
        "--url", f"http://127.0.0.1:{desk.gateway.port}{PREFIX}",
        "--header", f"Authorization: {desk.login['Authorization']}",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none",
        "--suppress-health-check", "all", "--warnings", "off", "--no-color",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode(errors="replace")[-6000:]
    # It did reach the calls themselves, not only their refusals.
    seen = await desk.tickets.changed(NAME, since=None, after_row=0, limit=5)
    assert len(seen) > 1


def _with_examples(whole: dict[str, Any], ticket: dict[str, Any]) -> dict[str, Any]:
    """Let it know a ticket that is there, so that it finds its way past "no such ticket"."""
    schemas = whole["components"]["schemas"]
    schemas["UpdateRequest"]["properties"]["sysId"] = {"enum": [ticket["sysId"], "none"]}
    schemas["DetailsRequest"]["properties"]["ticketNumber"] = {
        "enum": [ticket["ticketNumber"], "none"]
    }
    paths = {path.removeprefix(PREFIX) for path in (CREATE, UPDATE, DETAILS)}
    assert paths <= set(whole["paths"])
    return whole
