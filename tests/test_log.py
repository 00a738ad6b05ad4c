"""Log lines: machine-readable, without secrets, and unable to be forged."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson
import pytest
import structlog

from syncd.log import ExchangeLog, LogFormat, LogOptions, Redactor, set_up
from syncd.model.ids import Side
from syncd.model.secret import Secret
from syncd.transport.wirelog import Exchange


class Sink(io.BytesIO):
    def lines(self) -> list[dict[str, object]]:
        return [orjson.loads(line) for line in self.getvalue().splitlines()]

    def last(self) -> dict[str, object]:
        return self.lines()[-1]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def json_log(level: str = "info") -> tuple[Sink, Redactor]:
    sink = Sink()
    return sink, set_up(LogOptions(level=level, format=LogFormat.JSON), stream=sink)


def exchange(**changes: object) -> Exchange:
    values: dict[str, object] = {
        "connection": "desk", "operation": "fetch", "method": "GET", "path": "/t/1",
        "is_write": False, "attempt": 1, "status": 200, "outcome": "ok", "detail": "",
        "duration_s": 0.1, "wait_s": 0.0, "sent_bytes": 0, "received_bytes": 2, "reused": False,
        "request_id": "r1",
    }  # fmt: skip
    return Exchange(**{**values, **changes})  # type: ignore[arg-type]


def test_an_event_is_one_json_line_with_its_keys() -> None:
    sink, _ = json_log()
    with structlog.contextvars.bound_contextvars(correlation_id="c1"):
        structlog.get_logger().info("intake.polled", connection="telenor-no", side=Side.ITSM, n=3)
    line = sink.last()
    assert line["event"] == "intake.polled"
    assert line["level"] == "info"
    assert line["correlation_id"] == "c1"
    assert line["connection"] == "telenor-no"
    assert line["side"] == "itsm"
    assert line["n"] == 3
    assert datetime.fromisoformat(str(line["timestamp"])).tzinfo is not None


def test_what_is_below_the_level_is_not_written() -> None:
    sink, _ = json_log("warning")
    structlog.get_logger().info("intake.polled")
    assert not sink.lines()


def test_a_reload_changes_the_level_of_loggers_in_use() -> None:
    log = structlog.get_logger()
    sink, redactor = json_log("warning")
    log.info("a.thing")
    set_up(LogOptions(level="debug", format=LogFormat.JSON), stream=sink, redactor=redactor)
    log.debug("a.thing")
    assert len(sink.lines()) == 1


def test_a_secret_is_hidden_by_type_name_looks_and_known_text() -> None:
    sink, redactor = json_log()
    redactor.learn([Secret("hunter2/hunter2")])
    structlog.get_logger().info(
        "a.thing",
        typed=Secret("s3cret-typed"),
        access_token="s3cret-named",
        nested={"clientSecret": "s3cret-nested", "list": [{"password": "s3cret-deep"}]},
        header="Authorization: Bearer s3cret-header",
        url="https://user:s3cret-url@host/path",
        body='{"refresh_token": "s3cret-json"}',
        known="it was hunter2/hunter2, or hunter2%2Fhunter2",
    )
    text = sink.getvalue().decode()
    assert "s3cret" not in text
    assert "hunter2" not in text
    assert text.count("***") >= 8
    assert '"known":"it was ***, or ***"' in text


def test_a_text_written_before_is_hidden_once_it_is_known_to_be_a_secret() -> None:
    sink, redactor = json_log()
    structlog.get_logger().info("a.thing", known="hunter2")
    redactor.learn([Secret("hunter2")])
    structlog.get_logger().info("a.thing", known="hunter2")
    assert [line["known"] for line in sink.lines()] == ["hunter2", "***"]


@pytest.mark.parametrize(
    "text",
    [
        "token=s3cret", "client_secret=s3cret", "PASSWORD=s3cret", "api_key=s3cret",
        "Bearer s3cret", "BASIC s3cret", "Authorization: Digest s3cret", "ftp://me:s3cret@host/",
        "\u212aey pa\u017fsword=s3cret", "é token=s3cret",
    ],
)  # fmt: skip
def test_what_looks_like_a_secret_is_hidden_in_any_spelling(text: str) -> None:
    sink, _ = json_log()
    structlog.get_logger().info("a.thing", said=text)
    assert "s3cret" not in sink.getvalue().decode()


def test_a_secret_in_a_traceback_is_hidden() -> None:
    sink, redactor = json_log()
    redactor.learn([Secret("topsecrettext")])
    try:
        raise ValueError("bad topsecrettext\nforged line")
    except ValueError:
        structlog.get_logger().exception("a.thing_failed")
    trace = str(sink.last()["exception"])
    assert "topsecrettext" not in trace
    assert "\n  | forged line" in trace


def test_hostile_text_cannot_forge_a_line_or_drive_a_terminal() -> None:
    sink, _ = json_log()
    structlog.get_logger().info("a.thing", title='x\r\n{"event":"y"}\x1b[2J\u202e\x9b\u2028\ud800')
    assert len(sink.lines()) == 1
    assert sink.last()["title"] == ('x\\r\\n{"event":"y"}\\x1b[2J\\u202e\\x9b\\u2028\\ud800')


def test_a_terminal_gets_one_coloured_line_without_hostile_sequences() -> None:
    sink = Sink()
    set_up(LogOptions(format=LogFormat.CONSOLE), stream=sink)
    structlog.get_logger().info("a.thing", title="x\ny\x1b]0;owned\x07")
    text = sink.getvalue()
    assert text.count(b"\n") == 1
    assert b"\x1b[" in text
    assert b"\x1b]" not in text


def test_long_values_are_cut_and_say_by_how_much() -> None:
    sink, _ = json_log()
    structlog.get_logger().info("a.thing", body="x" * 5000, items=list(range(80)))
    line = sink.last()
    assert str(line["body"]).endswith("… (+2952 characters)")
    assert line["items"] == [*range(50), "30 more"]


def test_odd_values_are_written_rather_than_lost() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    sink, _ = json_log()
    deep: dict[str, object] = {}
    deep["itself"] = deep
    structlog.get_logger().info(
        "a.thing", broken=Broken(), deep=deep, at=datetime(2026, 1, 2, tzinfo=UTC), huge=1 << 80,
        error=ValueError("why"), raw=b"\xff\x00", none=None, token_found=True,
    )  # fmt: skip
    line = sink.last()
    assert line["broken"] == "<Broken, RuntimeError while printing>"
    assert line["at"] == "2026-01-02 00:00:00+00:00"
    assert line["error"] == "ValueError: why"
    assert line["token_found"] is True


def test_libraries_are_heard_from_warning_on_in_the_same_form() -> None:
    sink, _ = json_log()
    logging.getLogger("apscheduler").info("not this")
    logging.getLogger("aiohttp.server").warning("odd request %s", "\x1b[31m")
    logging.getLogger("broken").warning("%d", "x")
    first, second = sink.lines()
    assert (first["event"], first["library"]) == ("library.said", "aiohttp.server")
    assert first["message"] == "odd request \\x1b[31m"
    assert "while formatting" in str(second["message"])


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    set_up(LogOptions(format=LogFormat.JSON), stream=Full())
    structlog.get_logger().info("a.thing")


def test_an_exchange_reaches_the_observers_and_at_debug_the_log() -> None:
    seen: list[Exchange] = []
    sink, _ = json_log("info")
    ExchangeLog([seen.append]).request(exchange())
    assert len(seen) == 1
    assert not sink.lines()
    set_up(LogOptions(level="debug", format=LogFormat.JSON), stream=sink)
    ExchangeLog().request(exchange(_request_headers={"Authorization": "Bearer abcdef"}))
    line = sink.last()
    assert line["event"] == "transport.exchanged"
    assert line["request_headers"] == {"Authorization": "***"}


def test_without_a_terminal_lines_are_json() -> None:
    sink = Sink()
    set_up(stream=sink)
    structlog.get_logger().info("a.thing")
    assert sink.last()["event"] == "a.thing"
