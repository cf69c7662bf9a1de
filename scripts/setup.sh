#!/bin/sh
# Makes .venv with the locked dependencies (hashes checked) and this checkout installed in it.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

make_venv() { rm -rf .venv && python3 -m venv .venv >/dev/null 2>&1 && .venv/bin/python -m pip --version >/dev/null 2>&1; }

if ! python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    say "Baton needs Python 3.11 (Debian 12's python3); this machine's python3 is $(python3 --version 2>&1)."
    exit 1
fi
if ! [ -x .venv/bin/python ] && ! make_venv; then
    # Debian's python3 comes without the part that makes virtual environments.
    if [ "$(id -u)" = 0 ]; then root=""; elif sudo -n true 2>/dev/null; then root="sudo -n"; else
        say "Python's venv module is missing: run 'sudo apt-get install python3-venv', then try again."
        exit 1
    fi
    say "installing python3-venv"
    $root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    make_venv || { say "could not make a virtual environment in .venv"; exit 1; }
fi
say "installing the locked dependencies"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt 2>&1 | grep -v '^WARNING: Location' >&2 || true
.venv/bin/python -m pip check --disable-pip-version-check >/dev/null
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . 2>&1 | grep -v '^WARNING: Location' >&2 || true
.venv/bin/baton --help >/dev/null
touch .venv/.installed
