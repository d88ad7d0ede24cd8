"""What an operator is given as a manifest, as bytes for ``kjo run -f -``. No Airflow import."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

Document: TypeAlias = Mapping[str, Any]
JobYaml: TypeAlias = str | Document | Sequence[Document]

# What JSON allows in a string and YAML refuses there, or takes for the end of a line.
_NOT_PLAIN_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

PATH_ENDINGS = (".yaml", ".yml", ".json")


def is_path(value: object) -> TypeGuard[str]:
    """Tell whether a string names a file: one line that ends in .yaml, .yml or .json.

    No Job is written in one such line, so nothing that is a manifest is taken for a path.
    """
    return isinstance(value, str) and "\n" not in value and value.endswith(PATH_ENDINGS)


def encode(job_yaml: object) -> bytes:
    """Return the YAML stream for a text (as it is), a document or a list of documents.

    Documents are written as JSON, which is YAML.

    :raises ValueError: it is empty, or of another type; the message says where.
    """
    if isinstance(job_yaml, str):
        if not job_yaml.strip():
            raise ValueError("job_yaml is empty")
        # Jinja takes the last newline away, which is part of a block scalar at the end.
        return (job_yaml if job_yaml.endswith("\n") else job_yaml + "\n").encode()
    if isinstance(job_yaml, Mapping):
        return _encode_document(job_yaml, "job_yaml")
    if isinstance(job_yaml, Sequence) and not isinstance(job_yaml, bytes | bytearray):
        if not job_yaml:
            raise ValueError("job_yaml is empty")
        return b"---\n".join(
            _encode_document(document, f"job_yaml[{i}]") for i, document in enumerate(job_yaml)
        )
    raise ValueError(
        f"job_yaml must be text, a path, a dict or a list of dicts, not {type(job_yaml).__name__}"
    )


def _encode_document(document: object, where: str) -> bytes:
    if not isinstance(document, Mapping):
        raise ValueError(f"{where} must be a dict, not {type(document).__name__}")
    try:
        # Not escaped to ASCII as a whole: JSON's pairs of surrogates are not YAML.
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, default=_mapping)
        text = _NOT_PLAIN_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} cannot be written as JSON: {error}") from error
    return text.encode() + b"\n"


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} has no place in a manifest")
