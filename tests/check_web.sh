#!/bin/sh
# make check-web: the page in Chromium, driven by chromedriver: see check_web.py. A minute, and four at most.
# usage: check_web.sh BUILD [CASE]...
#
# Screenshots of every page, dark and light, wide and narrow, are left in BUILD/web. Debian's packages: chromium,
# chromium-driver; where they are missing it says so, and exits with 0.
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
shift
skip() { echo "SKIPPED: the page in Chromium: $*"; exit 0; }
[ -x "$build/evlog-web" ] || skip "evlog web is not built: libmicrohttpd is not installed"
for program in python3 chromedriver chromium; do
    command -v $program >/dev/null || skip "no $program (apt-get install chromium chromium-driver)"
done
mkdir -p "$build/web"
export EVLOG="$build/evlog" WEB="$build/evlog-web" PICTURES="$build/web" PYTHONDONTWRITEBYTECODE=1
timeout -k 5 240 python3 "$tests/check_web.py" "$@"
