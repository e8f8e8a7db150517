# syntax=docker/dockerfile:1
# The image of every pod and of Dataflow's workers: the locked packages and this one.
FROM python:3.10-slim-bookworm AS build
WORKDIR /src
COPY requirements.txt requirements-uv.txt setup.py README.md ./
COPY scripts scripts
COPY components components
COPY pipelines pipelines
COPY orchestration orchestration
COPY data data
RUN scripts/install.sh /opt/venv requirements.txt && rm -rf /opt/venv-uv

FROM python:3.10-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="complaint-pipeline" \
      org.opencontainers.image.description="TFX pipeline on Kubeflow that predicts disputed consumer complaints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 1000 pipeline \
    && useradd --uid 1000 --gid 1000 --create-home pipeline
# What starts Beam's workers on Dataflow and in a worker pool; of the same Beam as in requirements.txt.
COPY --from=apache/beam_python3.10_sdk:2.74.0 /opt/apache/beam /opt/apache/beam
COPY scripts/image_entrypoint.sh /opt/image_entrypoint.sh
COPY --from=build /opt/venv /opt/venv
# Otherwise Beam's workers would run in a new environment, without these packages.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
WORKDIR /home/pipeline
USER 1000:1000
ENTRYPOINT ["/opt/image_entrypoint.sh"]
