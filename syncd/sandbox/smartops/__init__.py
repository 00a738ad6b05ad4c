"""Somebody's implementation of the SmartOps ITSM contract (smartops.md), with its Keycloak realm.

The contract's person side is a small ITSM: statuses, priorities, a ticket template, three lists
of notes, and a webhook that rings the daemon when people change something.
"""

from syncd.sandbox.smartops.sandbox import SmartOpsSandbox
from syncd.sandbox.smartops.settings import SmartOpsSandboxSettings

__all__ = ["SmartOpsSandbox", "SmartOpsSandboxSettings"]
