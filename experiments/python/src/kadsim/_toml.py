"""Values and experiments as TOML text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any


def text_of(value: Any) -> str:
    """Returns a value as TOML, on one line. Numbers of numpy and paths are values too.

    Raises:
        TypeError: TOML has no such value.
    """
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
        case PathLike():
            return _quoted(fspath(value))
        case Mapping():
            pairs = [f"{_quoted(str(key))} = {text_of(one)}" for key, one in value.items()]
            return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
        case bytes() | bytearray():
            pass
        case Iterable():
            return "[" + ", ".join(text_of(one) for one in value) + "]"
    raise TypeError(f"TOML has no value of type {type(value).__name__}: {value!r}")


def experiment_of(sections: Mapping[str, Any]) -> str:
    """Returns an experiment as TOML, with a line for each section, and for each phase, case and expectation."""
    lines = []
    tables = []
    for name, value in sections.items():
        is_list_of_tables = isinstance(value, (list, tuple)) and value and all(isinstance(one, Mapping) for one in value)
        if is_list_of_tables:
            for one in value:
                pairs = [f"{_quoted(str(key))} = {text_of(inner)}" for key, inner in one.items()]
                tables.append("\n".join([f"[[{_quoted(str(name))}]]", *pairs]))
        else:
            lines.append(f"{_quoted(str(name))} = {text_of(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _quoted(text: str) -> str:
    # A basic string of TOML escapes what one of JSON escapes, and the character 0x7f.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
