# Targets for people and for CI. Every target that needs Python sets the environment up first.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SHELLFLAGS := -ec

VENV := .venv
PY := $(VENV)/bin/python
LOCK := requirements-dev.txt

.PHONY: lock
lock: ## Resolve the locks requirements*.txt anew
	scripts/lock.sh
