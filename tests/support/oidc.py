"""A real OpenID provider (npm `oidc-provider`) with Keycloak's paths, started for the tests.

Where node or npm is missing, or the packages cannot be fetched, its tests are skipped and say so.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import aiohttp
import pytest

from syncd.transport.auth import basic

HOME = Path(__file__).parents[1] / "oidc"
START_S = 60.0
# Far below the time after which a test that hangs is killed.
INSTALL_S = 60.0
FAILED = HOME / ".failed"


@dataclass
class Provider:
    """The provider, running.

    Attributes:
        origin: where it listens; realms are `lab`, `rotating` (an offline token works once) and
            `other`.
    """

    origin: str
    http: aiohttp.ClientSession

    def issuer(self, realm: str = "lab") -> str:
        return f"{self.origin}/realms/{realm}"

    async def post(self, path: str, client: str, realm: str = "lab", **form: str) -> dict[str, Any]:
        """Post a form to one of the realm's endpoints, as a client."""
        url = f"{self.issuer(realm)}/protocol/openid-connect/{path}"
        login = {"Authorization": basic(client, f"{client}-secret").reveal()}
        async with self.http.post(url, data=form, headers=login) as answer:
            text = await answer.text()
            told: dict[str, Any] = json.loads(text) if text else {}
            return told

    async def token(self, client: str = "itops", realm: str = "lab") -> str:
        """An access token by client credentials."""
        told = await self.post("token", client, realm, grant_type="client_credentials")
        return str(told["access_token"])

    async def offline_token(self, person: str = "robot", realm: str = "lab") -> str:
        """An offline token issued to the client `syncd` for a person."""
        told = await self.post(
            "token", "syncd", realm, grant_type="password", username=person,
            password=f"{person}-password",
        )  # fmt: skip
        return str(told["refresh_token"])

    async def control(self, what: str, **query: str) -> None:
        async with self.http.post(f"{self.origin}/control/{what}", params=query) as answer:
            assert answer.status == 200


def installed() -> str:
    """Give node's path, its packages being there.

    Raises:
        pytest.skip.Exception: it cannot be had.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are needed for a real OpenID provider")
    # Several test processes may come at once; the first installs, or fails for all of them.
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "node_modules" / "oidc-provider").is_dir():
            run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process {os.getpid()}")
            if FAILED.exists() and FAILED.read_text() == run:
                pytest.skip("the OpenID provider could not be installed in this run")
            if why := _install(npm):
                FAILED.write_text(run)
                pytest.skip(f"the OpenID provider cannot be installed: {why}")
    return node


def _install(npm: str) -> str:
    """Fetch the packages; give why that failed, if it did."""
    command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    # Into a file: a process npm left behind would keep a pipe open after npm was killed.
    with TemporaryFile() as printed:
        process = subprocess.Popen(
            command, cwd=HOME, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(INSTALL_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(HOME / "node_modules", ignore_errors=True)
            return f"the packages did not come in {INSTALL_S:.0f} s"
        printed.seek(0)
        return printed.read().decode(errors="replace")[-200:] if status else ""


@asynccontextmanager
async def running_provider() -> AsyncIterator[Provider]:
    """Run the provider for as long as the block lasts."""
    node = await asyncio.to_thread(installed)
    process = await asyncio.create_subprocess_exec(
        node, "server.mjs", cwd=HOME, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        async with aiohttp.ClientSession() as http:
            yield Provider(origin=json.loads(line)["origin"], http=http)
    finally:
        process.stdin.close()
        await process.wait()
