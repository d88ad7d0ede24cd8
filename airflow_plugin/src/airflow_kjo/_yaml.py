"""Read manifests as Kubernetes' own tools read them. No Airflow import.

PyYAML's usual loader is not for manifests: it takes ``yes`` and ``on`` for booleans, ``12:30`` for a
number, ``2026-01-01`` for a date, and the latter of two equal keys without a word.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import cache
from typing import Any

# YAML 1.2's core schema, with the octal numbers of 1.1 (`defaultMode: 0644`).
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


def load_all(text: str, where: str) -> list[Any]:
    """Return the documents of a YAML (or JSON) text, empty ones left out.

    :raises ValueError: it is no YAML; the message has the line and the column, and ``where``.
    """
    import yaml

    if text.lstrip().startswith("{"):
        # JSON may be indented with tabs, which YAML does not allow.
        with suppress(ValueError):
            return [json.loads(text)]
    try:
        documents = list(yaml.load_all(text, _loader()))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{where} is not valid YAML: {_sentence(error)}") from error
    return [document for document in documents if document is not None]


def _sentence(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or problem is None:
        return str(error)
    context = getattr(error, "context", None)
    said = f"{problem} ({context})" if context else str(problem)
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}"


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes' tools read it."""

        yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 (PyYAML's own way)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    # What is merged may well be overridden here.
                    continue
                name = self.construct_object(key, deep=True)
                if not isinstance(name, str):
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} must be text; quote it", key.start_mark
                    )
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} is there twice", key.start_mark
                    )
                seen.add(name)
            result: dict[Any, Any] = super().construct_mapping(node, deep)
            return result

    for name, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), [*first, ""]
        )
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _integer(node.value))
    return Loader


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if digits.startswith(("0o", "0x")):
        return sign * int(digits, 0)
    if len(digits) > 1 and digits.startswith("0") and re.fullmatch("[0-7]+", digits):
        return sign * int(digits, 8)
    return sign * int(digits)
