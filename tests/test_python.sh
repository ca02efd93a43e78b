#!/bin/sh
# The Python package: a wheel is built, installed into a virtual environment under BUILD/python, and tested there
# with pytest, also with the real openedx-events and Django; then mypy --strict and ruff. usage: test_python.sh BUILD
#
# PYTHON is the interpreter. Without one, or without packages that cannot be installed, the test or its part is skipped.
set -eu
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/../tools/python" && pwd)
home=$build/python
python=${PYTHON:-python3}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 EVLOG_BUILD="$build" EVLOG="$build/evlog"
unset PYTHONPATH

skip() { echo "SKIPPED: the Python package: $*"; exit 77; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip "there is no Python 3.9 or later"
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    skip "Python.h is not there (apt-get install python3-dev)"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=$home/venv-$version
if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    mkdir -p "$home"
    "$python" -m venv "$venv" >"$home/venv.log" 2>&1 || skip "python3 -m venv does not work (apt-get install python3-venv)"
    "$venv/bin/pip" install -q 'setuptools>=64' wheel cffi msgpack pytest >"$home/pip.log" 2>&1 ||
        skip "cffi, msgpack and pytest cannot be installed: $(tail -n 1 "$home/pip.log")"
    "$venv/bin/pip" install -q 'mypy<2.5' ruff==0.17.6 types-cffi >"$home/pip.log" 2>&1 || true
    touch "$venv/ready"
fi
if [ ! -e "$venv/openedx" ]; then
    # The newest that the interpreter takes, but for the one whose wire format the tests know.
    openedx="openedx-events Django"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' && openedx="openedx-events==11.2.0 Django==6.1.3 fastavro==1.13.1"
    # shellcheck disable=SC2086
    if "$venv/bin/pip" install -q $openedx >"$home/pip.log" 2>&1; then
        "$venv/bin/pip" install -q 'psycopg[binary]' >"$home/pip.log" 2>&1 || true
        touch "$venv/openedx"
    fi
fi
can='import django.conf; django.conf.settings.configure(); import openedx_events.event_bus.avro.serializer'

# From a copy, since building leaves files beside the sources, and tests must not find the package there. The wheel is
# made from the source distribution, which has what the library's own build needs.
rm -rf "$home/tree" "$home/sdist" "$home/wheel"
mkdir -p "$home/tree/tools" "$home/tree/tests"
for name in Makefile LICENSE store dispatch replay tests/tests.mk tools/packaging; do
    ln -s "$source/../../$name" "$home/tree/$name"
done
cp -R "$source" "$home/tree/tools/python"
rm -rf "$home/tree/tools/python/build" "$home/tree/tools/python/src/evlog/"*.so
(cd "$home/tree/tools/python" && "$venv/bin/python" setup.py -q sdist -d "$home/sdist" && tar -xzf "$home"/sdist/evlog-*.tar.gz -C "$home/sdist" &&
    make -n -C "$home"/sdist/evlog-*/c build/libevlog.a && "$venv/bin/pip" wheel -q --no-build-isolation --no-deps -w "$home/wheel" "$home"/sdist/evlog-*.tar.gz) \
    >"$home/wheel.log" 2>&1 || { cat "$home/wheel.log"; exit 1; }
"$venv/bin/pip" install -q --no-deps --force-reinstall "$home"/wheel/evlog-*.whl
cd "$home/tree/tools/python"
mv src src-not-imported
"$venv/bin/python" -m pytest tests
if [ -e "$venv/openedx" ] && "$venv/bin/python" -c "$can" 2>"$home/pip.log"; then
    "$venv/bin/python" -m pytest tests_openedx
else
    echo "SKIPPED: Open edX: openedx-events cannot be used here: $(tail -n 1 "$home/pip.log")"
fi
mv src-not-imported src
[ ! -x "$venv/bin/mypy" ] || "$venv/bin/mypy" --strict src
[ ! -x "$venv/bin/ruff" ] || { "$venv/bin/ruff" check . && "$venv/bin/ruff" format --check .; }
