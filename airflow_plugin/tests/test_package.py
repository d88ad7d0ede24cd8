"""What is installed: the wheel's contents, and what importing the package costs."""

from __future__ import annotations

import importlib.metadata
import json
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


def test_importing_the_operators_imports_no_kubernetes() -> None:
    run_python(
        "import sys\n"
        "from airflow.sdk import DAG\n"
        "from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator\n"
        "assert 'kubernetes' not in sys.modules, 'imported'\n"
    )


def test_the_provider_info_is_what_airflow_expects(provider_info: dict[str, Any]) -> None:
    schema = Path(airflow.__file__).with_name("provider_info.schema.json")
    jsonschema.validate(provider_info, json.loads(schema.read_text()))


def test_the_wheel(built: Path, provider_info: dict[str, Any]) -> None:
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


def modules(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.glob("**/*.py")}
