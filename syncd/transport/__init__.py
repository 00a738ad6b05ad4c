"""One HTTP client for all providers: time-outs, pacing, read retries, size caps, redacted wire log.

Flow: app makes one `ClientPool`, one `Budget` and one token source per login, and one
`HttpTransport` per connection. An adapter builds a `Request` and hands it to its connection's
`Transport`: `read` for what has no effect (repeated by tenacity, redirected within its origin),
`write` for what has (sent exactly once, classified), `stream` for bodies that must not stand in
memory. One send: `outgoing` makes it ready, `budget` gives it a turn, `auth` or `oauth` its
token, `exchange` sends it, `classify` says what the answer means, `wirelog` is told.

Invariants: nothing but `read` and `stream` repeats anything (DESIGN R11); no request goes to a host
the configuration did not name; no secret reaches a log, an error or a URL; a write ends in an
answer, in an error that says it had no effect, or in OutcomeUnknown (DESIGN R3).
"""
