"""JSON Schema of both kinds of file, for editors; what it accepts may still have problems."""

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from syncd.model.secret import Secret
from syncd.registry import PROVIDERS, Provider
from syncd.settings.daemon import ConnectionBlock, DaemonBlock
from syncd.settings.mapping import MappingBlock
from syncd.settings.secrets import KINDS

Json = dict[str, object]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Json = {
    "type": "object",
    "description": "a secret, by reference",
    "properties": {kind: {"type": "string"} for kind in KINDS},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
_TEXT_TYPES = ["string", "number", "boolean"]
"""What an editor takes a plain scalar for; we take every scalar as text."""


_NO_WORDS = ("title", "ge", "le", "gt", "lt")
"""Bounds of what is written as a text with a unit: no words of JSON Schema."""


class _Generator(GenerateJsonSchema):
    """Knows secrets, and that numbers and truth values are texts to us as well."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        if schema["cls"] is Secret:
            return dict(_REFERENCE)
        return super().is_instance_schema(schema)

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        made = super().str_schema(schema)
        return made if "pattern" in made else {**made, "type": _TEXT_TYPES}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        # Nothing at all is never accepted where a value is expected: the key is left out.
        return self.generate_inner(schema["schema"])

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        made = super().function_before_schema(schema)
        if made.get("type") in ("number", "integer"):
            return {"anyOf": [{"type": "string"}, made]}
        return made


def schema(providers: Mapping[str, Provider] = PROVIDERS) -> dict[str, Json]:
    """Give both schemas: `syncd.yaml` and `mapping`.

    Args:
        providers: whose connection keys are described.
    """
    return {"syncd.yaml": _daemon(providers), "mapping": _mapping()}


def _mapping() -> Json:
    definitions: Json = {}
    whole = _of(MappingBlock, "", definitions)
    whole["title"] = "A mapping of syncd"
    return {"$schema": _DIALECT, **whole, "$defs": definitions}


def _daemon(providers: Mapping[str, Provider]) -> Json:
    definitions: Json = {}
    whole = _of(DaemonBlock, "", definitions)
    general = _of(ConnectionBlock, "Connection", definitions)
    cases = [_case(name, one, general, definitions) for name, one in sorted(providers.items())]
    definitions["Connection"] = {
        "type": "object",
        "anyOf": [{"required": ["provider"]}, {"required": ["like"]}],
        "properties": {"provider": {"enum": sorted(providers)}},
        "allOf": cases,
    }
    connections = {
        "type": "object",
        "description": "every account syncd uses, by a name of your own",
        "additionalProperties": {"$ref": "#/$defs/Connection"},
    }
    properties = {**_block(whole, "properties"), "connections": connections}
    return {
        "$schema": _DIALECT,
        **whole,
        "title": "syncd.yaml",
        "properties": properties,
        "$defs": definitions,
    }


def _case(name: str, provider: Provider, general: Json, definitions: Json) -> Json:
    """Describe a connection of one provider."""
    own = _of(provider.settings_model, provider.settings_model.__name__, definitions)
    needed = sorted({*_names(own), "base_url"})
    served: list[Json] = []
    if provider.build_served is not None:
        # One that is called has no address.
        mode = {"properties": {"mode": {"const": "serve"}}}
        served = [{**mode, "required": sorted({*_names(own), "mode"})}]
    return {
        "if": {"properties": {"provider": {"const": name}}, "required": ["provider"]},
        "then": {
            "properties": {
                **_block(general, "properties"),
                **_block(own, "properties"),
                "provider": {"const": name},
            },
            "additionalProperties": False,
            "anyOf": [{"required": ["like"]}, {"required": needed}, *served],
        },
    }


def _of(model: type[BaseModel], prefix: str, definitions: Json) -> Json:
    """Describe a model; what it refers to goes to `definitions`, under names with a prefix."""
    made: Json = model.model_json_schema(
        by_alias=True,
        ref_template=f"#/$defs/{prefix}{{model}}",
        schema_generator=_Generator,
    )
    made = _plain(made)
    for name, one in _block(made, "$defs").items():
        definitions[f"{prefix}{name}"] = one
    return {key: value for key, value in made.items() if key != "$defs"}


def _plain(made: Json) -> Json:
    """Leave out titles, defaults as no file would write them, and what is no word of it."""
    kept: Json = {}
    for key, value in made.items():
        if key in _NO_WORDS or (key == "default" and not isinstance(value, str | bool)):
            continue
        if key in ("properties", "$defs") and isinstance(value, dict):
            kept[key] = {name: _plain(one) for name, one in value.items()}
        elif isinstance(value, dict):
            kept[key] = _plain(value)
        elif isinstance(value, list):
            kept[key] = [_plain(one) if isinstance(one, dict) else one for one in value]
        else:
            kept[key] = value
    return kept


def _block(whole: Json, key: str) -> Json:
    found = whole.get(key, {})
    return dict(found) if isinstance(found, dict) else {}


def _names(whole: Json) -> list[str]:
    found = whole.get("required", [])
    return [str(one) for one in found] if isinstance(found, list) else []
