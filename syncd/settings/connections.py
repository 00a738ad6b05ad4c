"""Connections of syncd.yaml: what every one may say, and what its provider adds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import BaseModel

from syncd.core.rules import Place
from syncd.model.ids import ConnectionName
from syncd.model.ticket import FieldInfo
from syncd.registry import Provider
from syncd.settings import shapes
from syncd.settings.daemon import ConnectionBlock
from syncd.settings.problems import Mark, Path, listed, nearest, quoted, shown
from syncd.settings.types import check_url
from syncd.settings.validate import Reading, unknown_key, validate
from syncd.settings.values import ConnectionSettings, ExpectNews
from syncd.settings.yaml_nodes import Entry, Map, Scalar
from syncd.transport.options import Timeouts

M = TypeVar("M", bound=BaseModel)

LIKE_MAX = 8
"""Longest chain of `like:`."""


@dataclass(frozen=True, slots=True)
class Connections:
    """What became of the connections.

    Attributes:
        made: those without a problem.
        declared: every name that stands in the file, with or without problems; None where nobody
            can tell.
    """

    made: Mapping[ConnectionName, ConnectionSettings]
    declared: frozenset[str] | None


def read_connections(
    reading: Reading, path: Path, providers: Mapping[str, Provider]
) -> Connections:
    """Read the block `connections:`.

    Args:
        reading: syncd.yaml.
        path: where the block stands.
        providers: by name.
    """
    node = reading.document.node(path)
    if not isinstance(node, Map):
        return Connections({}, None)  # Told where the whole file is held against its model.
    made: dict[ConnectionName, ConnectionSettings] = {}
    for name in _bases_first(node):
        base = _base(node, name)
        if _is_circular(node, name):
            reading.add((*path, name, "like"), "leads round in a circle")
            continue
        if base in node.entries and base not in made and base != name:
            continue  # What is wrong with it is told once, where it stands.
        one = _connection(name, node, path, reading, providers)
        if one is not None:
            made[one.name] = one
    _check_former_names(made, path, reading)
    return Connections(made, frozenset(node.entries))


def _base(node: Map, name: str) -> str:
    """Name the connection that one is `like`; empty for none."""
    own = node.entries[name].value
    entry = own.entries.get("like") if isinstance(own, Map) else None
    return entry.value.text if entry and isinstance(entry.value, Scalar) else ""


def _bases_first(node: Map) -> list[str]:
    """Order the names so that what others are `like` comes first."""

    def depth(name: str) -> int:
        steps = 0
        while steps < LIKE_MAX and name in node.entries and (name := _base(node, name)):
            steps += 1
        return steps

    return sorted(node.entries, key=depth)


def _is_circular(node: Map, name: str) -> bool:
    seen: set[str] = set()
    while name in node.entries and name not in seen:
        seen.add(name)
        name = _base(node, name)
    return name in seen


def _check_former_names(
    made: Mapping[ConnectionName, ConnectionSettings], path: Path, reading: Reading
) -> None:
    seen: set[str] = set()
    for one in made.values():
        if one.was is not None and (one.was in made or one.was in seen):
            reading.add((*path, one.name, "was"), f"{shown(one.was)} is another connection")
        seen |= {one.was} if one.was is not None else set()


def _connection(
    name: str, around: Map, path: Path, reading: Reading, providers: Mapping[str, Provider]
) -> ConnectionSettings | None:
    here = (*path, name)
    own = around.entries[name].value
    if not isinstance(own, Map):
        reading.add(here, "a block of keys is expected")
        return None
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        reading.add_key(here, "a name is made of letters, digits, '.', '_' and '-'")
    whole, like = _with_like(name, around, path, reading)
    if whole is None:
        return None
    provider = _provider(whole, here, reading, providers)
    if provider is None:
        return None
    before = len(reading.problems)
    if "base_url" not in whole.entries and not _is_served(whole, provider):
        reading.add(here, "`base_url` is missing; accepted: https://host/path")
    block, options = _two_parts(whole, here, reading, provider)
    if block is None or options is None:
        return None
    if provider.offer(options, ConnectionName(name), {}) is not None and block.base_url:
        reading.add_key((*here, "base_url"), "a connection that is served calls nobody")
    _check_urls(whole, here, reading, plain_ok=block.allow_plain)
    made = _value(name, block, options, like, reading.document.key_mark(here))
    made = _check_labels(made, here, reading, provider)
    return made if len(reading.problems) == before else None


def _is_served(node: Map, provider: Provider) -> bool:
    """Whether others call this connection, so that it has no address."""
    entry = node.entries.get("mode")
    mode = entry.value.text if entry and isinstance(entry.value, Scalar) else ""
    return provider.build_served is not None and mode == "serve"


def _with_like(
    name: str, around: Map, path: Path, reading: Reading
) -> tuple[Map | None, str | None]:
    """Lay a connection's keys over those of the one it is `like`; give all, and that one's name."""
    entries: dict[str, Entry] = {}
    at, root = name, name
    for _ in range(LIKE_MAX):
        node = around.entries[at].value
        if not isinstance(node, Map):
            return None, None
        for key, entry in node.entries.items():
            if key not in ("was",) or at == name:
                entries.setdefault(key, entry)
        like = node.entries.get("like")
        root = at
        if like is None:
            own = around.entries[name].value
            return Map(entries, own.mark), root if root != name else None
        if not isinstance(like.value, Scalar) or like.value.text not in around.entries:
            text = like.value.text if isinstance(like.value, Scalar) else ""
            others = [one for one in around.entries if one != at]
            close = nearest(text, others) or ";"
            said = f"no connection {shown(text)}{close} accepted: {listed(others)}"
            reading.add((*path, at, "like"), said)
            return None, None
        at = like.value.text
    reading.add((*path, name, "like"), f"a chain of more than {LIKE_MAX}")
    return None, None


def _provider(
    node: Map, path: Path, reading: Reading, providers: Mapping[str, Provider]
) -> Provider | None:
    entry = node.entries.get("provider")
    if entry is None:
        reading.add(path, f"`provider` is missing; accepted: {listed(sorted(providers))}")
        return None
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    found = providers.get(text)
    if found is None:
        close = nearest(text, providers) or ";"
        said = f"no provider {shown(text)}{close} accepted: {listed(sorted(providers))}"
        reading.add((*path, "provider"), said)
    return found


def _two_parts(
    node: Map, path: Path, reading: Reading, provider: Provider
) -> tuple[ConnectionBlock | None, BaseModel | None]:
    """Validate the keys of every connection and the provider's own, each by its model."""
    general = shapes.keys_of(ConnectionBlock)
    own = shapes.keys_of(provider.settings_model)
    for key in node.entries:
        if key not in general and key not in own:
            said = unknown_key(key, sorted({*general, *own}))
            reading.add_key((*path, key), said)
    block = _part(node, general, ConnectionBlock, path, reading)
    options = _part(node, own, provider.settings_model, path, reading)
    return block, options


def _part(
    node: Map, keys: Mapping[str, object], model: type[M], path: Path, reading: Reading
) -> M | None:
    entries = {key: entry for key, entry in node.entries.items() if key in keys}
    return validate(model, Map(entries, node.mark), path, reading)


def _check_urls(node: Map, path: Path, reading: Reading, *, plain_ok: bool) -> None:
    """Hold every `…_url`, wherever it stands, to the rules for addresses."""
    for key, entry in node.entries.items():
        below = (*path, key)
        if isinstance(entry.value, Map):
            _check_urls(entry.value, below, reading, plain_ok=plain_ok)
        elif isinstance(entry.value, Scalar) and key.endswith("_url"):
            try:
                check_url(entry.value.text, plain_ok=plain_ok)
            except ValueError as err:
                reading.add(below, str(err))


def _value(
    name: str, block: ConnectionBlock, options: BaseModel, like: str | None, mark: Mark
) -> ConnectionSettings:
    news, limits = block.expect_news, block.timeouts
    return ConnectionSettings(
        name=ConnectionName(name),
        provider=block.provider,
        base_url=block.base_url.rstrip("/"),
        options=options,
        poll=block.poll.value(),
        notify_token=block.notify.token if block.notify else None,
        values=block.values,
        phases=block.phases,
        expect_news=None
        if news is None
        else ExpectNews(every_s=news.every, between=news.between, zone=news.zone),
        support=block.support,
        ca_file=block.ca_file,
        timeouts=Timeouts(
            connect_s=limits.connect,
            read_s=limits.read,
            total_s=limits.total,
            transfer_total_s=limits.transfer_total,
        ),
        like=None if like is None else ConnectionName(like),
        was=None if block.was is None else ConnectionName(block.was),
        place=Place(mark.file, mark.line),
    )


def _check_labels(
    made: ConnectionSettings, path: Path, reading: Reading, provider: Provider
) -> ConnectionSettings:
    """Check `phases` and `values` against the provider; note how labels are written."""
    features = provider.features(made.options)
    known = {
        info.name: info
        for kind in sorted(features.kinds)
        for info in provider.fields(made.options, kind)
    }
    _check_values(made, path, reading, known)
    _check_phases(made, path, reading, features.statuses)
    listed_labels: dict[str, list[str]] = {
        "status": [*features.statuses, *(label for each in made.phases.values() for label in each)]
    }
    for name, info in known.items():
        listed_labels.setdefault(name, []).extend(info.values)
    for name, labels in made.values.items():
        listed_labels.setdefault(name, []).extend(labels)
    spellings = {name: tuple(dict.fromkeys(each)) for name, each in listed_labels.items() if each}
    return replace(made, spellings=spellings)


def _check_values(
    made: ConnectionSettings, path: Path, reading: Reading, known: Mapping[str, FieldInfo]
) -> None:
    for name, labels in made.values.items():
        here = (*path, "values", name)
        if name not in known:
            close = nearest(name, known) or ";"
            said = f"{made.provider} has no such field{close} accepted: {listed(known)}"
            reading.add_key(here, said)
        seen: dict[str, str] = {}
        for canonical, others in labels.items():
            for spelling in (canonical, *others):
                before = seen.setdefault(spelling, canonical)
                if before != canonical:
                    said = f"{shown(spelling)} already means {shown(before)}"
                    reading.add((*here, canonical), said)


def _check_phases(
    made: ConnectionSettings, path: Path, reading: Reading, statuses: tuple[str, ...]
) -> None:
    seen: dict[str, str] = {}
    others = {
        spelling: canonical
        for canonical, spellings in made.values.get("status", {}).items()
        for spelling in spellings
    }
    for phase, labels in made.phases.items():
        for label in labels:
            here = (*path, "phases", phase)
            if seen.setdefault(label, phase) != phase:
                reading.add(here, f"{shown(label)} is already in {seen[label]}")
            if label in others:
                reading.add(here, f"{shown(label)} is written {shown(others[label])} (see values)")
            elif statuses and label not in statuses:
                close = nearest(label, statuses) or ";"
                said = f"no status {shown(label)}{close} accepted: {quoted(statuses)}"
                reading.add(here, said)
