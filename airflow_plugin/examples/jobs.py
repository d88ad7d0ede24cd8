"""Jobs from manifests: a file, a dict with a Secret beside it, an image; mapped; values handed on."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, task

from airflow_kjo import KubernetesJobOperator

with DAG(
    "kjo_jobs",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    schedule="@daily",
    catchup=False,
    default_args={"retries": 2},
):
    # A file beside this one; its text is a template, and may include others.
    from_file = KubernetesJobOperator(task_id="from_file", job_yaml="report.yaml.j2")

    # An image is enough. What it prints as a marker line is handed on to other tasks.
    count = KubernetesJobOperator(
        task_id="count",
        image="busybox",
        command=["sh", "-c", "echo counting; echo '::kube_api:xcom={\"rows\": 3}'"],
    )

    # One Job for each row, all at once; each has a run id, and so a Job, of its own.
    @task
    def rows(count: dict[str, int]) -> list[list[str]]:
        """Return the arguments of each Job."""
        return [[f"row {i}"] for i in range(count["rows"])]

    each = KubernetesJobOperator.partial(task_id="each", image="busybox", command=["echo"]).expand(
        arguments=rows(count.output)
    )

    from_file >> count >> each
