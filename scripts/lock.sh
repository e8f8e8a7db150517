#!/bin/sh
# Writes the locks: what the pipeline runs on (requirements.txt), that plus the tools of
# development (requirements-dev.txt), and uv itself (requirements-uv.txt). They carry hashes and
# name no package index. Packages in requirements-excluded.txt are left out.
#
#   scripts/lock.sh [UPGRADE-OPTION ...]     e.g. --upgrade, --upgrade-package apache-beam
set -eu
cd "$(dirname -- "$0")/.."
uv=$(scripts/find_uv.sh .venv-uv)

compile() {
    "$uv" pip compile --quiet --python-version 3.10 --generate-hashes --no-annotate \
        --no-emit-index-url --no-emit-find-links --excludes requirements-excluded.txt \
        --custom-compile-command "make lock" "$@"
}

compile "$@" setup.py --output-file requirements.txt
compile "$@" setup.py --extra dev --constraint requirements.txt \
    --output-file requirements-dev.txt
printf 'uv\n' | compile "$@" - --output-file requirements-uv.txt
