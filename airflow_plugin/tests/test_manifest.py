from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_kjo._manifest import encode, is_path


@pytest.mark.parametrize("value", ["a.yaml", "dir/job.yml", "/abs/job.json", "{{ ds }}/job.yaml"])
def test_paths(value: str) -> None:
    assert is_path(value)


@pytest.mark.parametrize(
    "value",
    [
        "kind: Job\nfile: x.yaml",
        "kind: Job",
        '{"kind": "Job"}',
        "",
        None,
        {},
        ["a.yaml"],
        "a.yaml\n",
    ],
)
def test_what_is_no_path(value: object) -> None:
    assert not is_path(value)


def test_text_goes_out_as_it_is() -> None:
    text = "# Kommentar: grüße\nkind: Job\n---\nkind: Secret\ndata: |+\n  x\n\n"
    assert encode(text) == text.encode()


def test_the_last_newline_which_jinja_takes_away_is_given_back() -> None:
    assert encode("data: |\n  x") == b"data: |\n  x\n"


def test_documents_become_json_in_a_yaml_stream() -> None:
    documents: list[dict[str, Any]] = [{"kind": "Job", "x": "grüße 😀\n"}, {"kind": "Secret"}]
    assert json.loads(encode(documents[0])) == documents[0]
    parts = encode(documents).decode().split("---\n")
    assert [json.loads(part) for part in parts] == documents
    assert "😀" in parts[0]


def test_characters_that_yaml_refuses_are_escaped() -> None:
    document = {"a": "\x7f\x85\x9f\u2028\u2029\ufeff\uffff", "b": "\t\x00\xa0\ufffd😀"}
    encoded = encode(document)
    assert json.loads(encoded) == document
    assert rb"\u007f\u0085\u009f\u2028\u2029\ufeff\uffff" in encoded
    # What YAML calls printable, apart from the ends of lines.
    assert not re.search(
        "[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", encoded.decode()
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "job_yaml is empty"),
        (" \n", "job_yaml is empty"),
        ([], "job_yaml is empty"),
        (None, "not NoneType"),
        (b"kind: Job", "not bytes"),
        (5, "not int"),
        (["kind: Job"], r"job_yaml\[0\] must be a dict, not str"),
        ([{}, None], r"job_yaml\[1\] must be a dict, not NoneType"),
        ({"a": object()}, "type object has no place in a manifest"),
        ({"a": float("nan")}, "cannot be written as JSON"),
    ],
)
def test_what_is_no_manifest(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(value)
