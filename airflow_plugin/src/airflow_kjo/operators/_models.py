"""What operators are given, as plain data.

The objects of the Kubernetes client are known by duck typing: it is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """Return ``value`` with every model object in it as a dict in the words of the API.

    A model is known by its ``attribute_map`` (attribute → API name), as the client's own
    serialiser does it, unset attributes left out; or, failing that, by ``to_dict()``. All else,
    also what a template or another task will give a value to, is returned as it is.
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(names := getattr(value, "attribute_map", None), Mapping):
        items = ((name, getattr(value, attribute)) for attribute, name in names.items())
        return {name: plain(item) for name, item in items if item is not None}
    if callable(to_dict := getattr(value, "to_dict", None)):
        return plain(to_dict())
    return value


def text(what: str, value: object) -> str:
    """Return a string as it is, and a number as text.

    Where templates are rendered to native objects, "5" becomes 5. A bool is refused: nobody can
    tell whether True or true was meant.

    :raises ValueError: it is neither; the message says ``what``, and never the value.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{what} must be text, not {type(value).__name__}")


def words(name: str, value: object) -> list[str]:
    """Return the list of strings that the parameter ``name`` must be; None is the empty one.

    :raises ValueError: it is something else, above all one string, which Python takes for a list
        of its letters.
    """
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"{name} must be a list of strings, not {type(value).__name__}")
    return [text(f"{name}[{i}]", word) for i, word in enumerate(value)]
