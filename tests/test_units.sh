#!/bin/sh
# The systemd units of tools/packaging: as systemd reads them, what the one that seals runs, and that the page takes the
# arguments of its example. usage: test_units.sh BUILD
tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/tool.sh"
packaging=$tests/../tools/packaging

# ----------------------------------------------------- as systemd reads them ----

if command -v systemd-analyze >/dev/null && systemd-analyze --man=no verify basic.target >/dev/null 2>&1; then
    mkdir units
    for unit in "$packaging"/*.service "$packaging"/*.timer; do
        sed "s|=/usr/bin/evlog |=$build/evlog |" "$unit" >"units/${unit##*/}"
    done
    is "what systemd says" "$(systemd-analyze --man=no verify units/* 2>&1)" ""
    sed -i 's/^NoNewPrivileges=/NoNewPrivilege=/' units/evlog-seal@.service
    is "and of a unit that is wrong" "$(systemd-analyze --man=no verify units/evlog-seal@.service 2>&1 | grep -c "'NoNewPrivilege'")" 1
else
    echo "(the units are not read: no systemd-analyze that works here)"
fi

# ------------------------------------------------------------ what seals a log ----

mkdir etc state
seal=$(sed -n "s|^ExecStart=/bin/sh -c '\(.*\)'\$|\1|p" "$packaging/evlog-seal@.service" | sed "s|/etc/evlog/|$home/etc/|g; s|/var/lib/evlog-seal/|$home/state/|g; s|%i|orders|g")
run() { LOG=$home/orders PATH="$(dirname "$evlog"):$PATH" sh -c "$seal" >out 2>err; }
"$evlog" send orders shop.sold.v1 '{"n": 1}' >/dev/null
"$evlog" seal keygen orders --key etc/orders.key >pub
run
is "the exit status" $? 0
is "what it printed is kept" "$(cat state/orders)" "$(cat out)"
try 0 "" verify orders --seal pub --expect state/orders
cp state/orders kept
mv etc/orders.key elsewhere
run
is "the exit status without a key" $? 1
is "the last checkpoint is kept" "$(cat state/orders)" "$(cat kept)"

# ------------------------------------------------------- the page's example ----

if [ -x "$build/evlog-web" ]; then
    words=$(sed -n 's/^#     WEB="\(.*\)"$/\1/p' "$packaging/evlog-web@.service" | sed "s|/var/lib/site|$home|g; s|/run/evlog-web|$home|")
    for log in events orders; do "$build/evlog" send "$home/$log" org.example.a.v1 '{}' >/dev/null; done
    "$build/evlog" web $words >said &
    page=$!
    for i in $(seq 100); do [ -s said ] && break; sleep 0.1; done
    kill $page
    wait $page
    is "the page's exit status" $? 0
    is "where it is" "$(cat said)" "evlog web: unix:$home/site"
else
    echo "(the page's example is not tried: it was built without libmicrohttpd)"
fi

end_cases
