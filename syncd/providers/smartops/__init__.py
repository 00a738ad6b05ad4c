"""SmartOps: mode `call` is an ITSM behind somebody's implementation of the contract.

In mode `serve` we are the implementation: callers raise tickets through the gateway, they live in
our own store, and `serving` gives them to the engine like those of any other side.

Source: "API contracts for ITSM Integration"; sections and O numbers as in providers/smartops.md.

Flow: settings name keys, paths and login; `adapter.login` gives the transport its tokens and
`errors.read_error` its reading of errors; `adapter.build` joins client (three calls), mapping
(neutral names, markers, comment ids) and wire (the payloads).

Invariants: a ticket is fetched by number and updated by sysId, and an answer with another's is
never applied; a create carries its key as the last line of the description, and what cannot be
told about it waits for a person; comments have no ids, so theirs are made from what cannot change.
"""
