"""The configuration we ship is checked as it lies there, its mappings' tests included."""

import asyncio
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from syncd.cli.application import make
from syncd.cli.show.sandbox import document
from syncd.sandbox import SANDBOXES, Sandbox

OURS = Path(__file__).resolve().parents[2] / "config"
KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="
HOSTS = {
    "https://itsm.example.com": "smartops",
    "https://sso.example.com": "smartops",
    "https://rt.example.com": "rt",
    "https://api.telenor.example": "telenor",
    "https://api.digitalrealty.example": "digital_realty",
    "https://support.sip.example": "sipsynergy",
    "https://d0v6as.apps.connect.claris.com": "b612",
}
SIP_LOGIN = """\
      kind: client_credentials
      token_url: "https://support.sip.example/oauth2/token"
      client_id: acme
      client_secret: {env: SIP_TOKEN}
"""


@pytest.fixture
def sandboxes() -> Iterator[Mapping[str, Sandbox]]:
    """Every sandbox, answering while a command runs a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = {name: factory() for name, factory in SANDBOXES.items()}
    for each in served.values():
        asyncio.run_coroutine_threadsafe(each.start(), loop).result(30)
    yield served
    for each in served.values():
        asyncio.run_coroutine_threadsafe(each.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_check_finds_nothing_wrong_with_the_configuration_we_ship(tmp_path: Path) -> None:
    text = (OURS / "syncd.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"credential: ([\w-]+)", text):
        (tmp_path / name).write_text(KEY)
    given = dict.fromkeys(re.findall(r"env: (\w+)", text), "secret")
    given["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    words = ["--config", str(OURS / "syncd.yaml"), "check", "--json"]
    said = CliRunner().invoke(make(), words, env=given)
    assert said.exit_code == 0, said.stdout + said.stderr
    for mapping in (OURS / "mappings").glob("*.yaml"):
        assert mapping.stem in said.stdout


def test_the_sandboxes_fit_the_configuration_we_ship_with_the_logins_they_tell(
    tmp_path: Path, sandboxes: Mapping[str, Sandbox]
) -> None:
    told = {
        name: document(name, each.base_url, each.settings)["logins"]
        for name, each in sandboxes.items()
    }
    shutil.copytree(OURS, tmp_path / "config")
    file = tmp_path / "config" / "syncd.yaml"
    text = file.read_text(encoding="utf-8")
    text = re.sub(r"( {4}auth: +# the vendor's document.*\n)(?: {6}.*\n)+", rf"\1{SIP_LOGIN}", text)
    text = text.replace(
        "api_key: {env: B612_API_KEY}", "api_key: {env: B612_API_KEY}\n      api_id: d0v6as"
    )
    for host, name in HOSTS.items():
        text = text.replace(host, sandboxes[name].base_url)
    file.write_text(text, encoding="utf-8")
    (tmp_path / "store-key").write_text(KEY)
    (tmp_path / "notify").write_text("a-token-for-the-webhook")
    (tmp_path / "smartops").write_text(told["smartops"]["offline_token"])
    given = {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "RT_TOKEN": told["rt"]["token"],
        "TELENOR_SECRET": told["telenor"]["client_secret"],
        "TELENOR_PASSWORD": told["telenor"]["password"],
        "DLR_SECRET": told["digital_realty"]["client_secret"],
        "SIP_TOKEN": told["sipsynergy"]["client_secret"],
        "B612_API_KEY": told["b612"]["api_key"],
    }
    said = CliRunner().invoke(make(), ["--config", str(file), "check", "--live"], env=given)
    *told_of, _sum = (each for each in said.stdout.splitlines() if not each.startswith("ok "))
    shared = re.compile(r"note .* write vendor_ref of (\w+): ")
    assert [found[1] if (found := shared.match(each)) else each for each in told_of] == [
        "servicedesk",
        "rt",
    ]
    assert said.exit_code == 0, said.stdout + said.stderr
    # What a sandbox tells opens it: a key it would refuse is not told.
    assert "api_key" not in told["sipsynergy"]
