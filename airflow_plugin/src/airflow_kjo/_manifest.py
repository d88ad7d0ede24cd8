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


_RUNS = {"Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1", "PodTemplate": "v1"}
"""The kinds of which a Job can be made."""


def the_job(found: Sequence[Plain], what: str = "job_yaml") -> Plain:
    """Return the Job among documents, in place; a lone CronJob, Pod or PodTemplate is made one.

    Not an error: more than one, or none. Those kjo refuses, with words of its own.
    """
    runs = [document for document in found if _runs(document)]
    for document in runs:
        if document.get("kind") == "Job":
            return document
    if len(runs) == 1:
        return _made_job(runs[0])
    if len(found) == 1:
        return found[0]
    raise ValueError(f"{what} has no Job among its {len(found)} documents")


def choose(found: list[Plain], chosen: str) -> bool:
    """Put first, as a Job, the document that ``--job`` names, by its name or as KIND/NAME.

    Return whether there is one such document; what else is meant, kjo says.
    """
    meant = [d for d in found if _runs(d) and chosen.lower() in _titles(d)]
    if len(meant) != 1:
        return False
    (document,) = meant
    others = [other for other in found if other is not document]
    found[:] = [_made_job(document), *others]
    return True


def _titles(document: Plain) -> tuple[str, str]:
    metadata = document.get("metadata")
    name = str(metadata.get("name") if isinstance(metadata, dict) else None).lower()
    return name, f"{str(document.get('kind')).lower()}/{name}"


def _runs(document: Plain) -> bool:
    version = _RUNS.get(str(document.get("kind")))
    return version is not None and document.get("apiVersion") in (None, version)


def _made_job(document: Plain) -> Plain:
    kind = document.get("kind")
    if kind == "Job":
        return document
    whole = dict(document)
    metadata = part(whole, "metadata")
    if kind == "CronJob":
        # As `kubectl create job --from` makes it.
        template = part(whole, "spec", "jobTemplate")
        of_template = dict(part(template, "metadata"))
        of_template["annotations"] = {
            **part(of_template, "annotations"),
            "cronjob.kubernetes.io/instantiate": "manual",
        }
        names: Plain = {
            key: metadata[key] for key in ("name", "generateName", "namespace") if key in metadata
        }
        metadata = {**of_template, **names}
        spec = part(template, "spec")
    else:
        pod = part(whole, "template") if kind == "PodTemplate" else whole
        of_pod = part(pod, "metadata")
        labels = {key: of_pod[key] for key in ("labels", "annotations") if key in of_pod}
        of_spec = pod.get("spec") or {}
        if isinstance(of_spec, dict) and of_spec.get("restartPolicy") is not None:
            # A pod that ends is what a Job is about.
            of_spec = {**of_spec, "restartPolicy": "Never"}
        spec = {"template": {"metadata": labels, "spec": of_spec}}
    document.clear()
    document.update(apiVersion="batch/v1", kind="Job", metadata=metadata, spec=spec)
    return document


def option(words: Sequence[str], *names: str) -> str | None:
    """Return the value of an option among arguments: ``--name V``, ``--name=V``, ``-nV``."""
    place = _place(words, names)
    return place and place[2]


def with_option(words: Sequence[str], name: str, value: str) -> list[str]:
    """Return arguments with another value of the option that is among them."""
    place = _place(words, (name,))
    if place is None:
        return list(words)
    begin, end, _ = place
    return [*words[:begin], f"{name}={value}", *words[end:]]


def _place(words: Sequence[str], names: Sequence[str]) -> tuple[int, int, str] | None:
    for i, word in enumerate(words):
        if word == "--":
            return None
        for name in names:
            if word == name and i + 1 < len(words):
                return i, i + 2, words[i + 1]
            if name.startswith("--"):
                if word.startswith(f"{name}="):
                    return i, i + 1, word[len(name) + 1 :]
            elif word.startswith(name) and len(word) > len(name):
                return i, i + 1, word[len(name) :].removeprefix("=")
    return None


def entries(whole: Plain, key: str, where: str) -> list[Plain]:
    """Return the list of mappings below a key; empty where there is none.

    :raises ValueError: there is something else.
    """
    found = whole.get(key)
    if not found and not isinstance(found, bool | int):
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"{where}.{key} must be a list of mappings")
    return found


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
