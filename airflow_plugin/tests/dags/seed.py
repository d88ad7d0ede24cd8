"""The project's first example of both operators, without what Airflow 3 has taken away."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow import DAG

from airflow_kjo import KubernetesJobOperator, KubernetesLegacyJobOperator

default_args = {
    "owner": "tester",
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "retries": 0,
}
dag = DAG("bjo", default_args=default_args, description="Test base job operator", schedule=None)

job_task = KubernetesJobOperator(task_id="test-job", job_yaml="test-job.yaml", dag=dag)

# when using image and commands notation
legacy_job_task = KubernetesLegacyJobOperator(
    task_id="legacy-test-job",
    image="ubuntu",
    cmds=["bash", "-c", 'echo "all ok"'],
    dag=dag,
    is_delete_operator_pod=True,
)
