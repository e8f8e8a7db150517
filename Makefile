# Targets for people and for CI. Every target that needs Python sets the environment up first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SHELLFLAGS := -ec

VENV ?= .venv
PY := $(VENV)/bin/python
CLI := $(VENV)/bin/complaint-pipeline
LOCK := requirements-dev.txt

HOME_DIR ?= local
VOLUME := $(HOME_DIR)/volume
WORKFLOW := argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml
IMAGE ?= complaint-pipeline:0.1.0
BEAM := $(shell sed -n 's/^apache-beam.*==\([0-9.]*\).*/\1/p' requirements.txt)
BENCH_ROWS ?= 67000
BENCH_PAIRS ?= 3

.PHONY: help setup run test test-quick lint format golden compile compile-gcp validate lock image bench bench-model bench-input bench-beam beam-programs test-servers clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## Make .venv: find Python 3.10, install the lock, compile bytecode
	@scripts/install.sh $(VENV) $(LOCK) --editable

run: setup ## From CSV to a pushed model, by way of the compiled YAML
	@$(MAKE) -s --no-print-directory compile $(VOLUME)/data
	@$(CLI) run $(WORKFLOW) --mount tfx-pvc=$(VOLUME) --home $(HOME_DIR) \
	    --report $(HOME_DIR)/report.html

$(VOLUME)/data:
	@mkdir -p $@.new
	@cp data/complaints_sample.csv $@.new/
	@mv $@.new $@

compile: setup ## Compile the pipeline to argo_pipeline_files/
	@$(PY) pipelines/kubeflow_pipelines/pipeline_kubeflow.py

compile-gcp: setup ## Compile the pipeline for Google Cloud to argo_pipeline_files/ (SETTINGS=my.yaml)
	@$(PY) pipelines/kubeflow_pipelines/pipeline_kubeflow_gcp.py $(if $(SETTINGS),--settings $(SETTINGS))

validate: setup ## Check the compiled YAML as Argo and Kubeflow Pipelines would
	@$(CLI) validate $(WORKFLOW)

golden: setup ## Rewrite the committed YAML, and the tests' expected files
	@$(PY) pipelines/kubeflow_pipelines/pipeline_kubeflow.py
	@$(PY) pipelines/kubeflow_pipelines/pipeline_kubeflow_gcp.py
	@$(PY) -m pytest -q tests --rewrite-golden -m golden

test: setup ## All tests (about 30 minutes)
	@$(PY) -m pytest

test-quick: setup ## The tests that run no pipeline (about 3 minutes)
	@$(PY) -m pytest -m "not whole"

test-servers: .test-servers/fake-gcs-server ## Build servers for the tests, where Go is installed

.test-servers/fake-gcs-server:
	@GOBIN=$(CURDIR)/.test-servers go install github.com/fsouza/fake-gcs-server@v1.56.1

lint: setup ## ruff, mypy, Import Linter, hadolint
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(VENV)/bin/hadolint Dockerfile

format: setup ## Format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

lock: ## Resolve requirements*.txt anew (UPGRADE="--upgrade-package apache-beam")
	@scripts/lock.sh $(UPGRADE)

image: ## Build the container image (IMAGE=registry/name:tag)
	docker build --tag $(IMAGE) .

bench: setup ## Time the YAML against TFX's LocalDagRunner (BENCH_ROWS=67000 BENCH_PAIRS=3)
	@$(PY) -m tests.benchmarks.local_run --rows $(BENCH_ROWS) --pairs $(BENCH_PAIRS)

bench-model: setup ## Measure the model against a logistic regression (CSV="one.csv two.csv")
	@$(PY) -m tests.benchmarks.model $(CSV)

bench-input: setup ## Time a pass over the training data against the plain input
	@$(PY) -m tests.benchmarks.training_input --rows $(BENCH_ROWS) --pairs $(BENCH_PAIRS)

bench-beam: setup ## Time the steps that run Beam on each of its runners (CSV=one.csv, BENCH_ROWS=67000)
	@$(PY) -m tests.benchmarks.beam_runners $(if $(CSV),--csv $(CSV),--rows $(BENCH_ROWS))

beam-programs: ## Build what tests of Beam's runners need in .beam/, with Go
	@GOBIN=$(CURDIR)/.beam go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$(BEAM)
	@GOBIN=$(CURDIR)/.beam go install github.com/apache/beam/sdks/v2/python/container@v$(BEAM)
	@mv .beam/container .beam/boot

clean: ## Remove the environment; runs and models in local/ stay
	@rm -rf $(VENV) $(VENV)-uv
