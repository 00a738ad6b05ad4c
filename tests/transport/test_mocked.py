"""The transport under aioresponses, as the providers' client tests use it.

It bypasses connector, time-outs and middlewares: what rests on those is tested over real HTTP.
"""

import aiohttp
import pytest
from aioresponses import aioresponses

from syncd.ports.errors import OutcomeUnknown, Refused, Unreachable
from syncd.transport.request import Request
from tests.transport.rig import Rig

URL = "https://api.vendor.example"
POST = Request(operation="create", method="POST", path="/tickets", json={"a": 1})


async def test_answers_and_statuses_mean_what_they_mean_over_http(rig: Rig) -> None:
    with aioresponses() as mocked:
        mocked.post(f"{URL}/tickets", payload={"id": 1})
        mocked.post(f"{URL}/tickets", status=422, body="no")
        transport = rig.transport(URL)
        assert (await transport.write(POST)).json() == {"id": 1}
        with pytest.raises(Refused):
            await transport.write(POST)


@pytest.mark.parametrize(
    "error", [TimeoutError(), aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError()]
)
async def test_a_mocked_break_leaves_a_write_unknown_and_a_read_unreachable(
    rig: Rig, error: Exception
) -> None:
    with aioresponses() as mocked:
        mocked.post(f"{URL}/tickets", exception=error, repeat=True)
        with pytest.raises(OutcomeUnknown):
            await rig.transport(URL).write(POST)
        with pytest.raises(Unreachable):
            await rig.transport(URL).read(POST)
