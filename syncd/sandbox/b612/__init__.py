"""B-612's webhook for remote hands, simulated from its document (b612.md).

One URL and three methods: GET one ticket by its number, POST a new one, PUT an existing one. No
list, no search, no status call, no comments, no files.
"""

from syncd.sandbox.b612.sandbox import B612Sandbox
from syncd.sandbox.b612.settings import B612SandboxSettings

__all__ = ["B612Sandbox", "B612SandboxSettings"]
