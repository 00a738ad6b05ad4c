"""Telenor Norway's Service Ticket API v2, simulated from its document (telenor.md).

Incidents are whole (I1–I19) with the portal's token endpoint. Orders are a second tree of the
same shape: they would be a state and a call table of their own beside `Incidents` and
`IncidentCalls`.
"""

from syncd.sandbox.telenor.sandbox import TelenorSandbox
from syncd.sandbox.telenor.settings import Category, TelenorSandboxSettings

__all__ = ["Category", "TelenorSandbox", "TelenorSandboxSettings"]
