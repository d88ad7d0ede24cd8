"""What is installed: the wheel's contents, and what importing the package costs."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

import airflow_kjo
from conftest import run_python


@pytest.fixture
def provider_info() -> Any:
    return airflow_kjo.get_provider_info()


def test_importing_the_package_imports_neither_airflow_nor_kubernetes() -> None:
    run_python(
        "import sys, airflow_kjo\n"
        "airflow_kjo.get_provider_info(); dir(airflow_kjo); airflow_kjo.__version__\n"
        "assert not {'airflow', 'kubernetes'} & set(sys.modules), 'imported'\n"
        "assert not hasattr(airflow_kjo, 'NoSuchOperator')\n"
    )


def test_importing_the_operators_adds_no_kubernetes_and_costs_next_to_nothing() -> None:
    run_python(
        "import sys, time, resource\n"
        "from airflow_kjo._compat import BaseOperator\n"
        "import airflow_kjo\n"
        "before = set(sys.modules)\n"
        "size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "began = time.process_time()\n"
        "airflow_kjo.KubernetesJobOperator; airflow_kjo.KubernetesLegacyJobOperator\n"
        "airflow_kjo.JobRunnerDeletePolicy\n"
        "took = time.process_time() - began\n"
        "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size\n"
        "added = set(sys.modules) - before\n"
        "foreign = {n for n in added if not n.startswith('airflow_kjo')}\n"
        "assert not any(n.split('.')[0] in ('kubernetes', 'yaml', 'jinja2') for n in foreign), foreign\n"
        "print('import of the operators:', round(took * 1000), 'ms', grown, 'KiB', sorted(foreign))\n"
        # Generous, for a machine that is busy: what it must not be is another package's half second.
        "assert took < 0.2 and grown < 8192, (took, grown)\n"
    )


def test_the_provider_info_is_what_airflow_expects(provider_info: dict[str, Any]) -> None:
    schema = Path(airflow.__file__).with_name("provider_info.schema.json")
    jsonschema.validate(provider_info, json.loads(schema.read_text()))


def test_the_wheel(built: Path, provider_info: dict[str, Any]) -> None:
    for program in built.glob("*.data/scripts/kjo"):
        # zipfile leaves the mode out, which an installer does not.
        program.chmod(0o755)
    (found,) = importlib.metadata.distributions(path=[str(built)])
    assert found.metadata["Name"] == "airflow-kjo"
    assert found.version == airflow_kjo.__version__
    assert found.metadata["License-Expression"] == "MIT"
    (entry,) = found.entry_points
    assert entry.group == "apache_airflow_provider"
    assert entry.load()() == provider_info
    source = Path(airflow_kjo.__file__).parent
    assert modules(built / "airflow_kjo") == modules(source)
    assert (built / "airflow_kjo" / "py.typed").exists()
    program = built / f"airflow_kjo-{found.version}.data" / "scripts" / "kjo"
    said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout == f"kjo {found.version}\n"


def modules(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.glob("**/*.py")}
