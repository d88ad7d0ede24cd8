"""Airflow operators that run a Kubernetes Job to its end with the program ``kjo``.

Importing this package imports neither Airflow nor a Kubernetes client: the operators are looked
up when they are first asked for, so that a DAG file pays for nothing but the class it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_kjo._policy import JobRunnerDeletePolicy
    from airflow_kjo.operators.job import KubernetesJobOperator
    from airflow_kjo.operators.legacy import KubernetesLegacyJobOperator

__version__ = "0.1.0"

__all__ = [
    "JobRunnerDeletePolicy",
    "KubernetesJobOperator",
    "KubernetesLegacyJobOperator",
    "__version__",
]

_OPERATORS = {
    "KubernetesJobOperator": "airflow_kjo.operators.job",
    "KubernetesLegacyJobOperator": "airflow_kjo.operators.legacy",
}

_LAZY = {**_OPERATORS, "JobRunnerDeletePolicy": "airflow_kjo._policy"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


def get_provider_info() -> dict[str, Any]:
    """Describe the package to Airflow (the entry point ``apache_airflow_provider``)."""
    return {
        "package-name": "airflow-kjo",
        "name": "kjo",
        "description": "Run Kubernetes Jobs to their end with kjo.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "kjo",
                "external-doc-url": "https://kubernetes.io/docs/concepts/workloads/controllers/job/",
                "tags": ["software"],
            }
        ],
        "operators": [
            {"integration-name": "kjo", "python-modules": sorted(_OPERATORS.values())},
        ],
        "extra-links": ["airflow_kjo.links.KjoJobLink"],
        "config": {
            "kjo": {
                "description": "Settings of the operators that run Kubernetes Jobs with kjo.",
                "options": {
                    "binary": {
                        "description": (
                            "Path of the kjo program. Empty: the environment variable KJO_BIN, "
                            "then the folders of scripts of this Python, then PATH."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/usr/local/bin/kjo",
                        "default": "",
                    },
                    "deployment_id": {
                        "description": (
                            "A name of this Airflow that no other one has whose Jobs run in the same "
                            "namespaces. Empty: the base_url of the web interface."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "airflow-prod",
                        "default": "",
                    },
                    "job_url": {
                        "description": (
                            "The address of a Job in whatever shows the cluster, with {namespace} and "
                            "{name} in it: a link of each task. Empty: no link."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https://k8s.example.com/{namespace}/jobs/{name}",
                        "default": "",
                    },
                },
            }
        },
    }
