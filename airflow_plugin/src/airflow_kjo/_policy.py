"""When the Job is deleted, in the words of each operator that these ones stand in for."""

from __future__ import annotations

from enum import Enum


class JobRunnerDeletePolicy(str, Enum):
    """When to delete the Job at its end; text of any case stands for a member."""

    Never = "Never"
    Always = "Always"
    IfFailed = "IfFailed"
    IfSucceeded = "IfSucceeded"

    def __str__(self) -> str:
        """Return the policy's name."""
        return str(self.value)


_FLAGS = {
    JobRunnerDeletePolicy.Never: "never",
    JobRunnerDeletePolicy.Always: "always",
    JobRunnerDeletePolicy.IfFailed: "on-failure",
    JobRunnerDeletePolicy.IfSucceeded: "on-success",
}

ON_FINISH = {
    "delete_pod": JobRunnerDeletePolicy.Always,
    "delete_succeeded_pod": JobRunnerDeletePolicy.IfSucceeded,
    "delete_active_pod": JobRunnerDeletePolicy.Never,
    "keep_pod": JobRunnerDeletePolicy.Never,
}
"""KubernetesPodOperator's ``on_finish_action``."""


def policy(value: object) -> JobRunnerDeletePolicy:
    """Return the policy that a member, or its name in any case, stands for.

    :raises ValueError: it is none.
    """
    name = str(getattr(value, "value", value)).lower()
    for member in JobRunnerDeletePolicy:
        if member.value.lower() == name:
            return member
    names = ", ".join(member.value for member in JobRunnerDeletePolicy)
    raise ValueError(f"delete_policy must be one of {names}, not {value!r}")


def on_finish(value: object) -> JobRunnerDeletePolicy:
    """Return the policy for an ``on_finish_action``.

    :raises ValueError: it is none.
    """
    name = str(getattr(value, "value", value))
    if name not in ON_FINISH:
        raise ValueError(f"on_finish_action must be one of {', '.join(ON_FINISH)}, not {value!r}")
    return ON_FINISH[name]


def flag(value: JobRunnerDeletePolicy) -> str:
    """Return the word for kjo's ``--delete``."""
    return _FLAGS[value]
