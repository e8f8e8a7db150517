"""Charts and tables of a pipeline's artifacts: for the report, a notebook and Kubeflow's UI.

Each module reads one kind of artifact and returns plotly figures and tables of it. Nothing here
fetches anything: a figure holds its data.
"""
