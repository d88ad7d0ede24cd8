"""Apply a site's ``pod_mutation_hook`` to a Job's pods.

The hook takes an object of the Kubernetes client, which is imported for it and only where a site has
a hook. If that cannot be done the task fails: the hook is the site's policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Plain = dict[str, Any]


def mutated(template: Plain, hook: Callable[[Any], Any]) -> Plain:
    """Return a pod template after the hook; what the client does not know of it is kept.

    :raises ImportError: the Kubernetes client is not installed.
    """
    from kubernetes.client import ApiClient, Configuration, V1Pod

    client = ApiClient(configuration=Configuration())

    class Answer:
        data = json.dumps({"apiVersion": "v1", "kind": "Pod", **template})

    try:
        # The client's way in for JSON: an answer of the API server.
        pod = client.deserialize(Answer, "V1Pod")
    except TypeError:
        # Newer clients want the type of the content too.
        pod = client.deserialize(Answer.data, "V1Pod", "application/json")
    assert isinstance(pod, V1Pod)  # noqa: S101 (it was asked for)
    known = client.sanitize_for_serialization(pod)
    hook(pod)
    after = client.sanitize_for_serialization(pod)
    result = _restored({"apiVersion": "v1", "kind": "Pod", **template}, known, after)
    return {key: value for key, value in result.items() if key in ("metadata", "spec")}


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
