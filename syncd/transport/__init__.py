"""One HTTP client for all providers: time-outs, pacing, read retries, size caps, redacted wire log.

Flow: an adapter builds a `Request` and hands it to its connection's `Transport`: `read` for what
has no effect (repeated by tenacity, redirected within its origin), `write` for what has (sent
exactly once, classified), `stream` for bodies that must not stand in memory.

Invariants: nothing but `read` and `stream` repeats anything (DESIGN R11); no request goes to a host
the configuration did not name; no secret reaches a log, an error or a URL.
"""
