#!/bin/sh
# Resolve pyproject.toml into the four locks.  Needs the network; run it to move versions, then test.
set -eu
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet pip-tools

export CUSTOM_COMPILE_COMMAND="make lock"
compile() {
    echo "resolving $1" >&2
    output=$1
    shift
    "$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
        --output-file "requirements/$output" "$@" pyproject.toml
}
wheels=--pip-args=--only-binary=:all:
compile run.lock --build-deps-for editable "$wheels"
compile test.lock --build-deps-for editable --extra test --constraint requirements/run.lock "$wheels"
compile dask.lock --extra sim --extra dask --constraint requirements/test.lock "$wheels"
# Some packages below libp2p ship no wheels for Linux, so this set, and only this one, may compile.
compile p2p.lock --extra p2p --constraint requirements/run.lock
