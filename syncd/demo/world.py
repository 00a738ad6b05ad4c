"""The demo's world: a folder with a configuration, two simulated systems, a daemon between them."""

import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import orjson

from syncd.demo.automation import Automation
from syncd.demo.daemon import Daemon, DemoFailed
from syncd.demo.options import DemoOptions
from syncd.demo.realm import Realm
from syncd.sandbox import (
    SmartOpsSandbox,
    SmartOpsSandboxSettings,
    TelenorSandbox,
    TelenorSandboxSettings,
)
from syncd.sandbox.record import Event

SETUP = Path(__file__).parent / "setup"
"""The configuration, as files of this package."""
CONNECTION = "servicedesk"
"""The ITSM's name in it."""
AUTOMATION = "automation"
"""The name of the connection that is served."""
RING_TRIES, RING_RETRY_S = 600, 0.5
"""The ITSM's webhook rings until it is heard, also while the daemon is down."""

FAULTS = {
    "error_before": 0.04,
    "error_after": 0.03,
    "lost_answer": 0.03,
    "reset_before": 0.02,
    "slow": 0.05,
    "rate_limited": 0.04,
    "expired_token": 0.02,
    "garbage": 0.03,
    "stale_read": 0.05,
}
"""How often a request meets what."""
DESK_FAULTS = {"envelope_before": 0.02, "envelope_after": 0.02}
CARRIER_FAULTS = {"search_lag": 0.03, "page_drift": 0.02}
SLOW_S = 0.4
LAG_S = 1.0
"""Below the settle times in setup/syncd.yaml: what lags longer than promised breaks the promise."""


@dataclass(slots=True)
class World:
    """Everything there is.

    Attributes:
        folder: configuration, store and log.
        desk: the ITSM.
        carrier: the vendor.
        automation: what raises tickets by calling the daemon.
        daemon: what keeps them in step.
        is_kept: the folder stays when all is over: somebody wants to look, or it failed.
    """

    folder: Path
    desk: SmartOpsSandbox
    carrier: TelenorSandbox
    automation: Automation
    daemon: Daemon
    is_kept: bool = False

    def misbehave(self) -> None:
        """Let both systems show faults from now on."""
        self.desk.faults.rates(FAULTS | DESK_FAULTS, delay_s=SLOW_S, lag_s=LAG_S)
        self.carrier.faults.rates(FAULTS | CARRIER_FAULTS, delay_s=SLOW_S, lag_s=LAG_S)

    @property
    def itsm_record(self) -> list[Event]:
        """What happened on the ITSM's side: at the desk, and to the automation's tickets."""
        return [*self.desk.record, *self.automation.record]

    def save_records(self) -> None:
        """Write what both systems recorded beside the rest, one event a line."""
        for name, record in (("itsm", self.itsm_record), ("vendor", self.carrier.record)):
            lines = (orjson.dumps(event, default=str) for event in record)
            (self.folder / f"{name}-record.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    def behave(self) -> None:
        """End all faults."""
        self.desk.faults.clear()
        self.carrier.faults.clear()


@asynccontextmanager
async def world(options: DemoOptions, seed: int) -> AsyncIterator[World]:
    """Build it; take it down in the end, and its folder unless it is kept."""
    folder = Path(tempfile.mkdtemp(prefix="syncd-demo-"))
    words = {name: secrets.token_urlsafe(24) for name in _SECRETS}
    desk = SmartOpsSandbox(
        SmartOpsSandboxSettings(
            seed=seed,
            offline_token=words["SYNCD_DEMO_ITSM_TOKEN"],
            notify_token=words["SYNCD_DEMO_NOTIFY_TOKEN"],
            notify_tries=RING_TRIES,
            notify_retry_s=RING_RETRY_S,
        )
    )
    carrier = TelenorSandbox(
        TelenorSandboxSettings(
            seed=seed,
            client_secret=words["SYNCD_DEMO_VENDOR_SECRET"],
            password=words["SYNCD_DEMO_VENDOR_PASSWORD"],
        )
    )
    port = _free_port()
    issuer = Realm()
    automation = Automation(issuer, f"http://127.0.0.1:{port}/smartops/{AUTOMATION}")
    made = World(
        folder=folder,
        desk=desk,
        carrier=carrier,
        automation=automation,
        daemon=Daemon(
            config=folder / "config" / "syncd.yaml",
            port=port,
            secrets=words,
            log=folder / "daemon.log",
        ),
        is_kept=options.keep,
    )
    try:
        async with desk, carrier, issuer, automation:
            urls = {"itsm_url": desk.base_url, "vendor_url": carrier.base_url, "issuer": issuer.url}
            _write_config(folder, port, urls)
            ring = f"http://127.0.0.1:{port}/notify/{CONNECTION}"
            desk.notify_to(ring, words["SYNCD_DEMO_NOTIFY_TOKEN"])
            try:
                yield made
            except DemoFailed:
                made.is_kept = True
                raise
            finally:
                await made.daemon.stop()
    finally:
        if not made.is_kept:
            shutil.rmtree(folder, ignore_errors=True)


_SECRETS = (
    "SYNCD_DEMO_STORE_KEY",
    "SYNCD_DEMO_ITSM_TOKEN",
    "SYNCD_DEMO_NOTIFY_TOKEN",
    "SYNCD_DEMO_VENDOR_SECRET",
    "SYNCD_DEMO_VENDOR_PASSWORD",
)


def _write_config(folder: Path, port: int, urls: Mapping[str, str]) -> None:
    config = folder / "config"
    shutil.copytree(SETUP, config)
    main = config / "syncd.yaml"
    words = {"folder": str(folder), "port": str(port), **urls}
    text = Template(main.read_text(encoding="utf-8")).substitute(words)
    main.write_text(text, encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
