"""Telenor Norway's Service Ticket API v2, simulated from its document (telenor.md).

Both trees are whole: incidents (I1–I19) and orders (O1–O18), with the portal's token endpoint.
What the two differ in stands in `trees`; `Cases` keeps one tree's tickets, `CaseCalls` answers its
calls. Ids and case numbers are unique over both.
"""

from syncd.sandbox.telenor.sandbox import TelenorSandbox
from syncd.sandbox.telenor.settings import Category, TelenorSandboxSettings

__all__ = ["Category", "TelenorSandbox", "TelenorSandboxSettings"]
