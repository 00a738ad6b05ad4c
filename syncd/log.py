"""Logs: structlog set up once, for people on a terminal and for machines everywhere else.

Flow: a module asks `structlog.get_logger()` and says `package.thing_happened` with keys; what
libraries say through `logging` comes out the same way as `library.said`, from warning on.

Invariants: no secret is printed (as a type, by its key's name, by its looks, and by its text);
no value can forge a line, colour a terminal or fill a disk; a log that cannot be written stops
nothing.
"""

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import BinaryIO
from urllib.parse import quote

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from syncd.model.secret import Secret
from syncd.transport.redact import scrub
from syncd.transport.wirelog import Exchange

VALUE_CHARS_MAX = 2048
"""Longest text of one value."""
KEY_CHARS_MAX = 128
"""Longest name of a value."""
TRACE_CHARS_MAX = 16 * 1024
"""Longest traceback; its middle is left out."""
ITEMS_MAX = 50
"""Most items shown of one list or mapping."""
DEPTH_MAX = 4
"""Deepest nesting shown."""
_SHORTEST_SECRET_CHARS = 4
_SHORT_CHARS = 64
"""Texts up to this length come again and again: names of connections, kinds, outcomes."""
_SHORT_MAX = 2_048
"""Such texts whose safe form is remembered."""
_HIDDEN = "***"
_TRACES = frozenset({"exception", "stack"})

_SECRET_KEY = re.compile(
    r"(token|authorization|password|passwd|secret|api_?key|cookie|credentials?)$", re.IGNORECASE
)
_LOOKS_SECRET = re.compile(
    r"token|secret|passw|key|bearer|basic|authorization|[a-z]://[^/]*@", re.IGNORECASE
)
"""A cheap first look: most values match nothing of it."""
_SECRET_WORDS = ("token", "secret", "passw", "key", "bearer", "basic", "authorization", "@")
"""The same as plain words, one of which is in every ASCII text it finds: several times as fast."""
_USER_INFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"(authorization['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+(\s+[^\s'\",}]+)?", re.I
)
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, what turns the direction of writing, line separators, lone surrogates."""
_UNSAFE_IN_TRACE = re.compile(_UNSAFE.pattern.replace(r"\x00-\x1f", r"\x00-\x09\x0b-\x1f"))


class LogFormat(StrEnum):
    """How lines look; AUTO is CONSOLE on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """What `log:` in the configuration says."""

    level: str = "info"
    format: LogFormat = LogFormat.AUTO


class Redactor:
    """The processor that makes an event fit to be written."""

    def __init__(self) -> None:
        """Know no secret yet."""
        self._known: frozenset[str] = frozenset()
        self._known_pattern: re.Pattern[str] | None = None
        self._short = functools.lru_cache(maxsize=_SHORT_MAX)(self.text)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Hide these texts from now on, also where they stand quoted in a URL or in JSON."""
        for secret in secrets:
            text = secret.reveal().strip()
            if len(text) >= _SHORTEST_SECRET_CHARS:
                escaped = orjson.dumps(text).decode()[1:-1]
                self._known |= {text, quote(text, safe=""), escaped}
        if self._known:
            # The longest first: one secret may begin with another.
            longest_first = sorted(self._known, key=len, reverse=True)
            self._known_pattern = re.compile("|".join(map(re.escape, longest_first)))
        # What was safe while they were unknown may not be any more.
        self._short.cache_clear()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Give the event with every value plain, short, visible and without secrets."""
        shown: EventDict = {}
        for key, value in event.items():
            name, is_plain = _known_key(key)
            if value is None:
                shown[name] = None
            elif is_plain and type(value) is str and len(value) <= _SHORT_CHARS:
                shown[name] = self._short(value)
            else:
                shown[name] = self._entry(key, value)
        return shown

    def text(self, text: str) -> str:
        """Make one text safe: no secrets, no control characters, at most 2 KiB."""
        text = self._without_secrets(text)
        if not text.isprintable():
            text = _UNSAFE.sub(_escape, text)
        return _cut(text, VALUE_CHARS_MAX)

    def _entry(self, key: str, value: object) -> object:
        if key in _TRACES and isinstance(value, str):
            return self._trace(value)
        return self._value(key, value, DEPTH_MAX)

    def _value(self, key: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Secret) or _is_secret_key(key):
            return _HIDDEN
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, int | float):
            # orjson takes integers of 64 bits only.
            return value if isinstance(value, float) or value.bit_length() < 64 else hex(value)
        if isinstance(value, str):
            return self.text(value)
        if depth and isinstance(value, Mapping):
            return self._mapping(value, depth)
        if depth and isinstance(value, list | tuple | set | frozenset):
            shown = [self._value("", item, depth - 1) for item in list(value)[:ITEMS_MAX]]
            return shown + ([f"{len(value) - ITEMS_MAX} more"] if len(value) > ITEMS_MAX else [])
        return self.text(_told(value))

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        shown = {
            _safe_key(str(name)): self._value(str(name), item, depth - 1)
            for name, item in list(value.items())[:ITEMS_MAX]
        }
        return shown | ({"…": f"{len(value) - ITEMS_MAX} more"} if len(value) > ITEMS_MAX else {})

    def _trace(self, text: str) -> str:
        safe = _UNSAFE_IN_TRACE.sub(_escape, self._without_secrets(text))
        # Set in, so that no line of a hostile message looks like an event of its own.
        safe = safe.replace("\n", "\n  | ")
        if len(safe) <= TRACE_CHARS_MAX:
            return safe
        half = TRACE_CHARS_MAX // 2
        return (
            f"{safe[:half]}\n  | … ({len(safe) - 2 * half} characters left out) …\n{safe[-half:]}"
        )

    def _without_secrets(self, text: str) -> str:
        if self._known_pattern is not None:
            text = self._known_pattern.sub(_HIDDEN, text)
        if _may_look_secret(text) and _LOOKS_SECRET.search(text):
            text = scrub(_USER_INFO.sub(rf"\1{_HIDDEN}@", text))
            text = _AUTHORIZATION.sub(rf"\1{_HIDDEN}", text)
        return text


class ExchangeLog:
    """The transport's WireLog: tells each exchange to observers, and to the log at debug."""

    def __init__(self, observers: Iterable[Callable[[Exchange], None]] = ()) -> None:
        """Take observers, such as the metrics; they neither block nor raise."""
        self._observers = tuple(observers)
        self._log = structlog.get_logger()

    def request(self, exchange: Exchange) -> None:
        """Take note of one exchange."""
        for observer in self._observers:
            observer(exchange)
        if not self._log.is_enabled_for(logging.DEBUG):
            return
        self._log.debug(
            "transport.exchanged",
            connection=exchange.connection,
            operation=exchange.operation,
            method=exchange.method,
            path=exchange.path,
            attempt=exchange.attempt,
            status=exchange.status,
            outcome=exchange.outcome,
            detail=exchange.detail,
            duration_s=round(exchange.duration_s, 4),
            wait_s=round(exchange.wait_s, 4),
            request_id=exchange.request_id,
            request_headers=exchange.request_headers(),
            request_body=exchange.request_text(),
            answer_headers=exchange.answer_headers(),
            answer_body=exchange.answer_text(),
        )


class _Output:
    """A stream that never raises: a full disk or a closed pipe must not stop the daemon."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            return


class _LineLogger:
    """What structlog hands the rendered line to."""

    def __init__(self, output: _Output) -> None:
        self._output = output

    def msg(self, line: bytes | str) -> None:
        data = line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")
        self._output.write(data + b"\n")

    log = debug = info = warning = warn = error = critical = fatal = exception = failure = err = msg


class _FromLibraries(logging.Handler):
    """Takes what libraries say through `logging`, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as err:  # noqa: BLE001 - a library's broken format string is not our end
            message = f"{record.msg!r} ({type(err).__name__} while formatting)"
        structlog.get_logger().log(
            record.levelno, "library.said", library=record.name, message=message,
            exc_info=record.exc_info or None,
        )  # fmt: skip


def set_up(
    options: LogOptions | None = None,
    *,
    stream: BinaryIO | None = None,
    redactor: Redactor | None = None,
) -> Redactor:
    """Set logging up for the whole process; may be called again (a reload changes the level).

    Args:
        options: level and format.
        stream: where lines go; standard error when None.
        redactor: one that already knows secrets; a new one when None.

    Returns:
        The redactor, to be told about secrets.
    """
    options = options or LogOptions()
    redactor = redactor or Redactor()
    level = logging.getLevelNamesMapping()[options.level.upper()]
    target = sys.stderr.buffer if stream is None else stream
    output = _Output(target)
    structlog.configure(
        processors=_chain(redactor, as_json=_wants_json(options.format, target)),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_args: _LineLogger(output),
        # A reload may change the level: loggers that modules hold must notice.
        cache_logger_on_first_use=False,
    )
    handler = _FromLibraries(level=max(level, logging.WARNING))
    logging.basicConfig(handlers=[handler], level=handler.level, force=True)
    logging.captureWarnings(True)
    return redactor


def _chain(redactor: Redactor, *, as_json: bool) -> list[Processor]:
    renderer: Processor = _to_json
    if not as_json:
        renderer = structlog.dev.ConsoleRenderer(colors=True, pad_event_to=32)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
        # To text before the redactor, which so sees tracebacks as well.
        structlog.processors.format_exc_info,
        redactor,
        renderer,
    ]


def _to_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=repr)


def _wants_json(form: LogFormat, stream: BinaryIO) -> bool:
    if form is not LogFormat.AUTO:
        return form is LogFormat.JSON
    # systemd tells by this that standard error is the journal.
    return "JOURNAL_STREAM" in os.environ or not stream.isatty()


def _may_look_secret(text: str) -> bool:
    if not text.isascii():
        return True
    lower = text.lower()
    return any(word in lower for word in _SECRET_WORDS)


@functools.lru_cache(maxsize=1024)
def _safe_key(key: str) -> str:
    return _cut(_UNSAFE.sub(_escape, key), KEY_CHARS_MAX)


@functools.lru_cache(maxsize=1024)
def _known_key(key: str) -> tuple[str, bool]:
    """Give a key as it is written, and whether its texts are shown like any other."""
    return _safe_key(key), key not in _TRACES and not _is_secret_key(key)


@functools.lru_cache(maxsize=1024)
def _is_secret_key(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _told(value: object) -> str:
    try:
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception as err:  # noqa: BLE001 - whatever a broken __str__ raises, the event is written
        return f"<{type(value).__name__}, {type(err).__name__} while printing>"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _cut(text: str, chars_max: int) -> str:
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}… (+{len(text) - chars_max} characters)"
