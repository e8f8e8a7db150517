#!/bin/sh
# Makes a virtual environment of Python 3.10 and installs a hash-pinned lock into it.
# The Makefile and the Dockerfile both install through this script.
#
#   scripts/install.sh VENV LOCK [--editable]
#
# --editable installs the project as a link to this folder, otherwise as a copy.
# PYTHON names an interpreter to use instead of looking for one.
set -eu

venv=$1
lock=$2
editable=${3:-}
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

say() { printf '%s\n' "install: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

is_python_3_10() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' >/dev/null 2>&1
}

# Prints the first interpreter that really is a 3.10: a pyenv shim named python3.10 can be on
# PATH and still refuse to run.
find_python() {
    for candidate in "${PYTHON:-}" python3.10 python3 python \
        "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.10*/bin/python3.10 \
        /usr/local/bin/python3.10 /opt/python/cp310*/bin/python3.10; do
        [ -n "$candidate" ] || continue
        if is_python_3_10 "$candidate"; then
            # Of a virtual environment, which may be the one that is made anew, the one below it.
            "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
            return 0
        fi
    done
    "$uv" python find --system --no-project 3.10 2>/dev/null && return 0
    say "no Python 3.10 on this machine; asking uv for one"
    if "$uv" python install --quiet 3.10 >/dev/null 2>&1; then
        "$uv" python find --system --no-project 3.10 2>/dev/null && return 0
    fi
    return 1
}

# A copied or moved environment still points at the folder where it was made.
digest=$({ cat "$project/$lock" "$project/setup.py" "$project/scripts/install.sh"; pwd; } |
    cksum | tr ' ' '-')
stamp="$venv/.installed-$digest"
[ -e "$stamp" ] && exit 0

# One at a time: what an interrupted set-up has started keeps the lock until it has ended.
if command -v flock >/dev/null 2>&1; then
    exec 9>"$venv.lock"
    flock -n 9 || { say "waiting for another set-up of $venv" && flock 9; }
    [ -e "$stamp" ] && exit 0
fi

uv=$("$project/scripts/find_uv.sh" "$venv-uv") || fail "cannot get uv: a Python 3 with venv and pip, or uv on PATH, is needed"
python=$(find_python) || fail "Python 3.10 not found (TFX 1.15.1 needs it): install python3.10, \
or run 'pyenv install 3.10', or set PYTHON=/path/to/python3.10"

say "Python 3.10: $python"
say "installing the packages of $lock into $venv (about 3 GB; the first time they are downloaded)"
rm -rf "$venv"
# --seed adds pip, which TFX calls to install wheels of user code.
"$uv" venv --quiet --seed --python "$python" "$venv"
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps --require-hashes \
    --compile-bytecode -r "$project/$lock"
"$uv" pip install --quiet --python "$venv/bin/python" --no-deps \
    --compile-bytecode ${editable:+--editable} "$project"
"$venv/bin/python" -c 'import click, kfp, orchestration' ||
    fail "the packages in $venv are not whole; remove the folder and try again"
touch "$stamp"
say "installed $lock into $venv"
