from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_kjo._manifest import (
    choose,
    documents,
    encode,
    is_path,
    option,
    part,
    the_job,
    with_option,
)
from conftest import ROOT


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


@pytest.mark.parametrize("value", ["a.yaml.j2", "a.json.j2", "{{ x }}.yml.j2"])
def test_templates_of_files_are_paths_too(value: str) -> None:
    assert is_path(value)


def test_yaml_is_read_as_kubernetes_tools_read_it() -> None:
    text = (
        "# Kommentar: grüße\nkind: Job\nmode: 0644\nanswer: yes\nat: 12:30\nday: 2026-01-01\n"
        "none: ~\nlate: 08\nhex: 0x1F\nbig: 1e3\nversion: '1.10'\n"
        "base: &b {x: 1}\nmerged: {<<: *b, x: 2}\n---\n---\nkind: Secret\ndata: |+\n  x\n\n"
    )
    assert documents(text) == [
        {
            "kind": "Job",
            "mode": 420,
            "answer": True,
            "at": "12:30",
            "day": "2026-01-01",
            "none": None,
            "late": 8,
            "hex": 31,
            "big": 1000.0,
            "version": "1.10",
            "base": {"x": 1},
            "merged": {"x": 2},
        },
        {"kind": "Secret", "data": "x\n\n"},
    ]
    assert documents('{\n\t"kind": "Job"\n}') == [{"kind": "Job"}]


def test_documents_become_json_in_a_yaml_stream() -> None:
    given: list[dict[str, Any]] = [{"kind": "Job", "x": "grüße 😀\n"}, {"kind": "Secret"}]
    found = documents(given)
    assert found == given
    assert found[0] is not given[0]
    parts = encode(found).decode().split("---\n")
    assert [json.loads(part) for part in parts] == given
    assert "😀" in parts[0]
    assert documents(encode(found).decode()) == given


def test_characters_that_yaml_refuses_are_escaped() -> None:
    document = {"a": "\x7f\x85\x9f\u2028\u2029\ufeff\uffff", "b": "\t\x00\xa0\ufffd😀"}
    encoded = encode([document])
    assert json.loads(encoded) == document
    assert rb"\u007f\u0085\u009f\u2028\u2029\ufeff\uffff" in encoded
    # What YAML calls printable, apart from the ends of lines.
    assert not re.search("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", encoded.decode())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "job_yaml is empty"),
        (" \n# nothing\n", "job_yaml is empty"),
        ([], "job_yaml is empty"),
        (None, "not NoneType"),
        (b"kind: Job", "not bytes"),
        (5, "not int"),
        ("just words", "job_yaml must be a dict, not str"),
        (["kind: Job"], r"job_yaml must be a dict, not str"),
        ([{}, None], r"job_yaml\[1\] must be a dict, not NoneType"),
        ({"a": object()}, "type object has no place in a manifest"),
        ({"a": float("nan")}, "cannot be written as JSON"),
        ("kind: Job\n  spec: {}", "job_yaml is not valid YAML: line 2, column 7"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' is there twice"),
        ("a: {[1]: x}", "line 1, column 5: the key \\[1\\] must be text"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
    ],
)
def test_what_is_no_manifest(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        documents(value)


def test_the_job_is_found_and_a_pod_becomes_one() -> None:
    found = [{"kind": "Secret"}, {"kind": "Job", "x": 1}]
    assert the_job(found) is found[1]
    pod = [{"kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"containers": []}}]
    assert the_job(pod) is pod[0]
    assert pod == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}},
        }
    ]
    with pytest.raises(ValueError, match="no Job among its 2 documents"):
        the_job([{"kind": "Secret"}, {"kind": "ConfigMap"}])


METADATA = {"name": "n", "labels": {"a": "b"}}
POD = {"metadata": {"labels": {"c": "d"}}, "spec": {"containers": [], "restartPolicy": "Always"}}


def test_what_holds_a_template_becomes_a_job() -> None:
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {**METADATA, "namespace": "ns"},
        "spec": {
            "jobTemplate": {
                "metadata": {"labels": {"e": "f"}},
                "spec": {"backoffLimit": 3, "template": POD},
            }
        },
    }
    assert the_job([{"kind": "Secret"}, cron]) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "n",
            "namespace": "ns",
            "labels": {"e": "f"},
            "annotations": {"cronjob.kubernetes.io/instantiate": "manual"},
        },
        "spec": {"backoffLimit": 3, "template": POD},
    }
    template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": METADATA, "template": POD}
    assert the_job([template]) == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": METADATA,
        "spec": {
            "template": {
                "metadata": {"labels": {"c": "d"}},
                "spec": {"containers": [], "restartPolicy": "Never"},
            }
        },
    }
    # What kjo refuses stays what it is.
    other = {"apiVersion": "batch/v1beta1", "kind": "CronJob", "spec": {}}
    assert the_job([other]) == {"apiVersion": "batch/v1beta1", "kind": "CronJob", "spec": {}}


@pytest.mark.parametrize("chosen", ["two", "job/two", "Job/two"])
def test_one_of_several_is_chosen(chosen: str) -> None:
    found: list[dict[str, Any]] = [
        {"kind": "Job", "metadata": {"name": "one"}},
        {"kind": "Job", "metadata": {"name": "two"}},
        {"kind": "Secret", "metadata": {"name": "two"}},
    ]
    assert choose(found, chosen)
    assert [document["metadata"]["name"] for document in found] == ["two", "one", "two"]
    assert the_job(found)["metadata"]["name"] == "two"
    assert not choose(found, "three")


def test_options_among_arguments() -> None:
    for given in (["-n", "x"], ["-nx"], ["-n=x"], ["--namespace", "x"], ["--namespace=x"]):
        assert option(["-v", *given, "y"], "--namespace", "-n") == "x"
    assert option(["--", "-n", "x"], "-n") is None
    assert option(["-n"], "-n") is None
    assert with_option(["a", "--job", "x", "b"], "--job", "y") == ["a", "--job=y", "b"]
    assert with_option(["a"], "--job", "y") == ["a"]


def test_parts_are_made_and_what_is_none_is_refused() -> None:
    whole: dict[str, Any] = {"a": None}
    part(whole, "a", "b")["c"] = 1
    assert whole == {"a": {"b": {"c": 1}}}
    with pytest.raises(ValueError, match=r"the manifest's a\.b\.c must be a mapping"):
        part(whole, "a", "b", "c")


MANIFESTS = ROOT.parent / "tests" / "manifests"
KUBECTL = json.loads((MANIFESTS / "kubectl.json").read_text())

# Read otherwise than kubectl does, or refused: what it loses silently, and what no manifest has.
DIFFERENT = {
    # Refused by PyYAML itself, with the place.
    "tab-behind-value.yaml",
    "tag-custom-map.yaml",
    "tags.yaml",
    "anchor-redefined.yaml",
    "documents-comment-behind.yaml",
    "json-stream.json",
    # Refused: kubectl loses a part of it.
    "lost-behind-dots.yaml",
    "lost-duplicate-key.yaml",
    "lost-duplicate-nested.yaml",
    "lost-duplicate-one.yaml",
    "lost-duplicate-yes-on.yaml",
    "lost-not-utf8.yaml",
    "lost-second-json-in-yaml.yaml",
    "lost-separator-forgotten.yaml",
    # Read whole, where kubectl loses a part or goes by the order of keys.
    "lost-bare-cr.yaml",
    "lost-merge-behind-key.yaml",
    # No text: a parameter is.
    "utf16-be.yaml",
    "utf16-le.yaml",
    # The words of a list of one kind, and numbers that are no numbers of a manifest.
    "job-pretty.json",
    "keys-special-floats.yaml",
    "keys.yaml",
    "list-typed.yaml",
    "numbers-integers.yaml",
}


@pytest.mark.parametrize(
    "name", sorted(name for name, read in KUBECTL.items() if read and name not in DIFFERENT)
)
def test_manifests_are_read_as_kubectl_reads_them(name: str) -> None:
    found = documents((MANIFESTS / "files" / name).read_bytes().decode())
    for document in found:
        document.setdefault("metadata", {}).setdefault("namespace", "default")
    assert found == KUBECTL[name]
