"""The default configuration as a file that people read, and the JSON Schema of configuration files."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from dyadwatch.core.files import plain_yaml
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_keys import bare
from dyadwatch.stream.configuration.config_texts import of_fields, of_struct
from dyadwatch.stream.configuration.option_types import Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WIDTH = 120
_ORIGIN = "Generated: `dyadwatch config show` prints this of the options in stream/configuration/."
_WHOLE = re.compile(r"`[^`]*`|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")


def default_text() -> str:
    """Every key with its default below what is said of it, as YAML."""
    config = Config()
    parts = [_comment(of_struct(Config)) + _comment(_ORIGIN)]
    for name, text in {field: of_fields(Config).get(field, "") for field in config.__struct_fields__}.items():
        value = getattr(config, name)
        if isinstance(value, Section):
            said = of_fields(type(value))
            keys = (_key(key, getattr(value, key), said[key], "  ") for key in value.__struct_fields__)
            parts.append(f"{_comment(of_struct(type(value)))}{name}:\n{''.join(keys)}")
        else:
            parts.append(_key(name, value, text))
    return "\n".join(parts)


def _key(name: str, value: object, text: str, indent: str = "") -> str:
    written = plain_yaml.dump({name: value}).decode()
    return _comment(text, indent) + indent + written


def _comment(text: str, indent: str = "") -> str:
    """Lines of comment; commands in backticks and examples in braces are not broken."""
    whole = _WHOLE.sub(lambda found: found[0].replace(" ", "\0"), text)
    lead = f"{indent}# "
    lines = textwrap.wrap(
        whole, _WIDTH, initial_indent=lead, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False
    )
    return "".join(f"{line}\n" for line in lines).replace("\0", " ")


def config_schema() -> dict[str, Any]:
    """The JSON Schema of configuration files, with what the default configuration says of each key."""
    (root,), parts = msgspec.json.schema_components([Config], ref_template="#/$defs/{name}")
    for struct in _structs(inspect.type_info(Config)):
        part = parts[struct.__name__]
        part["description"] = of_struct(struct)
        for name, text in of_fields(struct).items():
            part["properties"][name] = {"description": text, **part["properties"][name]}
    return {"$schema": DIALECT, "title": "dyadwatch configuration", **root, "$defs": parts}


def _structs(kind: inspect.Type) -> Iterator[type]:
    """Every struct that a type holds, itself among them."""
    match bare(kind):
        case inspect.StructType(cls=struct, fields=fields):
            yield struct
            for field in fields:
                yield from _structs(field.type)
        case inspect.UnionType(types=types):
            for part in types:
                yield from _structs(part)
        case (
            inspect.DictType(value_type=inner)
            | inspect.ListType(item_type=inner)
            | inspect.VarTupleType(item_type=inner)
        ):
            yield from _structs(inner)
        case _:
            pass
