"""What others call: served connections, notifications, health, metrics, the operators' socket.

Flow: `POST /notify/CONNECTION` is authenticated, checked and stored in the inbox; only then is it
answered, and intake's doorbell rung. Health and metrics show what app tells them. The operators'
socket, beside the SQLite file, carries commands that write to the process that may write. What lies
below the prefix of a served connection is `served`'s.

Invariants: nothing is answered 202 before it is committed; nothing of a token is logged; no client
can hold a connection, memory or the inbox by sending slowly, much or often.
"""
