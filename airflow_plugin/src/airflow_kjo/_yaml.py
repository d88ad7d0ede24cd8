"""Read manifests as kubectl reads them, where kjo itself is not asked. No Airflow import.

That is when a DAG is loaded, and of a kubeconfig: what is run, kjo reads (:mod:`airflow_kjo._read`).

PyYAML's usual loader differs from it: it takes ``12:30`` for a number, ``2026-01-01`` for a date, leaves
keys that are no text as they are, and takes the latter of two equal keys without a word.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from functools import cache
from typing import Any

_BOOLEANS = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"], False),
}

_SCALARS = (
    ("bool", "|".join(_BOOLEANS), "yYnNoOtTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    (
        "int",
        r"[-+]?(?:[0-9][0-9_]*|0[xX][0-9a-fA-F_]*[0-9a-fA-F][0-9a-fA-F_]*|0[bB][01_]*[01][01_]*|0[oO][0-7]+)",
        "-+0123456789",
    ),
    (
        "float",
        r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?",
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
        # Jinja takes the last newline away, which is part of a block scalar at the end.
        documents = list(yaml.load_all(text if text.endswith("\n") else text + "\n", _loader()))
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
                name = self.name_of(key)
                if name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} is there twice", key.start_mark
                    )
                seen.add(name)
            self.flatten_mapping(node)
            return {
                self.name_of(key): self.construct_object(value, deep=deep) for key, value in node.value
            }

        def name_of(self, key: Any) -> str:
            """Return a key as the text that JSON wants: kubectl writes numbers and booleans so."""
            name = self.construct_object(key, deep=True)
            if isinstance(name, str):
                return name
            if isinstance(name, bool):
                return "true" if name else "false"
            if isinstance(name, int | float):
                return f"{name:g}" if isinstance(name, float) else str(name)
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {name!r} must be text; quote it", key.start_mark
            )

    for name, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{name}", re.compile(f"^(?:{pattern})$"), [*first, ""]
        )
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])
    Loader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: _BOOLEANS[node.value])
    Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: _integer(node.value))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: _float(node.value))
    return Loader


def _integer(text: str) -> int:
    digits = text.lstrip("+-").replace("_", "").lower()
    sign = -1 if text.startswith("-") else 1
    if digits.startswith(("0o", "0x", "0b")):
        return sign * int(digits, 0)
    if re.fullmatch("0[0-7]+", digits):
        return sign * int(digits, 8)
    return sign * int(digits)


def _float(text: str) -> float | str:
    number = float(text.replace("_", ""))
    # What is too large for a number is a text.
    return number if abs(number) != float("inf") else text
