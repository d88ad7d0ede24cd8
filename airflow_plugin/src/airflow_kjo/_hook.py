"""Apply a site's ``pod_mutation_hook`` to a Job's pods.

The hook takes an object of the Kubernetes client, which is imported for it and only where a site has
a hook. If that cannot be done the task fails: the hook is the site's policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Plain = dict[str, Any]


class HookError(Exception):
    """The hook raised an error, which is the cause."""


def mutated(
    template: Plain, hook: Callable[[Any], Any], *, name: str, namespace: str
) -> tuple[Plain, str]:
    """Return a pod template after the hook, and the namespace that the hook has left or chosen.

    What the client does not know of the template is kept. Hooks see a pod as KubernetesPodOperator
    shows it: with a name, which is only the beginning of the final one, and with its namespace.

    :raises ImportError: the Kubernetes client is not installed.
    :raises HookError: the hook failed.
    """
    metadata = {**(template.get("metadata") or {}), "name": name, "namespace": namespace}
    whole = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
    from kubernetes.client import ApiClient, Configuration, V1Pod

    client = ApiClient(configuration=Configuration())

    class Answer:
        data = json.dumps(whole)

    try:
        # The client's way in for JSON: an answer of the API server.
        pod = client.deserialize(Answer, "V1Pod")
    except TypeError:
        # Newer clients want the type of the content too.
        pod = client.deserialize(Answer.data, "V1Pod", "application/json")
    assert isinstance(pod, V1Pod)  # noqa: S101 (it was asked for)
    known = client.sanitize_for_serialization(pod)
    try:
        hook(pod)
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise HookError(f"the site's pod_mutation_hook failed: {said}") from error
    after = client.sanitize_for_serialization(pod)
    result = _restored(whole, known, after)
    made = {key: value for key, value in result.items() if key in ("metadata", "spec")}
    # A template has neither: the Job's pods have names of their own, in the Job's namespace.
    of_pod = made.get("metadata") or {}
    chosen = of_pod.pop("namespace", None) or namespace
    of_pod.pop("name", None)
    return made, str(chosen)


def _restored(original: Any, known: Any, after: Any) -> Any:
    """Put back what of ``original`` did not come through to ``known``."""
    if isinstance(original, dict) and isinstance(known, dict) and isinstance(after, dict):
        lost = {key: value for key, value in original.items() if key not in known}
        return {
            **lost,
            **{
                key: _restored(original[key], known[key], value)
                if key in original and key in known
                else value
                for key, value in after.items()
            },
        }
    lists = isinstance(original, list) and isinstance(known, list) and isinstance(after, list)
    # What stands for what is known by the place alone, while the hook has moved nothing.
    if lists and len(original) == len(known) == len(after):
        return [_restored(*three) for three in zip(original, known, after, strict=True)]
    return after
