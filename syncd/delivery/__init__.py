"""Delivery carries stored operations out: outbox -> provider -> receipt.

Flow of one operation: it is claimed with others under a lease (`service`, `lanes`); its rule is
held against the newest snapshot, its attachment is brought into the spool (`files`), *sending* is
committed, and the adapter sends it once (`sending`). What came of it is put into an `Outcome` by
one table (`outcomes`, `syncd.core.retry`) and committed, fenced on (owner, attempt) (`ledger`,
`settling`). An operation whose answer was lost is claimed again as UNKNOWN and looked for
(`probing`). What may have been sent twice is looked at once more after it was found (`rechecks`).

Invariants:

- no byte of a write leaves before *sending* is committed; between the two lies at most the wait
  for a slot;
- only `sending` sends, once per claim; nothing in here repeats a call (DESIGN R11);
- whatever was sent gets an outcome, under cancellation too; if it cannot be stored, the operation
  stays *sending* in the store, which recovery makes *unknown*;
- an operation whose outcome is unknown is sent again only after probes said it is not there;
- no exception of an adapter ends the service.
"""
