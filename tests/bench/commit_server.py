"""The least a create can be: an aiohttp handler that stores its body with one durable commit.

Run by itself with the path of a SQLite file it says `{"url"}` and serves until its input ends.
"""

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import uvloop
from aiohttp import web

from tests.bench import process


async def serve(path: str) -> None:
    writer = ThreadPoolExecutor(max_workers=1)
    loop = asyncio.get_running_loop()
    database = await loop.run_in_executor(writer, _open, path)

    def store(body: bytes) -> None:
        database.execute("INSERT INTO line (text) VALUES (?)", (body,))

    async def create(request: web.Request) -> web.Response:
        body = await request.read()
        await loop.run_in_executor(writer, store, body)
        return web.json_response({"statusCode": "200"})

    application = web.Application()
    application.router.add_post("/", create)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    process.tell({"url": f"http://127.0.0.1:{runner.addresses[0][1]}/"})
    await process.until_closed()
    await runner.cleanup()


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, text BLOB)")
    return database


def main() -> None:
    uvloop.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
