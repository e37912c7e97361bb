#!/bin/sh
# Make .venv what one lock says, and nothing when it is so already.
#
#   requirements/venv.sh run|test
#
# "test" holds everything of "run" in the same versions.  Only wheels whose hash stands in the lock
# are installed; nothing is compiled.  PYTHON=... chooses the interpreter, VENV=... the folder.
set -eu
cd "$(dirname "$0")/.."

set_name=$1
python=${PYTHON:-python3}
venv=${VENV:-.venv}
lock=requirements/$set_name.lock
stamp=$venv/installed-$set_name
if [ "$(id -u)" = 0 ]; then sudo=; else sudo="sudo "; fi

if ! command -v "$python" >/dev/null 2>&1; then
    echo "Nexus needs Python 3.11 or newer; this machine has no '$python'. On Debian:" >&2
    echo "    ${sudo}apt-get update && ${sudo}apt-get install -y python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Nexus needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1)." >&2
    echo "Name another one: make PYTHON=/usr/bin/python3.11 ..." >&2
    exit 1
fi

# What an installation depends on: the interpreter, the place, the lock, this project's metadata.
interpreter=$("$python" -c 'import sys; print(sys.version.split()[0], sys.base_prefix)')
wanted() {
    { echo "$interpreter"; pwd; cat "requirements/$1.lock" pyproject.toml; } | sha256sum
}
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted "$set_name")" ]; then
    exit 0
fi

if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Python's venv module is not complete on this machine. On Debian this installs it:" >&2
    echo "    ${sudo}apt-get update && ${sudo}apt-get install -y python$version-venv" >&2
    exit 1
fi

echo "Installing the packages of $lock into $venv (pinned wheels, hashes checked; only needed once)"
if [ "$(cat "$venv/interpreter" 2>/dev/null)" != "$interpreter" ]; then
    "$python" -m venv --clear "$venv"
    echo "$interpreter" >"$venv/interpreter"
fi
pip() {
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check --no-input "$@"
}
rm -f "$stamp"
pip install --require-hashes --only-binary :all: -r "$lock"
pip install --no-deps --no-build-isolation --no-index --config-settings editable_mode=compat \
    --editable .
wanted "$set_name" >"$stamp"
if [ "$set_name" = test ]; then
    wanted run >"$venv/installed-run"
fi
