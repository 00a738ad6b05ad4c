"""Whether what is being sent may still leave: said by who sends, asked just before the first byte.

Between the commit that notes a send and its first byte lie waits for slots, pace, a token and a
connection. A process that stood still in one of them (a suspended machine) may have been taken for
dead meanwhile, and what it noted may have been sent by another.
"""

from collections.abc import Callable
from contextvars import ContextVar

MAY_LEAVE: ContextVar[Callable[[], bool] | None] = ContextVar("may_leave", default=None)
"""Of the write that runs in this task, not of its reads; None: it may leave whenever it likes."""
