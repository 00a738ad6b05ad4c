"""A whole daemon between two sandboxes, in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from syncd.app import DaemonOptions, Started, run_daemon
from syncd.sandbox import (
    SmartOpsSandbox,
    SmartOpsSandboxSettings,
    TelenorSandbox,
    TelenorSandboxSettings,
)
from syncd.settings.load import load
from syncd.settings.secrets import SecretSource
from syncd.settings.values import Settings

SECRETS = {
    "STORE_KEY": "a-key-for-the-store",
    "NOTIFY_TOKEN": "a-token-to-notify",
    "OFFLINE": "smartops-offline-token",
    "TELENOR_SECRET": "telenor-secret",
    "TELENOR_PASSWORD": "telenor-password",
}
LIMIT_S = 30.0
"""A test that takes longer hangs."""

DAEMON = """\
environment: test
store: {{url: "sqlite:///{folder}/syncd.db", key: {{env: STORE_KEY}}}}
http: {{listen: "127.0.0.1:0"}}
log: {{level: info}}
connections:
  desk:
    provider: smartops
    base_url: {desk}
    auth:
      token_url: {desk}/realms/acme/protocol/openid-connect/token
      client_id: syncd
      offline_token: {{env: OFFLINE}}
    poll: {{every: {every}}}
    notify: {{token: {{env: NOTIFY_TOKEN}}}}
    pace: {{requests_per_s: 500, concurrency: 8}}
    settle: {{read_s: 0}}
    fields:
      vendor_ref: {{key: u_vendor_ref, access: read_write, max: 40}}
    visibility: {{comments: public}}
    phases: {{open: [New, In Progress, On Hold], resolved: [Resolved], closed: [Closed, Cancelled]}}
  telenor:
    provider: telenor
    base_url: {telenor}
    user_name: syncd
    auth:
      token_url: {telenor}/oauth/v2/token
      client_id: acme
      client_secret: {{env: TELENOR_SECRET}}
      username: acme-system
      password: {{env: TELENOR_PASSWORD}}
    poll: {{every: {every}}}
    pace: {{requests_per_s: 500, concurrency: 4}}
    settle: {{read_s: 0}}
    phases: {{open: [New], resolved: [Solved], closed: [Customer Accepted]}}
mappings: mappings/*.yaml
"""

MAPPING = """\
mapping: incidents
mode: {mode}
itsm: {{connection: desk}}
vendor: {{connection: telenor, kind: incident}}
open:
  to_vendor:
    when: {{assigned_group: Telenor NOC}}
  to_itsm:
    when: {{organization_number: "912345678"}}
    set: {{assigned_group: Network}}
references:
  on_itsm: {{field: vendor_ref, value: number}}
fields:
  to_vendor:
    title: {{from: title}}
    description: {{from: description}}
    organization_number: {{value: "912345678"}}
    product_category_name: {{value: Nordic Connect}}
    identification_number: {{value: LU-12345678}}
    incident_type: {{value: Annen type feil}}
  to_itsm:
    title: {{from: title}}
    description: {{from: description}}
  both:
    priority:
      itsm: priority
      vendor: priority
      map: {{"1": Critical, "2": High, "3": Medium, "4": Low}}
      conflict: itsm
comments:
  to_vendor:
    share: [{{kind: comment}}]
    text: "{{{{ author }}}}: {{{{ body }}}}"
  to_itsm: {{as: work_note, text: "{{{{ author }}}} (Telenor): {{{{ body }}}}"}}
"""


@dataclass
class World:
    """Two sandboxes, a configuration, and daemons started on it one after the other."""

    folder: Path
    desk: SmartOpsSandbox
    telenor: TelenorSandbox
    every: str = "100ms"
    environ: dict[str, str] = field(default_factory=dict)

    def configure(self, *, mode: str = "live", daemon: str = DAEMON) -> None:
        """Write the configuration."""
        text = daemon.format(
            folder=self.folder, desk=self.desk.base_url, telenor=self.telenor.base_url,
            every=self.every,
        )  # fmt: skip
        (self.folder / "syncd.yaml").write_text(text)
        (self.folder / "mappings").mkdir(exist_ok=True)
        (self.folder / "mappings" / "incidents.yaml").write_text(MAPPING.format(mode=mode))

    def load(self, path: Path | None = None) -> Settings:
        return load(path or self.config, secrets=SecretSource(environ=SECRETS))

    @property
    def config(self) -> Path:
        return self.folder / "syncd.yaml"

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator["Running"]:
        """Run a daemon for as long as the block lasts; it must end with status 0."""
        async with self.start() as running:
            yield running
            running.options.stop.set()
            assert await running.ended() == 0

    @asynccontextmanager
    async def start(self) -> AsyncIterator["Running"]:
        """Run a daemon until it ends by itself, or is killed when the block ends."""
        up: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        options = DaemonOptions(
            environ=self.environ, load=self.load, signals=False, started=up.set_result,
            port_file=self.folder / "port",
        )  # fmt: skip
        task = asyncio.create_task(
            run_daemon(self.load(), config_path=self.config, options=options), name="daemon"
        )
        try:
            done, _ = await asyncio.wait(
                [task, up], return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT_S
            )
            assert done, "the daemon did not start in time"
            if task in done:
                await task
            yield Running(task, options, up.result())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass
class Running:
    """A daemon that runs."""

    task: asyncio.Task[int]
    options: DaemonOptions
    started: Started

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.started.port}"

    async def ended(self) -> int:
        async with asyncio.timeout(LIMIT_S):
            return await asyncio.shield(self.task)


@asynccontextmanager
async def world(
    folder: Path, desk_settings: SmartOpsSandboxSettings | None = None
) -> AsyncIterator[World]:
    """Two sandboxes, and a configuration that joins them."""
    desk = SmartOpsSandbox(desk_settings or SmartOpsSandboxSettings(seed=1))
    telenor = TelenorSandbox(
        # A case of this very second is not older than the mapping.
        TelenorSandboxSettings(seed=1, oddities=False, whole_seconds=False)
    )
    await desk.start()
    await telenor.start()
    try:
        made = World(folder=folder, desk=desk, telenor=telenor)
        made.configure()
        yield made
    finally:
        await desk.stop()
        await telenor.stop()


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds in the sandboxes' records."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not holds():  # noqa: ASYNC110 - another world has no events for us
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not come true in time: {what}") from None


def settings_for(folder: Path) -> Settings:
    """Settings of the two connections, with nobody at the other end."""
    daemon = DAEMON.format(
        folder=folder, desk="http://127.0.0.1:1", telenor="http://127.0.0.1:2", every="60s"
    )
    (folder / "syncd.yaml").write_text(daemon)
    (folder / "mappings").mkdir()
    (folder / "mappings" / "incidents.yaml").write_text(MAPPING.format(mode="live"))
    return load(folder / "syncd.yaml", secrets=SecretSource(environ=SECRETS))
