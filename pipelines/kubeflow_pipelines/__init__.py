"""From TFX components to the Argo YAML that Kubeflow Pipelines runs."""
