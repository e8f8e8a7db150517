"""Kubeflow Pipelines' API: uploads, runs and schedules on a cluster."""
