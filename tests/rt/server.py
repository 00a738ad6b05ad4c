"""Debian's Request Tracker on loopback: installed where it can be, set up by the operators' page.

    python -m tests.rt.server install      # says plainly when it cannot

Each instance has a folder, a SQLite database and a port of its own; no mail leaves. Its time may be
held in a file (`faketime`), so that tests turn it as they turn every other clock.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

HOME = Path(__file__).resolve().parent
SETUP = HOME.parents[1] / "syncd" / "providers" / "rt" / "SETUP.md"
LIB = Path("/usr/share/request-tracker5/lib")
SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
PACKAGES = (
    "request-tracker5", "rt5-db-sqlite", "rt5-standalone", "dbconfig-no-thanks", "msmtp-mta",
    "libfaketime",
)  # fmt: skip
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
NOT_HERE = 75
"""Exit status when there is no Request Tracker; none of pytest's own."""
INSTALL_S = 420
START_S = 60
ROOT_PASSWORD = "password"
PEOPLE = HOME / "people-initialdata"
"""Staff, a second queue and a select field: what the tests need beside the operators' page."""


class CannotInstall(Exception):
    """Request Tracker cannot be had here; the text says why."""


def is_installed() -> bool:
    return SERVER.exists() and shutil.which("rt-setup-database-5") is not None and faketime() != ""


def faketime() -> str:
    found = sorted(Path("/usr/lib").glob(FAKETIME.removeprefix("/usr/lib/")))
    return str(found[0]) if found else ""


def install() -> None:
    """Install Debian's packages where that is possible.

    Raises:
        CannotInstall: it is not.
    """
    if is_installed():
        return
    if shutil.which("apt-get") is None:
        raise CannotInstall("there is no apt-get here")
    if os.geteuid() != 0:
        raise CannotInstall("packages are installed by root alone")
    lock = ("-q", "-o", "DPkg::Lock::Timeout=120")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", *lock, "update"],
        ["apt-get", "-y", *lock, "install", "--no-install-recommends", *PACKAGES],
    ):
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_S, check=False, env=quiet
            )
        except subprocess.TimeoutExpired as err:
            raise CannotInstall(f"{' '.join(command[:3])} took too long") from err
        if done.returncode:
            raise CannotInstall(done.stderr.strip().splitlines()[-1] if done.stderr else "apt")
    if not is_installed():
        raise CannotInstall("the packages are there, but not what they should hold")


@dataclass
class Rt:
    """One instance.

    Attributes:
        folder: all it keeps.
        name: of the instance.
        held_at: the instant it stands at; None: it runs with the real time.
        tokens: login -> token.
    """

    folder: Path
    name: str = "rt"
    held_at: datetime | None = None
    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "RT_SiteConfig.pm"

    # --- life ------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make database, staff and tokens; the operators' page is executed as it stands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("mason_data", "session_data", "var"):
            (self.folder / name).mkdir(exist_ok=True)
        self.port = _free_port()
        self.config.write_text(self._site_config(), encoding="utf-8")
        password = self.folder / "root-password"
        password.write_text(ROOT_PASSWORD, encoding="utf-8")
        self._run(
            ["rt-setup-database-5", "--action", "init", "--dba", "root", "--dba-password", "",
             "--root-password-file", str(password)]
        )  # fmt: skip
        self._do_setup_page()
        self._run(_insert(PEOPLE))
        for login in ("root", "agent", "anna"):
            self.tokens[login] = self._token(login)

    def _do_setup_page(self) -> None:
        """Execute SETUP.md: its initial data, then its commands."""
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", SETUP.read_text(), re.M | re.S)
        (data,) = [text for kind, text in blocks if kind == "perl"]
        (self.folder / "syncd-initialdata").write_text(data, encoding="utf-8")
        commands = [
            line.removeprefix("# ")
            for kind, text in blocks
            if kind == "console"
            for line in text.splitlines()
        ]
        said = [self._run(["bash", "-c", command]) for command in commands]
        self.tokens["syncd"] = said[-1].strip().splitlines()[-1]

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.hold(self.held_at)
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            # Its life is bound to ours: told to end, it ends its workers as well.
            ["setpriv", "--pdeathsig", "TERM", "--", str(SERVER), "--server", "Starlet",
             "--host", "127.0.0.1", "--port", str(self.port), "--max-workers=2",
             "--max-reqs-per-child=5000"],
            env=self._environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        log.close()
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if self.call("GET", "/rt", login="root")[0] == 200:
                    return
            time.sleep(0.2)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    @contextlib.contextmanager
    def configured(self, lines: str) -> Iterator[None]:
        """Run it with more lines in its configuration for as long as the block lasts."""
        before = self.config.read_text(encoding="utf-8")
        try:
            for text in (before.replace("\n1;\n", f"\n{lines}\n1;\n"), before):
                self.stop()
                self.config.write_text(text, encoding="utf-8")
                self.start()
                if text != before:
                    yield
        finally:
            self.config.write_text(before, encoding="utf-8")

    def stop(self) -> None:
        """End it and its workers, which are of its own process group."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        self._process = None

    def hold(self, at: datetime | None) -> None:
        """Turn its clock: it stands at an instant."""
        self.held_at = at
        if at is not None:
            told = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}\n"
            path = self.folder / "time"
            fresh = path.with_suffix(".new")
            fresh.write_text(told)
            fresh.replace(path)

    # --- asking ----------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        login: str = "anna",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Make a call of REST2 as somebody; gives status, JSON (or bytes) and headers."""
        from http.client import HTTPConnection

        sent = raw if raw is not None else (None if body is None else orjson.dumps(body))
        given = {"Authorization": f"token {self.tokens[login]}", "Accept": "application/json"}
        given |= {"Content-Type": "application/json"} if sent is not None else {}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/REST/2.0{path}", sent, {**given, **(headers or {})})
            answer = connection.getresponse()
            told = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, orjson.loads(told), dict(answer.getheaders())
        except orjson.JSONDecodeError:
            return answer.status, told, dict(answer.getheaders())

    def shred(self, ticket: str) -> None:
        """Remove a ticket for good; REST2 cannot."""
        what = f"Tickets=query,id = {int(ticket)}"
        self._run(["rt-shredder-5", "--force", "--no-sqldump", "--plugin", what])

    def lets(self, login: str, right: str, queue: str) -> None:
        """Grant somebody a right on a queue."""
        script = (
            "my ($login, $right, $name) = @ARGV; my $user = RT::User->new(RT->SystemUser); "
            "$user->Load($login); my $queue = RT::Queue->new(RT->SystemUser); $queue->Load($name); "
            "my ($ok, $msg) = $user->PrincipalObj->GrantRight(Right => $right, Object => $queue); "
            "die $msg unless $ok"
        )
        self._run(["perl", f"-I{LIB}", "-MRT=-init", "-e", script, login, right, queue])

    # --- pieces ----------------------------------------------------------------------------------

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command[0]}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout

    def _token(self, login: str) -> str:
        script = (
            "my $u = RT::User->new(RT->SystemUser); $u->Load($ARGV[0]); "
            "my ($ok, $msg, $token) = RT::AuthToken->new(RT->SystemUser)"
            '->Create(Owner => $u->id, Description => "tests"); print $ok ? $token : die $msg'
        )
        return self._run(["perl", f"-I{LIB}", "-MRT=-init", "-e", script, login]).strip()

    def _environment(self) -> dict[str, str]:
        made = {
            **os.environ,
            "RT_SITE_CONFIG": str(self.config),
            "RT_SITE_CONFIG_DIR": "/dev/null",
        }
        if self.held_at is not None:
            made |= {
                "LD_PRELOAD": faketime(),
                "FAKETIME_TIMESTAMP_FILE": str(self.folder / "time"),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1",
            }
        return made

    def _site_config(self) -> str:
        folder = self.folder
        return f"""
Set($rtname, '{self.name}'); Set($Organization, '{self.name}.invalid');
Set($CorrespondAddress, 'rt@{self.name}.invalid');
Set($CommentAddress, 'rt-comment@{self.name}.invalid');
Set($WebDomain, '127.0.0.1'); Set($WebPort, {self.port}); Set($WebPath, '');
Set($Timezone, 'UTC'); Set($BcryptCost, 4); Set($MaxAttachmentSize, 60_000_000);
Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{folder}/rt.sqlite');
# A test's database need not live through a power cut: each commit would wait for the disk.
require DBD::SQLite;
{{
    no warnings 'redefine';
    my $connect = \\&DBD::SQLite::dr::connect;
    *DBD::SQLite::dr::connect = sub {{
        my $made = $connect->(@_); $made->do('PRAGMA synchronous = OFF') if $made; return $made;
    }};
}}
Set(%Lifecycles, orders => {{
    initial => ["draft"], active => ["placed"], inactive => ["done", "deleted"],
    defaults => {{ on_create => "draft" }},
    transitions => {{
        "" => ["draft", "placed"], draft => ["placed"], placed => ["done"], done => ["placed"],
    }},
    actions => [ "draft -> placed" => {{ label => "Place" }} ],
}});
Set($MailCommand, sub {{ return 1 }});
Set($LogToSyslog, undef); Set($LogToSTDERR, 'warning');
$RT::VarPath = '{folder}/var'; $RT::MasonDataDir = '{folder}/mason_data';
$RT::MasonSessionDir = '{folder}/session_data';
1;
"""


def _insert(path: Path) -> list[str]:
    return ["rt-setup-database-5", "--action", "insert", "--skip-create", "--datafile", str(path)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, name: str = "rt", held_at: datetime | None = None) -> Iterator[Rt]:
    """Run a fresh instance for as long as the block lasts."""
    made = Rt(folder=folder, name=name)
    made.make()
    made.held_at = held_at
    made.start()
    try:
        yield made
    finally:
        made.stop()


def main() -> int:
    """Install, and say how it went; 0 when Request Tracker is there."""
    try:
        install()
    except CannotInstall as err:
        print(f"no Request Tracker here, so its tests are not run: {err}", file=sys.stderr)
        return NOT_HERE
    print("Request Tracker is installed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
