#!/bin/sh
# The filter's options on every verb that takes them. usage: test_filter.sh BUILD
. "$(dirname "$0")/tool.sh"

seqs() { # seqs EXPECTED VERB ARGUMENT...: these events are printed
    expected=$1
    shift
    try 0 "" "$@"
    is "$*" "$(grep -o '^{"seq": [0-9]*' out | tr -dc '0-9\n' | tr '\n' ' ')" "$expected "
}
user() { printf '{"user": {"id": %s, "name": "%s"}}\n' "$1" "$2"; }

{ user 1 Alice; user 2 bob; user 7 carol; user '"7"' dora; user null Erin; } | "$evlog" send log a.users.v1 - --service lms >/dev/null
"$evlog" send log b.other.v1 '{"n": 4711}' --header trace=alpha --time 2020-05-05T05:05:05Z --service cms >/dev/null
"$evlog" send log b.more.v1 '{"list": [{"id": 3}]}' >/dev/null

for verb in show tail; do
    seqs "3 4" $verb log -o json --where user.id=7
    seqs "4" $verb log -o json --where 'user.id="7"'
    seqs "2 3" $verb log -o json --where 'user.id>1' --where 'user.id<100' --not-type 'b.*' --where user.name!=dora
    seqs "1 2 5 6 7" $verb log -o json --where user.id!=7
    seqs "5 6 7" $verb log -o json --where user.id=null
    seqs "5" $verb log -o json --where user.id=null --where user!=null
    seqs "7" $verb log -o json --where list.0.id=3
    seqs "3" $verb log -o json --where 'user.name~^c.*l$'
    seqs "1" $verb log -o json --grep alice
    seqs "5" $verb log -o json --grep Erin
    seqs "6" $verb log -o json --grep 471
    seqs "6" $verb log -o json --grep alpha
    seqs "6 7" $verb log -o json --not-type 'a.*'
    seqs "1 2 3 4 5 6" $verb log -o json --source openedx/lms/web --source 'openedx/cms*'
    seqs "1 2 3 4 5 6 7" $verb log -o json --host "$(hostname)"
    try 1 "no event matches, of 7 in the log" $verb log --host nowhere
done
seqs "7 6" show log -r -n 2 --where user=null
seqs "5" show log -n 1 --where user.id=null
seqs "5 6" tail log -n 2 --not-type b.more.v1
seqs "6" show log --by time --until 2021-01-01
seqs "1 2 3 4 5 7" show log --by time --since 2021-01-01
try 1 "no event matches" show log --by log --until 2021-01-01
try 0 "" export log --where user.id=7
is "exported events, and types" "$(grep -c '^{"seq"' out) $(grep -c '^{"define"' out)" "2 3"
try 0 "" replay log --where user.id=7 --exec 'echo $EVLOG_SEQ'
is "replayed" "$(tr '\n' ' ' <out)" "3 4 "

# A consumer passes over what it does not want, for good.
seqs "3 4" consume log some --where user.id=7 --exec cat
try 0 "" consumer info log some -o json; has '"checkpoint": 7'; has '"done": 2'
try 0 "" consume log some --exec cat
is "what was passed over is not given later" "$(cat out)" ""
seqs "2" consume log parts --where 'user.id>1' -n 1 --exec cat
try 0 "" consumer info log parts -o json; has '"checkpoint": 2'
seqs "3 4" consume log parts --where 'user.id!=null' --exec cat

# Wrong ones.
for wrong in user.id 'a\b=1' 'n~(' 'n="x' ''; do
    try 2 "--where takes PATH, one of = != < <= > >= ~, and a value that fits it, not '" show log --where "$wrong"
done
try 2 "--by takes log or time, not 'x'" show log --by x
try 2 "--grep takes a text" show log --grep ''
try 2 "--since is after --until" show log --since now --until yesterday --by time
try 2 "evlog get has no option --where" get log 1 --where a=1
end_cases
