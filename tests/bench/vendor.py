"""A vendor that takes everything after a given time: the far end of floor and delivery alike.

Run by itself it says `{"url": …}` and serves until its input ends. `POST /LATENCY_MS/…` is answered
with an id after so many milliseconds.
"""

import asyncio
import itertools

import orjson
import uvloop
from aiohttp import web

from tests.bench import process


async def serve() -> None:
    numbers = itertools.count(1)

    async def take(request: web.BaseRequest) -> web.Response:
        await request.read()
        latency_ms = int(request.path.split("/", 2)[1])
        if latency_ms:
            await asyncio.sleep(latency_ms / 1000)
        body = orjson.dumps({"id": f"c{next(numbers)}", "accepted": True})
        return web.Response(body=body, content_type="application/json")

    runner = web.ServerRunner(web.Server(take, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    process.tell({"url": f"http://127.0.0.1:{runner.addresses[0][1]}"})
    await process.until_closed()
    await runner.cleanup()


def main() -> None:
    uvloop.run(serve())


if __name__ == "__main__":
    main()
