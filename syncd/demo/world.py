"""The demo's world: a folder with a configuration, simulated systems, a daemon between them."""

import re
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import orjson

from syncd.demo.automation import Automation
from syncd.demo.daemon import Daemon, DemoFailed
from syncd.demo.options import DemoOptions
from syncd.demo.other_staff import HandsStaff, RealtyStaff, SipStaff
from syncd.demo.pairing import PAIRINGS, Pairing
from syncd.demo.realm import Realm
from syncd.demo.staff import Staff
from syncd.demo.telenor_staff import TelenorStaff
from syncd.sandbox import (
    B612Sandbox,
    B612SandboxSettings,
    DigitalRealtySandbox,
    DigitalRealtySandboxSettings,
    Sandbox,
    SipSynergySandbox,
    SipSynergySandboxSettings,
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
LIST_FAULTS = {"search_lag": 0.03, "page_drift": 0.02}
"""Of vendors that have lists."""
NOT_OF_B612 = frozenset({"expired_token"})
"""It has no tokens."""
NOWHERE = "http://127.0.0.1:9"
"""The address of a vendor that takes no part; nothing asks it."""
SLOW_S = 0.4
LAG_S = 1.0
"""Below the settle times in setup/syncd.yaml: what lags longer than promised breaks the promise."""


@dataclass(slots=True)
class World:
    """Everything there is.

    Attributes:
        folder: configuration, store and log.
        pairings: what takes part.
        desk: the ITSM.
        vendors: by name.
        automation: what raises tickets by calling the daemon.
        daemon: what keeps them in step.
        is_kept: the folder stays when all is over: somebody wants to look, or it failed.
    """

    folder: Path
    pairings: Sequence[Pairing]
    desk: SmartOpsSandbox
    vendors: Mapping[str, Sandbox]
    automation: Automation
    daemon: Daemon
    is_kept: bool = False

    def misbehave(self) -> None:
        """Let every system show faults from now on."""
        self.desk.faults.rates(FAULTS | DESK_FAULTS, delay_s=SLOW_S, lag_s=LAG_S)
        for name, vendor in self.vendors.items():
            rates = FAULTS | LIST_FAULTS
            if name == "b612":
                rates = {kind: share for kind, share in FAULTS.items() if kind not in NOT_OF_B612}
            vendor.faults.rates(rates, delay_s=SLOW_S, lag_s=LAG_S)

    def staffs(self) -> list[Staff]:
        """Give the people of each pairing."""
        made: list[Staff] = []
        for vendor in self.vendors.values():
            match vendor:
                case TelenorSandbox():
                    made.append(TelenorStaff(self.desk, vendor, self.automation))
                case DigitalRealtySandbox():
                    made.append(RealtyStaff(self.desk, vendor))
                case SipSynergySandbox():
                    made.append(SipStaff(self.desk, vendor))
                case B612Sandbox():
                    made.append(HandsStaff(self.desk, vendor))
        return made

    @property
    def systems(self) -> tuple[Sandbox, ...]:
        """All of them, the ITSM first."""
        return (self.desk, *self.vendors.values())

    @property
    def by_connection(self) -> dict[str, tuple[Pairing, Sandbox]]:
        """The vendors by the names of their connections."""
        return {each.connection: (each, self.vendors[each.name]) for each in self.pairings}

    @property
    def vendor_records(self) -> dict[str, list[Event]]:
        """What happened at each vendor."""
        return {name: vendor.record for name, vendor in self.vendors.items()}

    @property
    def itsm_record(self) -> list[Event]:
        """What happened on the ITSM's side: at the desk, and to the automation's tickets."""
        return [*self.desk.record, *self.automation.record]

    def save_records(self) -> None:
        """Write what every system recorded beside the rest, one event a line."""
        for name, record in {"itsm": self.itsm_record, **self.vendor_records}.items():
            lines = (orjson.dumps(event, default=str) for event in record)
            (self.folder / f"{name}-record.jsonl").write_bytes(b"\n".join(lines) + b"\n")

    def behave(self) -> None:
        """End all faults."""
        for system in self.systems:
            system.faults.clear()


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
    vendors = {each.name: _VENDORS[each.name](seed, words) for each in options.pairings}
    port = _free_port()
    issuer = Realm()
    automation = Automation(issuer, f"http://127.0.0.1:{port}/smartops/{AUTOMATION}")
    made = World(
        folder=folder,
        pairings=options.pairings,
        desk=desk,
        vendors=vendors,
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
        async with AsyncExitStack() as stack:
            for system in made.systems:
                await stack.enter_async_context(system)
            await stack.enter_async_context(issuer)
            await stack.enter_async_context(automation)
            urls = {f"{name}_url": NOWHERE for name in PAIRINGS}
            urls |= {f"{name}_url": vendor.base_url for name, vendor in vendors.items()}
            urls |= {"itsm_url": desk.base_url, "issuer": issuer.url}
            _write_config(folder, port, urls)
            _leave_out(folder, options.pairings)
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
    "SYNCD_DEMO_TELENOR_SECRET",
    "SYNCD_DEMO_TELENOR_PASSWORD",
    "SYNCD_DEMO_DLR_SECRET",
    "SYNCD_DEMO_SIP_SECRET",
    "SYNCD_DEMO_B612_KEY",
)


def _telenor(seed: int, words: Mapping[str, str]) -> Sandbox:
    return TelenorSandbox(
        TelenorSandboxSettings(
            seed=seed,
            client_secret=words["SYNCD_DEMO_TELENOR_SECRET"],
            password=words["SYNCD_DEMO_TELENOR_PASSWORD"],
        )
    )


def _digital_realty(seed: int, words: Mapping[str, str]) -> Sandbox:
    secret = words["SYNCD_DEMO_DLR_SECRET"]
    return DigitalRealtySandbox(DigitalRealtySandboxSettings(seed=seed, client_secret=secret))


def _sipsynergy(seed: int, words: Mapping[str, str]) -> Sandbox:
    secret = words["SYNCD_DEMO_SIP_SECRET"]
    return SipSynergySandbox(SipSynergySandboxSettings(seed=seed, client_secret=secret))


def _b612(seed: int, words: Mapping[str, str]) -> Sandbox:
    key = words["SYNCD_DEMO_B612_KEY"]
    return B612Sandbox(B612SandboxSettings(seed=seed, api_key=key))


_VENDORS: Mapping[str, Callable[[int, Mapping[str, str]], Sandbox]] = {
    "telenor": _telenor,
    "digital_realty": _digital_realty,
    "sipsynergy": _sipsynergy,
    "b612": _b612,
}


def _leave_out(folder: Path, pairings: Iterable[Pairing]) -> None:
    """Remove the mappings and the connection of each vendor that takes no part.

    A connection that stayed would be polled in vain, and never be read completely.
    """
    kept = {name for each in pairings for name in each.mappings}
    for file in (folder / "config" / "mappings").iterdir():
        if file.stem not in kept:
            file.unlink()
    main = folder / "config" / "syncd.yaml"
    text = main.read_text(encoding="utf-8")
    absent = {each.connection for each in PAIRINGS.values()} - {
        each.connection for each in pairings
    }
    for name in absent:
        text = re.sub(rf"(?m)^  {re.escape(name)}:\n(?:    .*\n)+", "", text)
    main.write_text(text, encoding="utf-8")


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
