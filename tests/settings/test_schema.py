"""The JSON Schema accepts what we ship and refuses what editors should underline."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from syncd.settings.schema import schema
from tests.settings.support import DAEMON, EXAMPLE, MAPPING

OURS = Path(__file__).resolve().parents[2] / "config"
KINDS = {DAEMON: "syncd.yaml", MAPPING: "mapping"}
TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float),
    "integer": int,
}  # fmt: skip
KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "default", "examples", "format"),
    *("type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf"),
    *("allOf", "if", "then", "pattern", "minProperties", "maxProperties", "patternProperties"),
    *("minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum"),
}


def errors(value: Any, rule: Any, whole: dict[str, Any]) -> Iterator[str]:
    """Validate by the few words of JSON Schema that ours uses."""
    if rule is True:
        return
    assert set(rule) <= KNOWN, set(rule) - KNOWN
    if "$ref" in rule:
        yield from errors(value, whole["$defs"][rule["$ref"].rpartition("/")[2]], whole)
    yield from _value_errors(value, rule)
    if isinstance(value, dict):
        yield from _block_errors(value, rule, whole)
    if isinstance(value, list) and "items" in rule:
        for item in value:
            yield from errors(item, rule["items"], whole)
    if "anyOf" in rule and all(list(errors(value, one, whole)) for one in rule["anyOf"]):
        yield f"{value!r} fits nothing of anyOf"
    for one in rule.get("allOf", []):
        yield from errors(value, one, whole)
    if "if" in rule and not list(errors(value, rule["if"], whole)):
        yield from errors(value, rule["then"], whole)


def _value_errors(value: Any, rule: Any) -> Iterator[str]:
    names = rule.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        yield f"{value!r} is no {names}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{value!r} is none of {rule['enum']}"
    if "const" in rule and value != rule["const"]:
        yield f"{value!r} is not {rule['const']}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{value!r} does not fit {rule['pattern']}"


def _is(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean") == isinstance(value, bool)


def _block_errors(value: dict[str, Any], rule: Any, whole: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in rule.get("required", []) if name not in value)
    if not rule.get("minProperties", 0) <= len(value) <= rule.get("maxProperties", 10_000):
        yield "too many or too few keys"
    properties, others = rule.get("properties", {}), rule.get("additionalProperties", True)
    patterns = rule.get("patternProperties", {})
    for name, one in value.items():
        for pattern, each in patterns.items():
            if re.search(pattern, str(name)):
                yield from errors(one, each, whole)
        if str(name) in properties:
            yield from errors(one, properties[str(name)], whole)
        elif others is False:
            yield f"unknown key {name}"
        else:
            yield from errors(one, others, whole)


def read(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("root", [EXAMPLE, OURS], ids=["example", "config"])
@pytest.mark.parametrize("file", [DAEMON, MAPPING])
def test_it_accepts_the_files_we_ship(root: Path, file: str) -> None:
    whole = schema()[KINDS[file]]
    assert list(errors(read(root / file), whole, whole)) == []


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        (DAEMON, ["log", "level"], "loud"),
        (DAEMON, ["enviroment"], "x"),
        (DAEMON, ["connections", "telenor-no", "usr_name"], "x"),
        (DAEMON, ["connections", "telenor-no", "provider"], "telnor"),
        (DAEMON, ["connections", "telenor-no", "auth", "client_secret"], "literal"),
        (DAEMON, ["connections", "servicedesk", "poll", "every"], "often"),
        (MAPPING, ["mode"], "on"),
        (MAPPING, ["status", "to_itsm", "New"], "nothng"),
        (MAPPING, ["fields", "to_vendor", "title"], {"form": "title"}),
        (MAPPING, ["open", "to_vendor", "when", "number"], {"match": "x"}),
        (MAPPING, ["attachments", "to_vendor", "max_size"], "20"),
    ],
)
def test_it_refuses_what_an_editor_should_underline(
    file: str, path: list[str], value: object
) -> None:
    whole = schema()[KINDS[file]]
    data = read(EXAMPLE / file)
    around = data
    for part in path[:-1]:
        around = around[part]
    around[path[-1]] = value
    assert list(errors(data, whole, whole))


def test_it_is_json_and_every_reference_leads_somewhere() -> None:
    for whole in schema().values():
        text = json.dumps(whole)
        definitions = whole["$defs"]
        assert isinstance(definitions, dict)
        wanted = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', text))
        assert wanted <= set(definitions)
