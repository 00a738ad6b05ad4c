"""The state store: tables, queries, migrations; the only SQL of syncd, and no decisions.

Flow: a caller writes a *unit*, a plain function `unit(tx, …)` that calls the functions of this
package, and hands it to `await db.write(unit, …)` or `await db.read(unit, …)`. A unit is one
transaction: all of it is stored or nothing. It must be quick, make no remote call, and may be run
again from its start (PostgreSQL, after a deadlock), so it changes nothing but the database.

    async with await Database.open(url) as db:
        await db.write(feeds.save_poll, name, kind, result, now=clock.now())

Invariants: `write` returns after the commit reached the disk. On SQLite one process holds the
store for writing, and `read_only=True` opens beside it. Locks are taken on tickets in id order,
then on links in id order, then on operations. Instants are aware and UTC. One operation per target
ticket is under way, which a unique index enforces. Nothing in the journal or among the attempts is
ever changed.

One module per subject; records.py has the values returned, errors.py the errors:

    database     Database.open(url, read_only, upgrade, what), write, read, close, hold_owner;
                 read_holder(url)
    sqlite, postgres, lock, tx, bulk, schema, tables, types, codec    what it is built from
    upgrading    upgrade(url)
    meta         initialise, instance, begin_epoch (after `db restored`), restored_at,
                 note_renamed, first_names
    naming       name, recognise: an operation's key, and what a restored store has to look for
    connections  pin, rename, pause, pause_once, resume, paused, set_health, note_news, overview
    mappings     sync, first_live, live_since, pause, resume, paused, orphans, overview
    feeds        load_cursor, save_poll, poll_failed, rewind, known_ids, overview
    tickets      sight, find, find_anywhere, ensure_ticket, due_reads, due_read, next_due,
                 save_read, read_failed, hasten, decide_due, set_decide_due,
                 decide_by, load_tickets, mark_stray, known_rows
    counting     counts
    merging      one ticket known under two rows
    links        links_of, get, lock_links, lock_with_partners, load_link, own_keys, pairs_of,
                 create_link, apply_plan, set_phase, add_link, tombstone, revive, pause, resume,
                 count_opened_since, note_opened, overview
    sides        load_sides: both tickets of a link
    plans        apply_plan
    fuses        count_links, moves_since, awaiting_decision
    outbox       claim, mark_sending, keep_sending, attach_file, settle, settle_seen, extend_lease,
                 release_owner, recover, rechecks_due, record_recheck, unsettled_creates, next_due
    lanes        the queue of one target ticket, and its head
    settling     what an outcome changes; effects: what a write that was applied changes
    operations   list_operations, of_link, show, retry, discard, adopt
    conflicts    list_open, resolve
    journal      append, of_ticket, was_told, was_ever_told, last_told, tail, last_id
    marking      known, choose, settle, move: which folder is the spool
    copying      copy: the whole store to another database
    forgetting   window, forget_journal, forget_attempts, forget_operations: what is old goes
    inbox        put, take, lock, done, forget_before
    credentials  save, load, forget, names
    served       create, update, find, show_as, write, written, changed, forget_calls_before
    serving      StoredTickets, StoredCredentials: the ports of ports/served.py
    watching     turn_of, warm_partners, set_watched: tickets that are read in their turn
    leases       take, give_back
    reports      status, explain, metrics, latency
    spool        Spool: save, source, size, drop_unused; in_use
    commands     COMMANDS: every operator's write, by name

How an applied write moves baselines (R5, R7): for every `SlotMove` the source side takes
source_value, AGREED; the target side takes target_value, or what `receipt.fields` says of the field
the slot is named after (delivery passes it through N first). The value before is kept as `previous`
(None at the first write of a slot into a ticket that stood there already) and the commit's time as
`written_at`. Its state is PROVISIONAL, or ALTERED when the answer differs from what was sent.
"""
