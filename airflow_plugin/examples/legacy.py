"""What was KubernetesPodOperator: the same parameters, and a Job in place of the pod."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG

from airflow_kjo import KubernetesLegacyJobOperator

with DAG(
    "kjo_legacy",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    schedule=None,
    default_args={"retries": 1, "retry_delay": timedelta(minutes=1)},
):
    extract = KubernetesLegacyJobOperator(
        task_id="extract",
        image="busybox",
        cmds=["sh", "-c"],
        arguments=[
            'mkdir -p /airflow/xcom; echo \'{"file": "{{ ds }}.csv"}\' > /airflow/xcom/return.json'
        ],
        container_resources={"requests": {"cpu": "100m", "memory": "64Mi"}},
        do_xcom_push=True,
        execution_timeout=timedelta(hours=1),
    )

    # Exit code 99 of the container skips this task, and what comes after it.
    load = KubernetesLegacyJobOperator(
        task_id="load",
        image="busybox",
        cmds=["sh", "-c", 'test -n "$FILE" || exit 99; echo "loading $FILE"'],
        env_vars={"FILE": "{{ ti.xcom_pull('extract')['file'] }}"},
        skip_on_exit_code=99,
        on_finish_action="delete_succeeded_pod",
    )

    extract >> load
