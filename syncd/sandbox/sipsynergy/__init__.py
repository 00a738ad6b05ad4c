"""SIP Synergy's Tickets Microservice, simulated from its document (sipsynergy.md).

All calls of section 2 are here: tickets, comments, attributes, users, groups, states, the
confirm-contacts event and the two reports. The status of a ticket shows in the reports alone.
How one logs in is not described; section 8 says what the company does elsewhere, and the sandbox
takes all of it: a bearer token (fixed, or from `/oauth2/token`), an `X-API-KEY`, or nothing.
"""

from syncd.sandbox.sipsynergy.sandbox import SipSynergySandbox
from syncd.sandbox.sipsynergy.settings import SipSynergySandboxSettings

__all__ = ["SipSynergySandbox", "SipSynergySandboxSettings"]
