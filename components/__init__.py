"""What runs inside the pipeline's pods: features, preprocessing, model and input checks.

This package imports nothing else of the project, so that a pod, a Beam worker or a mounted
``module_file`` needs only this folder.
"""
