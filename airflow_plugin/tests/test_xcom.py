"""What a Job hands on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator
from airflow_kjo._compat import AirflowSkipException
from airflow_kjo.exceptions import KjoError, KjoXComError
from airflow_kjo.links import KjoJobLink, url
from conftest import FakeKjo, FakeTaskInstance, run

JOB = "kind: Job\nmetadata: {name: j}\n"

Make = Callable[..., FakeKjo]

EVENTS = [
    {"name": "xcom", "value": '{"a": 1}'},
    {"name": "progress", "value": "50"},
    {"name": "xcom", "value": '{"b": 2}'},
]
MARKERS = {"xcom": {"a": 1, "b": 2}, "events": EVENTS, "errors": []}


def ends(code: int = 0, **result: Any) -> str:
    return f"result(**{result!r}); sys.exit({code})"


@pytest.mark.parametrize(
    ("result", "pushed", "value"),
    [
        ({}, {}, None),
        ({"markers": {"xcom": {}, "events": [], "errors": []}}, {}, None),
        ({"markers": MARKERS}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (
            {"markers": {**MARKERS, "xcom": {"a": 1, "return_value": [3]}}},
            {"a": 1},
            [3],
        ),
        ({"xcom": {"source": "sidecar", "found": True, "value": 5, "error": None}}, {}, 5),
        ({"xcom": {"source": "sidecar", "found": True, "value": None, "error": None}}, {}, None),
        (
            {
                "markers": MARKERS,
                "xcom": {"source": "sidecar", "found": True, "value": [1], "error": None},
            },
            {"a": 1, "b": 2},
            [1],
        ),
        (
            {
                "markers": MARKERS,
                "xcom": {"source": "sidecar", "found": False, "value": None, "error": None},
            },
            {"a": 1, "b": 2},
            {"a": 1, "b": 2},
        ),
    ],
)
def test_what_is_pushed_and_returned(
    fake_kjo: Make, result: dict[str, Any], pushed: dict[str, Any], value: Any
) -> None:
    fake_kjo(ends(outcome="succeeded", **result))
    for operator in (
        KubernetesJobOperator(task_id="t", job_yaml=JOB),
        KubernetesLegacyJobOperator(task_id="t", image="i", do_xcom_push=True),
    ):
        ti = FakeTaskInstance()
        assert run(operator, ti) == value
        assert ti.pushed == pushed
    quiet = KubernetesJobOperator(task_id="t", job_yaml=JOB, do_xcom_push=False)
    ti = FakeTaskInstance()
    assert run(quiet, ti) is None
    assert ti.pushed == {}


@pytest.mark.parametrize(
    "result",
    [
        {"markers": {"xcom": {"a": 1}, "events": [], "errors": ["line 3 is cut"]}},
        {"xcom": {"source": "sidecar", "found": True, "value": None, "error": "line 3 is cut"}},
    ],
)
def test_what_cannot_be_read_fails_the_task(fake_kjo: Make, result: dict[str, Any]) -> None:
    fake_kjo(ends(outcome="succeeded", **result))
    with pytest.raises(KjoXComError, match="hands on cannot be read: line 3 is cut"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB))


def test_a_job_that_failed_hands_on_too(fake_kjo: Make) -> None:
    fake_kjo(ends(3, outcome="failed", markers=MARKERS))
    ti = FakeTaskInstance()
    with pytest.raises(KjoError, match="container exit code 3"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB), ti)
    assert ti.pushed == {"a": 1, "b": 2, "return_value": {"a": 1, "b": 2}}


def test_events_are_told_and_may_be_parsed_by_the_user(fake_kjo: Make) -> None:
    fake_kjo(ends(outcome="succeeded", markers=MARKERS))
    seen: list[Any] = []
    operator = KubernetesJobOperator(
        task_id="t",
        job_yaml=JOB,
        on_kube_api_event=lambda event, context: seen.append((event.name, event.line, context["x"])),
        parse_xcom_event=lambda text: {text: len(text)},
    )
    assert run(operator, x="X") == {'{"a": 1}': 8, '{"b": 2}': 8}
    assert seen == [
        ("xcom", '::kube_api:xcom={"a": 1}', "X"),
        ("progress", "::kube_api:progress=50", "X"),
        ("xcom", '::kube_api:xcom={"b": 2}', "X"),
    ]
    operator.parse_xcom_event = lambda text: [text]
    with pytest.raises(KjoXComError, match="parse_xcom_event must return a dict, not list"):
        run(operator, x="X")


def broken(*_: Any) -> Any:
    raise KeyError("a mistake")


class NoPush(FakeTaskInstance):
    def xcom_push(self, key: str, value: Any) -> None:
        raise ConnectionError("no API")


@pytest.mark.parametrize(
    ("parameters", "ti", "fault"),
    [
        (
            {"parse_xcom_event": broken},
            FakeTaskInstance,
            "parse_xcom_event failed: KeyError: 'a mistake'",
        ),
        ({"on_kube_api_event": broken}, FakeTaskInstance, "on_kube_api_event failed: KeyError"),
        ({}, NoPush, "pushing the XCom 'a' failed: ConnectionError: no API"),
    ],
)
def test_a_faulty_callable_does_not_replace_the_outcome(
    fake_kjo: Make, task_log: list[str], parameters: dict[str, Any], ti: Any, fault: str
) -> None:
    fake_kjo(ends(outcome="succeeded", markers=MARKERS))
    with pytest.raises(KjoXComError, match="the Job succeeded, but .*" + re.escape(fault)):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters), ti())
    fake_kjo(ends(3, outcome="failed", markers=MARKERS))
    with pytest.raises(KjoError, match="container exit code 3"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, **parameters), ti())
    with pytest.raises(AirflowSkipException):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, skip_on_exit_code=3, **parameters), ti())
    assert [line for line in task_log if line.startswith("WARNING " + fault)]


def test_a_callable_may_decide_over_a_job_that_succeeded(fake_kjo: Make) -> None:
    fake_kjo(ends(outcome="succeeded", markers=MARKERS))

    def skip(*_: Any) -> None:
        raise AirflowSkipException("nothing to do")

    with pytest.raises(AirflowSkipException, match="nothing to do"):
        run(KubernetesJobOperator(task_id="t", job_yaml=JOB, on_kube_api_event=skip))


def test_whoever_parses_a_cut_value_is_not_spared(fake_kjo: Make) -> None:
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB, parse_xcom_event=lambda text: {text: 1})
    events = [{"name": "xcom", "value": "oops"}]
    of_json = [
        'the value of a marker line "xcom" is not JSON: an unexpected character at character 1',
        'the value of a marker line "xcom" is JSON, but no object',
    ]
    fake_kjo(ends(outcome="succeeded", markers={"xcom": {}, "events": events, "errors": of_json}))
    assert run(operator) == {"oops": 1}
    cut = [*of_json, 'the value of a marker line "xcom" is longer than 65536 bytes']
    fake_kjo(ends(outcome="succeeded", markers={"xcom": {}, "events": events, "errors": cut}))
    with pytest.raises(KjoXComError, match=r"cannot be read: the value .* is longer than 65536 bytes$"):
        run(operator)


SAYS = (
    "event('target', namespace='ns'); event('created', job='j-x'); event('created', job='j-x')\n"
    "event('pod_scheduled', pod='j-x-abcde', node='n'); event('container_started', pod='j-x-abcde')\n"
    "sys.exit(1)"
)
NAMES = {
    "job_name": "j-x",
    "job_namespace": "ns",
    "pod_name": "j-x-abcde",
    "pod_namespace": "ns",
}


def test_names_are_pushed_early(fake_kjo: Make) -> None:
    fake_kjo(SAYS)
    pushes: list[str] = []

    class Counting(FakeTaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            pushes.append(key)
            super().xcom_push(key, value)

    ti = Counting()
    with pytest.raises(KjoError):
        run(KubernetesLegacyJobOperator(task_id="t", image="i"), ti)
    assert ti.pushed == NAMES
    assert sorted(pushes) == sorted(NAMES)


def test_an_airflow_out_of_reach_ends_nothing(fake_kjo: Make, task_log: list[str]) -> None:
    fake_kjo(SAYS.replace("sys.exit(1)", ""))

    class Broken(FakeTaskInstance):
        def xcom_push(self, key: str, value: Any) -> None:
            raise ConnectionError("no API")

    run(KubernetesLegacyJobOperator(task_id="t", image="i"), Broken())
    assert "WARNING XCom job_name could not be pushed: no API" in task_log


def test_the_link_to_the_job(fake_kjo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_kjo(SAYS.replace("sys.exit(1)", ""))
    monkeypatch.setenv("AIRFLOW__KJO__JOB_URL", "https://k/{namespace}/jobs/{name}")
    ti = FakeTaskInstance()
    operator = KubernetesJobOperator(task_id="t", job_yaml=JOB)
    run(operator, ti)
    assert (
        ti.pushed["job_url"]
        == "https://k/ns/jobs/j-x"
        == url("https://k/{namespace}/jobs/{name}", "ns", "j-x")
    )
    assert isinstance(operator.operator_extra_links[0], KjoJobLink)
    monkeypatch.setattr("airflow_kjo._compat.xcom_value", lambda key, ti_key: ti.pushed.get(key))
    assert KjoJobLink().get_link(operator, ti_key=None) == "https://k/ns/jobs/j-x"
