"""What is said of sections and keys of the configuration: docstrings of its structs, and the text below each field.

The texts are read from the source, so that a key stands in one place with its type, its default and its words. Nothing
but `dyadwatch config` asks for them.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise


def of_struct(struct: type) -> str:
    """What its docstring says, in one line."""
    return _one_line(struct.__doc__ or "")


def of_fields(struct: type) -> dict[str, str]:
    """What is said below each of its fields, those of its bases among them, in one line."""
    out: dict[str, str] = {}
    for base in reversed(struct.__mro__[:-1]):
        out |= _in_module(base.__module__).get(base.__name__, {})
    return out


@cache
def _in_module(name: str) -> dict[str, dict[str, str]]:
    """Classes of a module, with the texts below their fields."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (OSError, TypeError):  # a base without source, such as that of msgspec
        return {}
    return {node.name: _below_fields(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _below_fields(body: ast.ClassDef) -> dict[str, str]:
    out: dict[str, str] = {}
    for field, below in pairwise(body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                out[name] = _one_line(text)
            case _:
                pass
    return out


def _one_line(text: str) -> str:
    return " ".join(text.split())
