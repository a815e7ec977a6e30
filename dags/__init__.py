"""Orchestration: WHEN the jobs run. Airflow's DAGs, one file each, and Dagster's asset graph (catalog.py).

Belongs here: wiring only, derived from what each job declares. What a job does: jobs/. What a table promises:
data_contracts/. Starting an Airflow or a Dagster on this machine: jobs/command/orchestrators.py.
"""
