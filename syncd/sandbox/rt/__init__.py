"""Request Tracker 5 with its REST2 API, simulated from what was found out on 5.0.3.

It is strict where RT is lenient: what RT would ignore or alter silently it ignores and alters just
so, and lists it under `violations`.
"""

from syncd.sandbox.rt.sandbox import RtSandbox
from syncd.sandbox.rt.settings import CustomField, Queue, RtSandboxSettings

__all__ = ["CustomField", "Queue", "RtSandbox", "RtSandboxSettings"]
