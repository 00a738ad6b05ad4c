"""The state store: tables, queries, migrations; the only SQL of syncd, and no decisions.

Flow: a caller writes a *unit*, a plain function `unit(tx, …)` that calls the functions below, and
hands it to `await db.write(unit, …)` or `await db.read(unit, …)`. A unit is one transaction: all of
it is stored or nothing. It must be quick, make no remote call, and may be run again from its start
(PostgreSQL, after a deadlock), so it changes nothing but the database.

    async with await Database.open(url) as db:              # store.database
        await db.write(feeds.save_poll, name, kind, result, now=clock.now())

Invariants: `write` returns after the commit reached the disk. Locks are taken on tickets in id order,
then links in id order, then operations. Times are aware UTC instants. On SQLite one process holds the
store for writing; `read_only=True` opens beside it.

The interface, one module per subject (records.py has the values returned):

database     Database.open(url, *, read_only=False, upgrade=False, what="syncd", clock=None) -> Database
             db.write(unit, *args, **kwargs), db.read(unit, *args, **kwargs), db.close(); async with
             db.is_shared (PostgreSQL: other processes may work on it)
             db.hold_owner(owner): claims of `owner` count as alive while this process lives
             errors: StoreUnavailable, StoreHeld(.holder), SchemaMismatch (store.errors)
lock         read_holder(url) -> HolderInfo | None
schema       await upgrade(url); REVISION
meta         initialise(tx, *, environment, prefix) -> Instance; instance(tx) -> Instance
             begin_epoch(tx, prefix=None, *, by, now) (after `db restored`)
connections  pin(tx, ConnectionPin(name, provider, base_host, account)); rename(tx, old, new)
             pause(tx, name, reason, *, by, now); resume(tx, name, *, by, now)
             paused(tx) -> dict[ConnectionName, Pause]; note_news(tx, name, now)
             set_health(tx, name, health, *, now); overview(tx) -> list[ConnectionRecord]
mappings     sync(tx, name, *, mode, revision, now, was=None) -> MappingRecord (first_live_at kept)
             first_live(tx, name, now) -> datetime; pause, resume, paused; overview(tx)
             orphans(tx, mappings, connections) -> list[str] (live links a configuration would orphan)
feeds        load_cursor(tx, connection, kind) -> str | None
             save_poll(tx, connection, kind, result: PollResult, *, now) -> int (tickets made due)
             poll_failed(tx, connection, kind, *, error, now) -> int (failures in a row)
             known_ids(tx, connection, kind) -> frozenset[TicketId]; overview(tx) -> list[FeedRecord]
             rewind(tx, connection, kind, cursor=None)
tickets      sight(tx, connection, kind, sightings, *, now, watched=False) -> int
             find(tx, connection, *, external_id=None, number=None, kind=None) -> TicketRow | None
             find_anywhere(tx, word) -> list[TicketRow] (an operator's word: number or id)
             ensure_ticket(tx, connection, kind, *, external_id=None, number="", now, watched=False)
             due_reads(tx, connection, *, now, limit) -> list[DueRead]
             next_due(tx, connection) -> datetime | None
             save_read(tx, due, ticket, *, now, next_poll_at=None) -> SaveResult
             read_failed(tx, row, *, now, retry_at, error, gone=False)
             hasten(tx, rows, at); set_watched(tx, row, watched, next_poll_at)
             decide_due(tx, *, now, limit) -> list[TicketRow]; set_decide_due(tx, row, at | None)
             load_tickets(tx, rows) -> dict[TicketRow, StoredTicket]; mark_stray(tx, row, reason, now)
             counts(tx) -> dict[ConnectionName, TicketCounts]
links        links_of(tx, row) -> list[LinkRecord] (tombstones too); get(tx, link_id) -> LinkRecord
             lock_links(tx, link_ids); lock_tickets(tx, rows)
             load_link(tx, link_id, *, lookup_keys=()) -> LinkParts
             create_link(tx, *, mapping, origin, source_row, partner: (connection, kind), now) -> LinkRow
             apply_plan(tx, link_id, plan, PlanContext(…)) -> list[OperationId]
             set_phase(tx, link_id, phase, *, now, why=""); tombstone(tx, link_id, *, by, now)
             revive(tx, link_id, *, by, now); add_link(tx, *, mapping, itsm_row, vendor_row, by, now)
             pause(tx, link_id, reason, *, by, now); resume(tx, link_id, *, by, now)
             count_created_since(tx, mapping, since) -> int; overview(tx, *, mapping=None) -> list
             own_keys(tx, keys) -> dict[OperationKey, KeyOwner]
outbox       claim(tx, Claim(owner, now, lease_until, free, writable_mappings, limit))
                 -> list[ClaimedOperation]
             mark_sending(tx, operation_id, owner, attempt, now) -> bool
             settle(tx, op: ClaimedOperation, outcome: Outcome, *, now) -> bool
             release_owner(tx, owner, *, now) -> int; extend_lease(tx, owner, until)
             recover(tx, *, owner, now, probe_at, alone) -> Recovered(ready, unknown)
             rechecks_due(tx, *, now, limit) -> list[ClaimedOperation]
             record_recheck(tx, operation_id, *, others, detail, now)
             unsettled_creates(tx, connection, kind) -> list[UnsettledCreate]
             settle_seen(tx, key, receipt: Receipt, *, now, detail) -> bool (effect met in a snapshot)
             next_due(tx) -> datetime | None
operations   list_operations(tx, *, states=None, parked_only=False, limit=200) -> list[OperationRecord]
             show(tx, operation_id) -> OperationDetail (with attempts)
             retry(tx, operation_id, *, by, now, i_know=False, can_probe=True)
             discard(tx, operation_id, *, by, now); adopt(tx, operation_id, external_id, *, by, now)
journal      append(tx, Line(…)); of_ticket(tx, row, *, limit=500) -> list[JournalLine]
             tail(tx, *, after_id=0, limit=200, where: JournalFilter = …) -> list[JournalLine]
conflicts    list_open(tx) -> list[ConflictRecord]; resolve(tx, conflict_id, keep: Side, *, by, now)
inbox        put(tx, connection, kind, body, *, received_at, received_from="") -> int
             take(tx, *, limit, connection=None) -> list[InboxItem]; done(tx, ids, *, now)
credentials  save(tx, key, name, secret, *, expires_at=None, now); load(tx, key, name) -> Credential|None
leases       take(tx, name, owner, *, now, until) -> bool; give_back(tx, name, owner)
reports      status(tx, now) -> Status; explain(tx, row) -> Explanation; metrics(tx, now) -> Metrics
spool        Spool(folder, *, clock…): await save(chunks, max_bytes=…) -> SpoolFile(digest, size_bytes)
             source(digest) -> FileSource; await size(digest); await drop_unused(known) -> int
             in_use(tx) -> frozenset[str]: digests that open or parked operations name
commands     COMMANDS: name -> f(tx, arguments, actor, now) -> JSON-able; every operator's write

How an APPLIED outcome moves baselines: for every `SlotMove` the source side takes source_value
(AGREED); the target side takes target_value, or the value of `receipt.fields` for the field of that
name (which delivery passes through N first), with the old value kept as `previous`, `written_at` the
time of the commit, PROVISIONAL when equal to what was sent, else ALTERED.
"""
