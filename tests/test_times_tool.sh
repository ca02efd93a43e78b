#!/bin/sh
# Times on the command line: each form that people paste, local zones, and that what is printed is read again.
# usage: test_times_tool.sh BUILD
. "$(dirname "$0")/tool.sh"
TZ=UTC
export TZ
"$evlog" send log a.b.v1 '{"n": 1}' >/dev/null

# What evlog info, date(1), journalctl, mails and people write.
while read -r time; do
    try 0 "" show log --since "$time"
done <<END
2025-11-27 22:50:11.975788 UTC
2025-11-27 22:50:11 UTC
2025-11-27 23:50:11 Europe/Berlin
2025-11-27 22:50:11 +0000
2025-11-27T22:50:11+00
Thu 2025-11-27 22:50:11 UTC
Thu Nov 27 22:50:11 UTC 2025
Thu, 27 Nov 2025 22:50:11 +0000
1 min ago
5 minutes ago
2 hours ago
1 week ago
-1min
-5min
1h
yesterday 18:00
@1700000000.5
$(LC_ALL=C date -d '1 hour ago' 2>/dev/null)
$(date -R -d '1 hour ago')
$(date --iso-8601=ns -d '1 hour ago')
END
for later in tomorrow +5min '+1 day' "$(LC_ALL=C date -d '1 hour')"; do
    try 1 "no event matches" show log --since "$later"
    try 0 "" show log --until "$later"
done
try 2 "--since takes a time, not '2026-02-30'; see: evlog help show" show log --since 2026-02-30
try 0 "" help show; has "2 days ago"

# The local zone, which is named, and --utc; JSON is in UTC.
for TZ in UTC CET-1CEST,M3.5.0,M10.5.0/3 '<+0545>-5:45' EST5EDT,M3.2.0,M11.1.0; do
    for utc in "" --utc; do
        now=$(date +"%Y-%m-%d %H: %Z") zone=$(date +%Z)
        [ $utc ] && now=$(date -u +"%Y-%m-%d %H: %Z") zone=UTC
        try 0 "" send log a.b.v1 '{"n": 2}'
        try 0 "" show log -r -n 1 -o short $utc; has "  ${now%: *}:"; has " $zone  a.b.v1  {\"n\": 2}"
        shown=$(sed 's/^ *[0-9]*  \(.*\)  a.b.v1 .*/\1/' out)
        try 0 "" show log --since "$shown" -n 1
        try 0 "" show log --until "$shown" -n 1
        try 0 "" info log -o short $utc; has " $zone"
        last=$(sed -n 's/^logged .* to //p' out)
        try 0 "" show log --since "$last" --until "$last"
        is "what info prints is read" "$(wc -l <out)" 1
        try 0 "" show log -r -n 1 -o json $utc; is "JSON is in UTC" "$(grep -c '"log_time": "[^"]*+00:00"' out)" 1
    done
    # a clock time without a zone is the local one; with --utc it is not
    at=$(date -d '2020-05-05 12:00:00' +%s)
    try 0 "" send log c.d.v1 --time "2020-05-05 12:00"
    try 0 "" show log --by time --since "@$at" --until "@$at" --type c.d.v1 -n 1
    try 0 "" send log c.d.v1 --time "2020-05-05 12:00" --utc
    try 0 "" show log --utc --by time --since "2020-05-05 12:00" --until 2020-05-05T12:00Z --type c.d.v1 -n 1
done
TZ=Asia/Nowhere-3
try 2 "--since takes a time" show log --since "2026-01-31 18:00 CET-1CEST"
end_cases
