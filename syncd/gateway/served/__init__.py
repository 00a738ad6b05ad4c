"""The SmartOps contract, offered to callers: authenticate, store, answer.

Source: "API contracts for ITSM Integration"; sections and O numbers as in providers/smartops.md.

Flow: `site` finds the connection a path belongs to; `callers` lets somebody in (`keys` and `tokens`
verify an access token here, `issuer` asks Keycloak where only it can tell); `contract` reads the
request, `site` hands it to the served tickets and answers with the envelope; `files` is an
extension of ours for attachments; `openapi` describes all of it.

Invariants: nobody who is not let in makes us read a body; nothing is answered before it is
committed; `connectionDetails` chooses neither host nor credential, and neither it nor a token is
ever logged or stored in clear; a call that is refused changed nothing.
"""
