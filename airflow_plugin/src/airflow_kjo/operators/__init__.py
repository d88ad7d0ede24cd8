"""The operators; import them from :mod:`airflow_kjo`."""
