"""The ITSM's webhook: rings the daemon's notify address when people change a ticket."""

import asyncio

import aiohttp

from syncd.sandbox.chance import Chance
from syncd.sandbox.clock import pause
from syncd.sandbox.record import Record
from syncd.sandbox.smartops.settings import SmartOpsSandboxSettings

RING_TIMEOUT_S = 10.0


class Webhook:
    """Post `{"numbers": […]}` to the notify address; what goes wrong is recorded, not raised.

    Attributes:
        url, token: where to, and the bearer token; "" rings nobody.
        unheard: numbers whose last ring was lost or failed.
    """

    def __init__(self, settings: SmartOpsSandboxSettings, record: Record) -> None:
        self._settings = settings
        self._record = record
        self._chance = Chance(settings.seed, "notify")
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._waiting: list[str] = []
        self.url = settings.notify_url
        self.token = settings.notify_token
        self.loss = settings.notify_loss
        self.unheard: dict[str, str] = {}

    def ring(self, number: str) -> None:
        """Ring for one ticket, in the background; outside an event loop, at the next `settle`."""
        if not self.url:
            return
        if self._chance.draw() < self.loss:
            self.unheard[number] = "lost"
            self._record.add("notify_lost", number=number)
            return
        self._waiting.append(number)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._begin()

    async def settle(self) -> None:
        """Wait until no ring is under way."""
        self._begin()
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Drop the rings under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _begin(self) -> None:
        for number in self._waiting:
            task = asyncio.get_running_loop().create_task(self._post(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._waiting.clear()

    async def _post(self, number: str) -> None:
        for attempt in range(1, self._settings.notify_tries + 1):
            if attempt > 1:
                await pause(self._settings.notify_retry_s)
            problem = await self._try(number)
            if problem is None:
                self.unheard.pop(number, None)
                self._record.add("notify_sent", number=number, attempt=attempt)
                return
            self.unheard[number] = problem
            self._record.add("notify_failed", number=number, attempt=attempt, problem=problem)

    async def _try(self, number: str) -> str | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=RING_TIMEOUT_S)
            )
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            async with self._session.post(
                self.url, json={"numbers": [number]}, headers=headers
            ) as answer:
                return None if answer.status < 300 else f"answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
