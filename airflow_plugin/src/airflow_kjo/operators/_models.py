"""Objects of the Kubernetes client as plain data, by duck typing: the client is not imported."""

from __future__ import annotations

from collections.abc import Mapping
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
