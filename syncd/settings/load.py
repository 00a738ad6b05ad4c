"""Reads a whole configuration: `Settings`, or every problem at once."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from syncd.core.rules import MappingRules
from syncd.model.errors import SettingsError
from syncd.model.ids import ConnectionName, MappingName
from syncd.registry import PROVIDERS, Provider
from syncd.settings import yaml_nodes
from syncd.settings.connections import Connections, read_connections
from syncd.settings.daemon import DaemonBlock
from syncd.settings.mapping_build import (
    REVISION_CHARS,
    BuiltMapping,
    Surroundings,
    build_mapping,
)
from syncd.settings.problems import Mark, Problems, shown
from syncd.settings.secrets import SecretSource
from syncd.settings.tables import LoadedTable, Tables, read_table
from syncd.settings.traits import facts_of
from syncd.settings.validate import Reading, validate
from syncd.settings.values import ConnectionSettings, Settings
from syncd.settings.yaml_nodes import read_document

DEFAULT_PATHS = (Path("config/syncd.yaml"), Path("/etc/syncd/syncd.yaml"))
"""Where the configuration is looked for when nobody says."""
FILES_MAX = 1000
"""Most mapping files, and most tables."""


def find_config(explicit: Path | None, environ: Mapping[str, str] | None = None) -> Path:
    """Say which file is the configuration: the named one, SYNCD_CONFIG, or the first default.

    Args:
        explicit: what `--config` names; None where it was not given.
        environ: the environment; None for this process's.

    Raises:
        SettingsError: there is none; the text lists where it was looked for.
    """
    named = (environ if environ is not None else os.environ).get("SYNCD_CONFIG", "")
    for path, why in ((explicit, "--config"), (Path(named) if named else None, "SYNCD_CONFIG")):
        if path is not None:
            if path.is_file():
                return path
            what = "a folder; its file is needed" if path.is_dir() else "no such file"
            raise SettingsError((f"{path}: {what} ({why} names it)",))
    for path in DEFAULT_PATHS:
        if path.is_file():
            return path
    looked = ", ".join(
        f"./{path}" if not path.is_absolute() else str(path) for path in DEFAULT_PATHS
    )
    raise SettingsError(
        (f"no configuration: looked for {looked}; accepted: --config FILE, SYNCD_CONFIG=FILE",)
    )


@dataclass(slots=True)
class _Folder:
    """The files read so far."""

    root: Path
    problems: Problems
    files: dict[Path, bytes] = field(default_factory=dict)

    def read(self, path: Path) -> bytes | None:
        """Read a file once; None after a complaint."""
        try:
            with path.open("rb") as file:
                data = file.read(yaml_nodes.FILE_BYTES_MAX * 8)
        except OSError as err:
            self.problems.add(Mark(path.name), (), f"cannot be read: {err.strerror}")
            return None
        self.files[path] = hashlib.sha256(data).digest()
        return data

    def matching(self, pattern: str, reading: Reading, key: str) -> list[Path]:
        """List the files a pattern of syncd.yaml names, in order."""
        base = Path(pattern)
        folder = (self.root / base).parent
        if base.name in ("", "..") or "*" in str(base.parent):
            reading.add((key,), f"{shown(pattern)} names no files; accepted: folder/*.yaml")
            return []
        if not folder.is_dir():
            reading.add((key,), f"there is no folder {folder}")
            return []
        found = [path for path in sorted(folder.glob(base.name)) if _is_meant(path)]
        if len(found) > FILES_MAX:
            reading.add((key,), f"{len(found)} files; at most {FILES_MAX} are read")
        return found[:FILES_MAX]


def _is_meant(path: Path) -> bool:
    """Leave out folders and what editors leave behind."""
    return path.is_file() and not path.name.startswith((".", "#")) and not path.name.endswith("~")


def load(
    path: Path,
    *,
    secrets: SecretSource | None = None,
    providers: Mapping[str, Provider] | None = None,
    to_look: bool = False,
) -> Settings:
    """Read a configuration, whole.

    Args:
        path: of syncd.yaml.
        secrets: where references to secrets are looked up; None for this process's environment.
        providers: by name; None for all there are.
        to_look: nothing is decided by these: broken connections, mappings and tables are `errors`,
            and then no mapping is given, for the ones that are whole may mean something else
            without the rest.

    Returns:
        Frozen settings; nothing of an earlier load is in them.

    Raises:
        SettingsError: with every problem of every file.
    """
    problems = Problems()
    folder = _Folder(path.parent, problems)
    source = secrets if secrets is not None else SecretSource()
    source.open_files.clear()
    known = providers if providers is not None else PROVIDERS
    data = folder.read(path)
    if data is None:
        problems.raise_any()
        raise AssertionError("unreachable: a file that cannot be read is a problem")
    reading = Reading(read_document(data, path.name, problems), problems, source)
    block, connections = _daemon(reading, known)
    tables = _tables(folder, reading)
    around = Surroundings(connections=connections, providers=known, tables=tables)
    built = _mappings(folder, reading, around)
    made = _spelled(connections.made, built, known, problems)
    _check_former_names(built, problems)
    if to_look and block is not None:
        built = [] if len(problems) else built
    else:
        problems.raise_any()
    if block is None:
        raise SettingsError((f"{path.name}: cannot be used",))
    return Settings(
        environment=block.environment,
        store=block.store.value(),
        http=block.http.value(),
        log=block.log.value(),
        retention=block.retention.value(),
        connections=made,
        mappings={one.rules.name: one.rules for one in built},
        tests={one.rules.name: one.tests for one in built},
        revision=_revision(folder),
        files=tuple(folder.files),
        remarks=tuple(
            f"{path} holds a secret and can be read by anybody on this machine: chmod o-r {path}"
            for path in sorted(source.open_files)
        ),
        errors=problems.lines,
    )


def _revision(folder: _Folder) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.files):
        whole.update(path.name.encode("utf-8", "replace") + b"\0" + folder.files[path])
    return whole.hexdigest()[:REVISION_CHARS]


def _daemon(
    reading: Reading, providers: Mapping[str, Provider]
) -> tuple[DaemonBlock | None, Connections]:
    document = reading.document
    if not document.readable or document.is_broken(()):
        return None, Connections({}, None)
    block = validate(DaemonBlock, document.root, (), reading)
    connections = read_connections(reading, ("connections",), providers)
    if block is not None and block.store.lease is not None:
        _check_lease(block.store.lease, connections, reading)
    return block, connections


def _check_lease(lease_s: float, connections: Connections, reading: Reading) -> None:
    """Refuse a lease that may end while a request is on its way: another would look too early."""
    for name, connection in sorted(connections.made.items()):
        total_s = connection.timeouts.total_s
        # What calls us is sent nothing.
        if connection.base_url and lease_s <= total_s:
            said = f"a request to {name} may take {total_s:g} s; accepted: longer than that"
            reading.add(("store", "lease"), said)


def _glob(reading: Reading, key: str) -> str | None:
    node = reading.document.node((key,))
    return getattr(node, "text", None) or None


def _tables(folder: _Folder, reading: Reading) -> Tables:
    pattern = _glob(reading, "tables")
    before = len(folder.problems)
    paths = folder.matching(pattern, reading, "tables") if pattern else []
    unsure = not reading.document.readable or len(folder.problems) > before
    tables: dict[str, LoadedTable] = {}
    for path in paths:
        data = folder.read(path)
        if data is None:
            continue
        loaded = read_table(data, path.name, folder.files[path], folder.problems)
        if loaded is not None:
            tables[loaded.table.name] = loaded
    return Tables(tables, None if unsure else frozenset(path.stem for path in paths))


def _mappings(folder: _Folder, reading: Reading, around: Surroundings) -> list[BuiltMapping]:
    pattern = _glob(reading, "mappings")
    built: list[BuiltMapping] = []
    stems: dict[str, Path] = {}
    for path in folder.matching(pattern, reading, "mappings") if pattern else ():
        if stems.setdefault(path.stem, path) != path:
            said = f"a mapping of this name is in {stems[path.stem].name} already"
            folder.problems.add(Mark(path.name), (), said)
            continue
        data = folder.read(path)
        if data is None:
            continue
        document = read_document(data, path.name, folder.problems)
        one = build_mapping(
            Reading(document, folder.problems, reading.secrets),
            path.stem,
            folder.files[path],
            around,
        )
        if one is not None:
            built.append(one)
    return built


def _check_former_names(built: list[BuiltMapping], problems: Problems) -> None:
    names = {one.rules.name for one in built}
    seen: dict[MappingName, MappingName] = {}
    for one in built:
        was = one.rules.was
        if was is None:
            continue
        mark = Mark(one.rules.place.file)
        if was in names:
            problems.add(mark, ("was",), f"{shown(was)} is another mapping")
        elif seen.setdefault(was, one.rules.name) != one.rules.name:
            problems.add(mark, ("was",), f"{shown(was)} is already what {seen[was]} was")


def _spelled(
    made: Mapping[ConnectionName, ConnectionSettings],
    built: list[BuiltMapping],
    providers: Mapping[str, Provider],
    problems: Problems,
) -> dict[ConnectionName, ConnectionSettings]:
    """Note on each connection how mappings write its labels; complain where they differ."""
    result = dict(made)
    forms: dict[tuple[ConnectionName, str, object], tuple[str, Mark]] = {}
    for one in built:
        for (name, label_field, label), mark in one.labels.items():
            connection = result[name]
            normalise = providers[connection.provider].normalise(connection.options)
            form = normalise(label_field, label)
            first, where = forms.setdefault((name, label_field, form), (label, mark))
            if first != label:
                said = f"{shown(label)} is written {shown(first)} in {where}; write it alike"
                problems.add(mark, (), said)
                continue
            known = connection.spellings.get(label_field, ())
            if label not in known and _is_new(connection, label_field, label):
                spellings = {**connection.spellings, label_field: (*known, label)}
                result[name] = replace(connection, spellings=spellings)
    return result


def _is_new(connection: ConnectionSettings, name: str, label: str) -> bool:
    canonicals = connection.values.get(name, {})
    return not any(label == each or label in others for each, others in canonicals.items())


def refuse_orphans(
    settings: Settings,
    mappings: Iterable[MappingName],
    connections: Iterable[ConnectionName] = (),
) -> None:
    """Refuse settings that lost what the store has links for (DESIGN R13).

    Args:
        settings: as loaded.
        mappings: names of mappings with live links.
        connections: names of connections with tickets.

    Raises:
        SettingsError: naming each one that is gone without `was:`.
    """
    kept = {str(name) for name in settings.mappings}
    kept |= {str(one.was) for one in settings.mappings.values() if one.was is not None}
    held = {str(name) for name in settings.connections}
    held |= {str(one.was) for one in settings.connections.values() if one.was is not None}
    lost = [
        f"mapping {name} has linked tickets and its file is gone; accepted: the file again,"
        f" mode: paused, or `was: {name}` in the file that takes its place"
        for name in sorted(set(mappings))
        if name not in kept
    ]
    lost += [
        f"connection {name} has tickets and is gone from {settings.files[0].name}; accepted: the"
        f" connection again, or `was: {name}` in the one that takes its place"
        for name in sorted(set(connections))
        if name not in held
    ]
    if lost:
        raise SettingsError(tuple(lost))


__all__ = ["DEFAULT_PATHS", "MappingRules", "facts_of", "find_config", "load", "refuse_orphans"]
