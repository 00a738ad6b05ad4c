"""One daemon: what it is built from, how it starts, reloads and stops."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from socket import gethostname

import structlog

from syncd import __version__
from syncd.app import assembly, stored
from syncd.app.assembly import Plant, Workshop
from syncd.app.heart import Heart, HeartParts
from syncd.app.housekeeping import Housekeeping, HouseParts
from syncd.app.options import DaemonOptions, Started
from syncd.app.places import socket_path, store_url
from syncd.app.polls import Poller, PollParts
from syncd.app.schedule import Schedule
from syncd.app.secrets import secrets_in
from syncd.app.serving import Offers, served_tickets
from syncd.app.signals import handled
from syncd.app.supervision import Supervisor, Surroundings, first
from syncd.app.systemd import Notifier
from syncd.core.active import Question, question
from syncd.core.rules import MappingMode
from syncd.delivery.options import Hooks, Options
from syncd.delivery.service import Delivery
from syncd.gateway.health import Health
from syncd.gateway.metrics import Metrics, StoreSample
from syncd.gateway.operators import OperatorParts, OperatorsSocket
from syncd.gateway.server import Gateway, GatewayOptions, GatewayParts, ServedParts
from syncd.intake.service import Intake, IntakePorts
from syncd.log import ExchangeLog
from syncd.model.errors import CommandRefused, SettingsError
from syncd.model.ids import ConnectionName, MappingName
from syncd.model.outbox import ClaimedOperation
from syncd.model.secret import Secret
from syncd.ports.adapter import Adapter
from syncd.settings.values import Settings
from syncd.store import meta
from syncd.store.database import Database
from syncd.store.records import Instance
from syncd.store.serving import StoredCredentials, StoredTickets
from syncd.store.spool import Spool
from syncd.transport.pool import ClientPool

STOP_MAX_S = 40.0
"""Seconds from SIGTERM to the end, whatever hangs; systemd kills after 45."""
DELIVERY_STOP_S = 36.0
"""Of these, what delivery has: its own bounds (send, store, abandon, release) and a second."""
READING_STOP_S = 3.0
"""What polls and reads have: they are repeated at the next start."""
CLOSING_S = 2.0
"""What closing connections has; a token just being fetched may need it."""
STORE_GRACE_S = 15.0
"""Seconds a file's store may fail before the daemon gives up: a full disk does not pass."""
SHARED_STORE_GRACE_S = 120.0
"""Seconds a database server may be away."""
OWNER_CHARS = 8
"""Random characters of a lease owner's name."""

_log = structlog.get_logger()


async def run_daemon(
    settings: Settings, *, config_path: Path, options: DaemonOptions | None = None
) -> int:
    """Run until told to stop.

    Args:
        settings: the configuration, whole.
        config_path: where it came from, for reloads.
        options: how to run.

    Returns:
        Exit status: 0 stopped as told, 1 the store could not be used any more.

    Raises:
        SettingsError, CommandRefused: it cannot run so: exit status 2.
        StoreUnavailable: the store cannot be opened: exit status 1.
    """
    options = options or DaemonOptions()
    options.redactor.learn(secrets_in((settings.connections, settings.store)))
    async with contextlib.AsyncExitStack() as stack:
        if options.signals:
            stack.enter_context(handled(options.stop, options.hurry, options.reload))
        url, spool = store_url(settings.store), Spool(settings.store.spool, clock=options.clock)
        await stored.refuse_emptied(url, settings.store.spool)
        db = await stack.enter_async_context(
            await Database.open(url, upgrade=True, what="syncd run", clock=options.clock)
        )
        instance = await stored.settle(
            db,
            settings,
            prefix=options.ids.token(stored.PREFIX_CHARS),
            now=options.clock.now(),
        )
        mark = options.ids.token(stored.MARK_CHARS)
        await stored.settle_spool(db, settings.store.spool, mark=mark)
        db.belongs_to(instance.prefix)
        pool = await stack.enter_async_context(_closing_in_time(ClientPool()))
        offers = Offers(settings)
        served = served_tickets(db, spool, offers, clock=options.clock, ids=options.ids)
        ground = _Ground(db, instance, pool, config_path, spool, offers, served)
        daemon = await _assembled(settings, options, ground)
        return await daemon.run()


@contextlib.asynccontextmanager
async def _closing_in_time(pool: ClientPool) -> AsyncIterator[ClientPool]:
    try:
        yield pool
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await pool.close()


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is there before anything is built."""

    db: Database
    instance: Instance
    pool: ClientPool
    config_path: Path
    spool: Spool
    offers: Offers
    served: StoredTickets


async def _assembled(settings: Settings, options: DaemonOptions, ground: _Ground) -> "Daemon":
    metrics = Metrics(clock=options.clock, version=__version__)
    changed = asyncio.Event()
    workshop = Workshop(
        pool=ground.pool,
        clock=options.clock,
        ids=options.ids,
        tokens=stored.token_store(ground.db, settings.store.key, options.clock),
        log=ExchangeLog([metrics.exchanged]),
        changed=changed.set,
        served=ground.served,
        shared=partial(stored.SharedRate, ground.db, clock=options.clock)
        if ground.db.is_shared
        else None,
    )
    plant = await assembly.build(settings, workshop)
    return Daemon(options, ground, workshop, metrics=metrics, plant=plant, changed=changed)


@dataclass(slots=True)
class _Bells:
    """Events that save waiting; a lost ring loses nothing."""

    intake: asyncio.Event = field(default_factory=asyncio.Event)
    delivery: asyncio.Event = field(default_factory=asyncio.Event)

    def ring(self) -> None:
        self.intake.set()
        self.delivery.set()

    def heard(self, said: str) -> None:
        """Another process on the same store planned something, or was told something."""
        (self.delivery if said == "delivery" else self.intake).set()


class Daemon:
    """Everything that runs, built once; a reload swaps what came from the configuration."""

    def __init__(
        self,
        options: DaemonOptions,
        ground: _Ground,
        workshop: Workshop,
        *,
        metrics: Metrics,
        plant: Plant,
        changed: asyncio.Event,
    ) -> None:
        """Build the services; nothing runs yet."""
        self._options = options
        self._ground = ground
        self._workshop = workshop
        self._metrics = metrics
        self._plant = plant
        self._changed = changed
        self._bells = _Bells()
        ground.db.ring_with(self._bells.heard)
        self._notifier = Notifier(options.environ)
        self._health = Health(clock=options.clock)
        self._started_at: datetime = options.clock.now()
        self._owner = f"{gethostname()}:{os.getpid()}:{options.ids.token(OWNER_CHARS)}"
        # Delivery looks into this one at each use: a reload changes what is in it.
        self._adapters: dict[ConnectionName, Adapter] = dict(plant.adapters)
        self._schedule = Schedule()
        self._spool = ground.spool
        self._intake = Intake(
            IntakePorts(
                db=ground.db, clock=options.clock, ids=options.ids,
                prefix=ground.instance.prefix, root=ground.instance.root, metrics=metrics,
            ),
            plant.intake_config(),
            wake=self._bells.intake,
            delivery_wake=self._bells.delivery,
        )  # fmt: skip
        self._gateway = self._make_gateway()
        self._health.add_check("store", self._store_reason)
        self._tell_names()

    # --- running ---------------------------------------------------------------------------------

    async def run(self) -> int:
        """Run until told to stop; gives the exit status."""
        options = self._options
        async with self._open_doors() as socket, asyncio.TaskGroup() as group:
            supervisor = Supervisor(group, self._surroundings())
            heart = group.create_task(self._make_heart().run(), name="heart")
            self._start_services(supervisor)
            self._schedule.start()
            self._health.entered("running")
            self._notifier.ready()
            self._notifier.status(self._in_short())
            _log.info("app.started", port=self._gateway.port, **self._told())
            self._remark()
            options.started(Started(port=self._gateway.port, socket=socket))
            await self._until_stopped(supervisor)
            await self._stop(supervisor)
            heart.cancel()
        if supervisor.reason:
            _log.critical("app.given_up", reason=supervisor.reason)
            return 1
        _log.info("app.stopped")
        return 0

    @contextlib.asynccontextmanager
    async def _open_doors(self) -> AsyncIterator[Path | None]:
        """Listen on the HTTP port, and beside a SQLite file on the operators' socket."""
        path = socket_path(self._plant.settings)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._gateway.serve())
                if path is not None:
                    parts = OperatorParts(
                        commands=stored.StoredCommands(self._ground.db, self._options.clock),
                        info=self._info,
                        ring=self._bells.ring,
                    )
                    await stack.enter_async_context(OperatorsSocket(path, parts).serve())
            except OSError as err:
                raise CommandRefused(str(err)) from err
            yield path

    def _start_services(self, supervisor: Supervisor) -> None:
        # What a former life was sending is settled before anything new is sent.
        supervisor.start("delivery", self._deliver, limit_s=DELIVERY_STOP_S)
        supervisor.start("intake", self._intake.run, limit_s=READING_STOP_S)
        parts = HouseParts(
            db=self._ground.db, spool=self._spool, plant=lambda: self._plant,
            metrics=self._metrics, clock=self._options.clock, changed=self._changed,
        )  # fmt: skip
        supervisor.start("housekeeping", Housekeeping(parts).run, limit_s=READING_STOP_S)
        for name in self._polled():
            self._start_polling(supervisor, name)

    async def _deliver(self, stop: asyncio.Event) -> None:
        """Live once as delivery: another life is another lease owner."""
        delivery = Delivery(
            self._ground.db,
            self._adapters,
            self._spool,
            clock=self._options.clock,
            ids=self._options.ids,
            options=Options(
                owner=f"{self._owner}:{self._options.ids.token(4)}",
                lease_s=self._plant.settings.store.lease_s,
                concurrencies={
                    name: traits.features.limits.concurrency
                    for name, traits in self._plant.traits.items()
                },
            ),
            hooks=Hooks(
                live_mappings=self._live_mappings,
                normalise=lambda name, field, value: self._plant.traits[name].normalise(
                    field, value
                ),
                question=self._question,
                doorbell=self._bells.delivery,
                metrics=self._metrics,
            ),
        )
        await delivery.recover()
        await delivery.run(stop)

    def _question(self, op: ClaimedOperation) -> Question | None:
        """Say what is to be looked for before a create is sent, by the rules as they stand now."""
        config = self._plant.intake_config()
        rules = config.mappings.get(op.mapping)
        if rules is None:
            return None
        return question(rules, op.source, op.target, config.traits_of(rules))

    def _start_polling(self, supervisor: Supervisor, name: ConnectionName) -> None:
        connection = self._plant.settings.connections[name]
        bell = self._schedule.every(name, connection.poll, first_at=self._options.clock.now())
        parts = PollParts(
            intake=self._intake, db=self._ground.db, owner=self._owner,
            every_s=lambda which: self._plant.settings.connections[which].poll.every_s,
            health=self._health, metrics=self._metrics, clock=self._options.clock,
        )  # fmt: skip
        run = Poller(name, bell, parts).run
        supervisor.start(_poll_service(name), run, limit_s=READING_STOP_S)

    async def _until_stopped(self, supervisor: Supervisor) -> None:
        stop, reload = self._options.stop, self._options.reload
        while not stop.is_set() and not supervisor.given_up.is_set():
            await first(stop.wait(), reload.wait(), supervisor.given_up.wait())
            if reload.is_set() and not stop.is_set():
                reload.clear()
                await self._reload(supervisor)

    async def _stop(self, supervisor: Supervisor) -> None:
        _log.info("app.stopping", within_s=STOP_MAX_S)
        self._health.entered("stopping")
        self._notifier.stopping()
        self._schedule.stop()
        await first(supervisor.finish(), self._options.hurry.wait())
        await supervisor.cut_off()

    # --- reloading -------------------------------------------------------------------------------

    async def _reload(self, supervisor: Supervisor) -> None:
        """Swap the whole configuration, or none of it."""
        self._notifier.reloading(self._options.clock.monotonic_s())
        try:
            settings = await asyncio.to_thread(self._options.load, self._ground.config_path)
            _refuse_moving(self._plant.settings, settings)
            self._options.redactor.learn(secrets_in((settings.connections, settings.store)))
            plant = await assembly.build(settings, self._workshop, self._plant)
            await stored.settle(
                self._ground.db,
                settings,
                prefix=self._ground.instance.prefix,
                now=self._options.clock.now(),
            )
        except (SettingsError, CommandRefused) as err:
            problems = err.problems if isinstance(err, SettingsError) else (str(err),)
            _log.error("app.reload_refused", problems=problems, count=len(problems))
            self._notifier.status(f"reload refused, the old configuration stays: {problems[0]}")
        except Exception:  # noqa: BLE001 - whatever it is, the old configuration stays
            _log.exception("app.reload_failed")
            self._notifier.status("reload failed, the old configuration stays; see the log")
        else:
            await self._swap(plant, supervisor)
            self._notifier.status(self._in_short())
            _log.info("app.reloaded", **self._told())
            self._remark()
        self._notifier.ready()

    async def _swap(self, plant: Plant, supervisor: Supervisor) -> None:
        # No await until all agree: nobody sees half of the old and half of the new.
        self._plant = plant
        self._ground.offers.swap(plant.offers)
        self._adapters.clear()
        self._adapters.update(plant.adapters)
        self._intake.reload(plant.intake_config())
        self._gateway.reload(
            _tokens(plant.settings), frozenset(plant.settings.connections), plant.offers
        )
        self._tell_names()
        self._options.set_log(plant.settings.log)
        self._bells.ring()
        wanted = {_poll_service(name): name for name in self._polled()}
        running = {name for name in supervisor.names() if name.startswith(_POLL)}
        for service in running - set(wanted):
            self._schedule.forget(service.removeprefix(_POLL))
            await supervisor.end(service)
        for service, name in wanted.items():
            if service not in running:
                self._start_polling(supervisor, name)
            else:
                poll = plant.settings.connections[name].poll
                self._schedule.every(name, poll, first_at=self._options.clock.now())

    # --- what others ask -------------------------------------------------------------------------

    def _live_mappings(self) -> frozenset[MappingName]:
        return frozenset(
            rules.name
            for rules in self._plant.settings.mappings.values()
            if rules.mode is MappingMode.LIVE
        )

    def _polled(self) -> frozenset[ConnectionName]:
        """Name the connections that have a feed or a list, and a mapping that uses it."""
        config = self._plant.intake_config()
        used = {name for name in self._plant.adapters if config.kinds(name)}
        return frozenset(used - self._plant.watched())

    def _tell_names(self) -> None:
        names = self._plant.settings.connections
        self._metrics.know(names, watched=self._plant.watched())
        self._health.expect_polls(frozenset(self._polled()))

    async def _sample(self) -> StoreSample:
        return await stored.sample(self._ground.db, self._plant, now=self._options.clock.now())

    async def _store_reason(self) -> str | None:
        await self._ground.db.read(meta.instance)  # its errors are the reason
        return None

    async def _info(self) -> Mapping[str, object]:
        sample = await self._sample()
        sending = sum(n for (_, state), n in sample.operations.items() if state == "sending")
        ready = await self._health.ready()
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at.isoformat(),
            "revision": self._plant.settings.revision,
            "port": self._gateway.port,
            "ready": ready.is_good,
            "reasons": list(ready.problems),
            "sending": sending,
            "safe_to_restart": sending == 0,
            "read_at": {name: at.isoformat() for name, at in self._intake.read_at.items()},
        }

    def _told(self) -> dict[str, object]:
        settings = self._plant.settings
        return {
            "version": __version__,
            "environment": settings.environment,
            "revision": settings.revision,
            "connections": sorted(settings.connections),
            "mappings": {name: rules.mode for name, rules in sorted(settings.mappings.items())},
        }

    def _remark(self) -> None:
        for what in self._plant.settings.remarks:
            _log.warning("app.settings_remark", what=what)

    def _in_short(self) -> str:
        settings = self._plant.settings
        return f"{len(settings.connections)} connections, {len(settings.mappings)} mappings"

    def _surroundings(self) -> Surroundings:
        grace_s = self._options.store_grace_s
        if grace_s is None:
            grace_s = SHARED_STORE_GRACE_S if self._ground.db.is_shared else STORE_GRACE_S
        return Surroundings(
            clock=self._options.clock, ids=self._options.ids, health=self._health,
            metrics=self._metrics, store_grace_s=grace_s,
        )  # fmt: skip

    def _make_heart(self) -> Heart:
        return Heart(
            HeartParts(
                db=self._ground.db, health=self._health, notifier=self._notifier,
                clock=self._options.clock,
            )
        )  # fmt: skip

    def _make_gateway(self) -> Gateway:
        settings, options = self._plant.settings, self._options
        return Gateway(
            GatewayOptions(
                host=settings.http.host,
                port=settings.http.port,
                tokens=_tokens(settings),
                connections=frozenset(settings.connections),
                offers=self._plant.offers,
                port_file=options.port_file,
            ),
            GatewayParts(
                inbox=stored.StoredInbox(self._ground.db, options.clock),
                ring=self._bells.intake.set,
                sample=self._sample,
                health=self._health,
                metrics=self._metrics,
                clock=options.clock,
                served=ServedParts(
                    tickets=self._ground.served,
                    credentials=StoredCredentials(
                        self._ground.db, settings.store.key, clock=options.clock, ids=options.ids,
                        owner=self._owner,
                    ),
                    pool=self._ground.pool,
                ),
            ),
        )  # fmt: skip


_POLL = "poll "


def _poll_service(name: ConnectionName) -> str:
    return f"{_POLL}{name}"


def _tokens(settings: Settings) -> dict[str, Secret]:
    return {
        name: connection.notify_token
        for name, connection in settings.connections.items()
        if connection.notify_token is not None
    }


def _refuse_moving(old: Settings, new: Settings) -> None:
    """Refuse what a running daemon cannot change.

    Raises:
        SettingsError: naming all of it.
    """
    fixed = {
        "environment": (old.environment, new.environment),
        "store": (old.store, new.store),
        "http.listen": (old.http, new.http),
    }
    moved = [name for name, (before, now) in fixed.items() if before != now]
    if moved:
        raise SettingsError([f"{name} changed: restart syncd for that" for name in moved])


__all__ = ["Daemon", "run_daemon", "socket_path"]
