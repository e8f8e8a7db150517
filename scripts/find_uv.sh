#!/bin/sh
# Prints the path of uv: the one on PATH, or one installed hash-pinned from the package index.
#
#   scripts/find_uv.sh FOLDER     FOLDER is where uv is installed, if it must be
set -eu

tools=$1
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

if command -v uv >/dev/null 2>&1; then
    command -v uv
    exit 0
fi
if [ ! -x "$tools/bin/uv" ]; then
    for candidate in "${PYTHON:-}" python3 python3.10 python \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3*/bin/python3; do
        rm -rf "$tools"
        [ -n "$candidate" ] || continue
        if "$candidate" -m venv "$tools" >/dev/null 2>&1 && [ -x "$tools/bin/pip" ]; then break; fi
    done
    [ -x "$tools/bin/pip" ] || exit 1
    "$tools/bin/pip" install --quiet --disable-pip-version-check \
        --require-hashes -r "$project/requirements-uv.txt" >&2
fi
printf '%s\n' "$tools/bin/uv"
