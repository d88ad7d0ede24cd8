"""Whatever way a Secret is written, what Airflow shows has nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_kjo import KubernetesJobOperator, _compat, _secrets

JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {image: shown-image}\n"
HEAD = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: shown-name}\n"


def shown(text: Any, values: list[str]) -> str:
    """Return what is left of a text as Airflow hides values, in their longest form first."""
    made = str(text)
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= 5:
            made = made.replace(value, "***")
    return made


def masked(body: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    values: list[str] = []
    monkeypatch.setattr(_compat, "mask_secret", values.append)
    operator = KubernetesJobOperator(task_id="t", job_yaml=body, kjo_bin="/no/such/kjo")
    operator.render_template_fields({"ti": None})  # type: ignore[arg-type]
    return values


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("stringData: {password: hunter2-top}\n", ["hunter2-top"]),
        ("stringData:\n  a: |\n    -----BEGIN\n    MIIEone\n    MIIEtwo\n", ["MIIEone", "MIIEtwo"]),
        ("stringData:\n  a: |\n    user: alice\n    pw: hunter2\n", ["pw: hunter2"]),
        ("data:\n  a: |\n    aHVudGVyMi10b3A=\n", ["aHVudGVyMi10b3A=", "hunter2-top"]),
        ("data:\n  a: >-\n    aHVudGVy\n    Mi10b3A=\n", ["aHVudGVy", "Mi10b3A=", "hunter2-top"]),
        ("data:\n  a: 'aHVudGVy\n    Mi10b3A='\n", ["aHVudGVy", "Mi10b3A=", "hunter2-top"]),
        ('stringData:\n  a: "hun\\"ter2-top"\n', ['hun\\"ter2-top', 'hun"ter2-top']),
        ("stringData: {pin: 12345678, next: '87654321'}\n", ["12345678", "87654321"]),
        ("stringData:\n  a: &x hunter2-top # the pass\n", ["hunter2-top"]),
        ('{"kind": "Secret", "stringData": {"a": "hunter2-top"}}', ["hunter2-top"]),
    ],
)
@pytest.mark.parametrize("good", [True, False])
def test_the_text_that_is_shown(
    monkeypatch: pytest.MonkeyPatch, written: str, hidden: list[str], good: bool
) -> None:
    job = JOB if good else JOB.replace("kind: Job", "kind: Job: x")
    head = "---\n" if written.startswith("{") else HEAD
    body = job + head + written
    values = masked(body, monkeypatch)
    left = shown(body, values)
    for value in hidden:
        assert value not in left
    assert "shown-image" in left
    if good:
        assert all(value not in shown(value, values) for value in hidden)


def test_a_mistake_within_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    body = JOB + HEAD + "stringData:\n  password: hunter2-top\n   user: x\n"
    assert "hunter2-top" not in shown(body, masked(body, monkeypatch))


def test_a_kind_that_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    body = JOB + HEAD.replace("Secret", '"Se\\x63ret"') + "stringData: {pw: hunter2-top}\n"
    assert "hunter2-top" not in shown(body, masked(body, monkeypatch))


def test_dicts_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"kind": "Secret", "stringData": {"a": '{"pw": "hunter2\ntop-top"}', "b": 5 * "9"}}
    body = [{"kind": "Job"}, {"kind": "List", "items": [secret]}]
    left = shown(body, masked(body, monkeypatch))
    assert "hunter2" not in left
    assert "top-top" not in left
    assert "99999" not in left


def test_what_is_no_secret_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    body = JOB + "---\nkind: ConfigMap\ndata: {mode: production}\n" + HEAD + "data: {}\n"
    assert masked(body, monkeypatch) == []
    assert "key: |" not in masked(JOB + HEAD + "stringData:\n  key: |\n    hunter2\n", monkeypatch)
    assert _secrets.of_objects([{"kind": "Secret", "data": None}, 5, {"kind": "Secret"}]) == []


def test_values_are_also_decoded() -> None:
    data = {"a": "aHVudGVyMg==", "b": "%%", "c": "gIA="}
    values = _secrets.of_objects([{"kind": "Secret", "data": data, "stringData": {"d": "plain"}}])
    assert values == ["aHVudGVyMg==", "hunter2", "%%", "gIA=", "plain"]


@pytest.mark.parametrize("good", [True, False])
def test_of_very_much_the_whole_manifest_is_hidden(monkeypatch: pytest.MonkeyPatch, good: bool) -> None:
    lines = "".join(f"    line of words {i}\n" for i in range(1000))
    job = JOB if good else JOB.replace("kind: Job", "kind: Job: x")
    body = (job + HEAD + "stringData:\n  a: |\n" + lines).rstrip("\n")
    values = masked(body, monkeypatch)
    assert len(values) <= 2
    assert shown(body, values) == "***"
    secret = {"kind": "Secret", "stringData": {"a": lines}}
    assert masked([{"kind": "Job"}, secret], monkeypatch) == [lines.strip()]
