#!/bin/sh
# evlog web as a program and as what a client gets: see test_web.py. usage: test_web.sh BUILD
. "$(dirname "$0")/tool.sh"
here=$(cd "$OLDPWD" && cd "$(dirname "$0")" && pwd)
web=$(dirname "$evlog")/evlog-web
[ -x "$web" ] || web=$build/evlog-web
[ -x "$web" ] || { echo "SKIPPED: evlog web is not built: libmicrohttpd is not installed"; exit 0; }
command -v python3 >/dev/null || { echo "SKIPPED: evlog web: there is no python3"; exit 0; }

"$build/evlog" send log first '{}' >/dev/null

# --------------------------------------------------------------- arguments ----

try 2 "which log?" web
try 2 "an option is wrong" web log --nonsense
try 3 "nowhere" web nowhere
try 2 "requires --token" web log --listen 0.0.0.0:0
try 2 "requires --token" web log --listen '[::]:0'
try 2 "--listen is HOST:PORT" web log --listen nonsense
try 2 "--listen is HOST:PORT" web log --listen example.com:80
try 2 "--listen is HOST:PORT" web log --listen 127.0.0.1:x
try 3 "a Unix socket's path" web log --listen unix:
try 3 "cannot listen" web log --listen unix:nowhere/socket
try 2 "cannot be read" web log --token nowhere
echo short >token
try 2 "a token is 16" web log --token token
printf 'letters and blanks of 30 bytes' >token
try 2 "a token is 16" web log --token token
try 0 "" web --help
has "usage: evlog web LOG"

# ------------------------------------------------------------------ answers ----

EVLOG=$build/evlog WEB=$web python3 "$here/test_web.py" 2>err >out
status=$?
cases=$((cases + 1))
[ $status = 0 ] || { bad "test_web.py: exit status $status"; tail -n 40 err; }
tail -n 1 out
end_cases
