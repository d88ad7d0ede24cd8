"""A run of a DAG in a headless Airflow: its tasks, what they logged and handed on, their processes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_kjo._compat import SDK
from headless import Airflow, eventually

_AIRFLOW_2_LINE = re.compile(r"^\[\S+\] \{\S+:\d+\} [A-Z]+ - ")


class Run:
    """A run of a DAG."""

    def __init__(self, airflow: Airflow, dag: str, run: str, conf: dict[str, Any] | None = None) -> None:
        """Start it, as soon as the DAG is there."""
        self.airflow = airflow
        self.dag = dag
        self.run = run
        folder = f"{airflow.unpaused(dag)}/dagRuns"
        self.path = f"{folder}/{run}"
        body = {"dag_run_id": run, "conf": conf or {}, **({"logical_date": None} if SDK else {})}
        airflow.change("POST", folder, body)

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return the task instances by name; those of mapped tasks as name[index]."""
        found = self.airflow.call("GET", f"{self.path}/taskInstances?limit=100")["task_instances"]
        return {t["task_id"] + (f"[{t['map_index']}]" if t["map_index"] >= 0 else ""): t for t in found}

    def ended(self, within: float = 240) -> dict[str, str]:
        """Wait for the end; return the states."""

        def check() -> bool:
            return self.airflow.call("GET", self.path)["state"] in ("success", "failed")

        eventually(f"the end of {self.dag}", check, within)
        return {name: task["state"] for name, task in self.tasks().items()}

    def mark(self, task: str, state: str) -> None:
        """Mark a task, as the web interface does."""
        body = {"new_state": state, "dry_run": False} if not SDK else {"new_state": state}
        self.airflow.change("PATCH", f"{self.path}/taskInstances/{task}", body)

    def clear(self, task: str) -> None:
        """Clear a task, as the web interface does."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run,
            "task_ids": [task],
            "only_failed": False,
            "reset_dag_runs": True,
        }
        path = f"{self.airflow.api}/dags/{self.dag}/clearTaskInstances"
        self.airflow.change("POST", path, body)

    def xcom(self, task: str, key: str = "return_value") -> Any:
        """Return what a task has pushed, None where it has not."""
        plain = "deserialize=true" if SDK else "stringify=false"
        found = self.airflow.call("GET", f"{self.path}/taskInstances/{task}/xcomEntries/{key}?{plain}")
        return found and found["value"]

    def link(self, task: str) -> list[str]:
        """Return the addresses of a task's extra links."""
        found = self.airflow.call("GET", f"{self.path}/taskInstances/{task}/links")
        return list((found["extra_links"] if SDK else found).values())

    def _lines(self, task: str, attempt: int) -> list[str]:
        folder = self.airflow.home / "logs" / f"dag_id={self.dag}" / f"run_id={self.run}"
        files = folder.glob(f"task_id={task}/attempt={attempt}.log")
        return [line for file in files for line in file.read_text().splitlines()]

    def whole_log(self, task: str, attempt: int = 1) -> str:
        """Return the log of a try of a task, as text, with all that belongs to an error."""
        lines = self._lines(task, attempt)
        if SDK:
            lines = [json.dumps(json.loads(line), ensure_ascii=False) for line in lines]
        return "\n".join(lines)

    def records(self, task: str, attempt: int = 1) -> list[str]:
        """Return the texts of the log of a try of a task, record by record."""
        lines = self._lines(task, attempt)
        if SDK:
            return [str(json.loads(line).get("event")) for line in lines]
        records: list[str] = []
        for line in lines:
            text, begins = _AIRFLOW_2_LINE.subn("", line)
            if begins or not records:
                records.append(text)
            else:
                records[-1] += f"\n{line}"
        return records

    def log(self, task: str, attempt: int = 1) -> str:
        """Return the log of a try of a task, as text."""
        return "\n".join(self.records(task, attempt))

    def logs(self, task: str, text: str, attempt: int = 1, within: float = 180) -> str:
        """Wait for a text in a log; return the log."""
        eventually(
            f"{text!r} in the log of {self.dag}.{task}",
            lambda: text in self.log(task, attempt),
            within,
        )
        return self.log(task, attempt)

    def begun(self, attempt: int = 1) -> tuple[int, int, int]:
        """Wait until the container of the task ``job`` runs; return the processes of the task.

        They are kjo, the task runner, and its supervisor.
        """
        self.logs("job", "\nbegun", attempt)
        deployment = self.airflow.env["AIRFLOW__KJO__DEPLOYMENT_ID"]
        ours = f"{deployment}/{self.dag}/".encode()

        def find() -> tuple[int, int, int] | None:
            for entry in Path("/proc").iterdir():
                with suppress(OSError):
                    argv = (entry / "cmdline").read_bytes().split(b"\0")
                    if b"run" in argv and any(
                        word.startswith(ours) and f"/{self.run}/".encode() in word for word in argv
                    ):
                        runner = _parent(int(entry.name))
                        return int(entry.name), runner, _parent(runner)
            return None

        return eventually(f"the processes of {self.dag}", find)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
