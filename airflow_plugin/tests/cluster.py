"""The real cluster of the tests, and a namespace of their own in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def required(name: str) -> str:
    """Return a variable of the environment, without which the test fails."""
    value = os.environ.get(name)
    if not value:
        pytest.fail(
            f"the environment variable {name} is not set: this test needs a cluster (KUBECONFIG) "
            "and kjo (KJO_BIN); run pytest with --without-cluster to leave it out",
            pytrace=False,
        )
    return value


@dataclass
class Cluster:
    """A kubeconfig whose context names a namespace of the test's own."""

    kubeconfig: Path
    namespace: str

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl there; return what it prints."""
        return _kubectl(self.kubeconfig, *arguments)


def _kubectl(kubeconfig: str | Path, *arguments: str) -> str:
    kubectl = os.environ.get("KJO_KUBECTL") or shutil.which("kubectl")
    if not kubectl:
        pytest.fail("no kubectl: neither KJO_KUBECTL nor PATH has one", pytrace=False)
    done = subprocess.run(
        [kubectl, *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@contextmanager
def own_namespace(folder: Path) -> Iterator[Cluster]:
    """Make a namespace, the default of a kubeconfig in ``folder``; it goes with the block."""
    required("KJO_BIN")
    namespace = f"airflow-kjo-{uuid.uuid4().hex[:8]}"
    cluster = Cluster(folder / "kubeconfig", namespace)
    cluster.kubeconfig.touch(mode=0o600)
    view = ("config", "view", "--raw", "--flatten", "--minify")
    cluster.kubeconfig.write_text(_kubectl(required("KUBECONFIG"), *view))
    cluster.kubectl("create", "namespace", namespace)
    try:
        cluster.kubectl("config", "set-context", "--current", "--namespace", namespace)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
