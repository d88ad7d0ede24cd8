"""What an operator is given as a manifest, as documents, and as bytes for ``kjo run -f -``.

No Airflow import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from airflow_kjo._models import plain
from airflow_kjo._yaml import load_all

Document: TypeAlias = Mapping[str, Any]
JobYaml: TypeAlias = str | Document | Sequence[Document]
Plain: TypeAlias = dict[str, Any]
Load: TypeAlias = Callable[[str, str], list[Any]]

# What JSON allows in a string and YAML refuses there, or takes for the end of a line.
_NOT_PLAIN_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

PATH_ENDINGS = tuple(f"{e}{j}" for e in (".yaml", ".yml", ".json") for j in ("", ".j2"))

_LONGEST_NAME = 40
"""Characters of a Job's name: kjo's suffix, and that of the pods, need the rest of their 63."""


def is_path(value: object) -> TypeGuard[str]:
    """Tell whether a string names a file: one line that ends in .yaml, .yml or .json (or .j2).

    No Job is written in one such line, so nothing that is a manifest is taken for a path.
    """
    return isinstance(value, str) and "\n" not in value and value.endswith(PATH_ENDINGS)


def job_name(given: str) -> str:
    """Make a name for a Job of any text: lower-case letters, digits and single dashes.

    As KubernetesPodOperator's, but for the length, which leaves room for kjo's suffix.
    """
    name = re.sub("[^a-z0-9]+", "-", given.lower()).strip("-")
    return name[:_LONGEST_NAME].rstrip("-") or "task"


def documents(job_yaml: object, what: str = "job_yaml", load: Load = load_all) -> list[Plain]:
    """Return the documents of a YAML or JSON text, of a dict, or of a list of dicts.

    :param load: reads a text; is given it and ``what``.
    :raises ValueError: it is empty, not YAML, or of another type; the message says where.
    """
    if isinstance(job_yaml, str):
        found: Any = load(job_yaml, what)
    elif isinstance(job_yaml, Sequence) and not isinstance(job_yaml, bytes | bytearray):
        found = list(job_yaml)
    else:
        found = [job_yaml]
        if not isinstance(plain(job_yaml), Mapping):
            raise ValueError(
                f"{what} must be text, a path, a dict or a list of dicts, not {type(job_yaml).__name__}"
            )
    found = [item for document in found for item in _items(document)]
    if not found:
        raise ValueError(f"{what} is empty")
    return [_document(item, f"{what}[{i}]" if len(found) > 1 else what) for i, item in enumerate(found)]


def _items(document: Any) -> Sequence[Any]:
    """Return the objects of a List, or else the document itself."""
    if isinstance(document, Mapping) and document.get("kind") == "List":
        inner = document.get("items")
        if isinstance(inner, Sequence) and not isinstance(inner, str):
            return inner
    return [document]


def _document(value: object, where: str) -> Plain:
    made = plain(value)
    if not isinstance(made, Mapping):
        raise ValueError(f"{where} must be a dict, not {type(value).__name__}")
    # A copy: what is laid over it must not show in the DAG's own dicts.
    copy: Plain = json.loads(_json(made, where))
    return copy


def encode(found: Sequence[Document]) -> bytes:
    """Return the documents as a YAML stream; each is written as JSON, which is YAML."""
    return b"---\n".join(_encoded(document) for document in found)


def _encoded(document: Document) -> bytes:
    # Not escaped to ASCII as a whole: JSON's pairs of surrogates are not YAML.
    text = json.dumps(document, ensure_ascii=False)
    text = _NOT_PLAIN_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.encode() + b"\n"


def _json(value: object, where: str) -> str:
    try:
        return json.dumps(value, allow_nan=False, default=_no_json)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} cannot be written as JSON: {error}") from error


def _no_json(value: object) -> object:
    raise TypeError(f"{value!r} of type {type(value).__name__} has no place in a manifest")


def the_job(found: Sequence[Plain], what: str = "job_yaml") -> Plain:
    """Return the Job among documents, in place; a lone Pod is made one.

    Not an error: more than one, or none. Those kjo refuses, with words of its own.
    """
    for document in found:
        if document.get("kind") == "Job":
            return document
    pods = [document for document in found if document.get("kind") == "Pod"]
    if len(pods) == 1:
        return _job_of_pod(pods[0])
    if len(found) == 1:
        return found[0]
    raise ValueError(f"{what} has no Job among its {len(found)} documents")


def _job_of_pod(document: Plain) -> Plain:
    pod = dict(document)
    metadata = part(pod, "metadata")
    template = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    document.clear()
    document.update(
        apiVersion="batch/v1",
        kind="Job",
        metadata=metadata,
        spec={"template": {"metadata": template, "spec": pod.get("spec") or {}}},
    )
    return document


def part(whole: Plain, *keys: str) -> Plain:
    """Return the dict below these keys, made where there is none.

    :raises ValueError: there is something else.
    """
    for i, key in enumerate(keys):
        if whole.get(key) is None:
            whole[key] = {}
        whole = whole[key]
        if not isinstance(whole, dict):
            raise ValueError(f"the manifest's {'.'.join(keys[: i + 1])} must be a mapping")
    return whole
