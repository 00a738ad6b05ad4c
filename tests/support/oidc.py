"""A real OpenID provider (npm `oidc-provider`) with Keycloak's paths, started for the tests.

Where node or npm is missing, or the packages cannot be fetched, its tests are skipped and say so.
"""

import asyncio
import fcntl
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from syncd.transport.auth import basic

HOME = Path(__file__).parents[1] / "oidc"
START_S = 60.0
INSTALL_S = 300.0


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
    # Several test processes may come at once; the first installs.
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "node_modules" / "oidc-provider").is_dir():
            command = [npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"]
            try:
                done = subprocess.run(
                    command,
                    cwd=HOME,
                    capture_output=True,
                    text=True,
                    timeout=INSTALL_S,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                pytest.skip("the packages of the OpenID provider did not come in time")
            if done.returncode:
                pytest.skip(f"the OpenID provider cannot be installed: {done.stderr[-200:]}")
    return node


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
