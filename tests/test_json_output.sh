#!/bin/sh
# Each verb that prints takes -o json, or prints JSON anyway; what it prints there, and in a pipe, are JSON objects, one a
# line, with the keys that evlog(1) lists for it. A verb that is not in the table here fails. usage: test_json_output.sh BUILD
tree=$(cd "$(dirname "$0")/.." && pwd)
. "$tree/tests/tool.sh"
python_with json || { echo "SKIPPED: no python3"; exit 0; }

# The objects of evlog(1): lines VERB<tab>KEY KEY ..., those that may be missing in brackets.
awk '/^# / { on = $0 == "# JSON" } !on { next }
    /^\*/ { gsub(/\*/, ""); count = split($0, verbs, ", "); next }
    /^\t/ { text = text " " $0; next }
    text { gsub(/\\/, "", text); gsub(/ \([^)]*\)/, "", text); sub(/\..*/, "", text); gsub(/[\t,]/, " ", text)
        for (i = 1; i <= count; i++) print verbs[i] "\t" text
        text = "" }' "$tree/tools/man/evlog.1.scd" >shapes
for verb in replay consume export; do sed -n "s/^show\t/$verb\t/p" shapes; done >more
cat more >>shapes
cat >check.py <<'END'
import json, sys
shapes = [set(line.rstrip("\n").split("\t")[1].split()) for line in open("shapes") if line.split("\t")[0] == sys.argv[1]]
def fits(keys, shape):
    must = {k for k in shape if k[0] != "["}
    return must <= keys <= {k.strip("[]") for k in shape}
count = 0
for line in sys.stdin:
    item = json.loads(line)
    count += 1
    if not isinstance(item, dict):
        sys.exit("not an object: " + line)
    if sys.argv[1] != "sql" and not any(fits(set(item), shape) for shape in shapes):
        sys.exit("evlog(1) has no such object of evlog %s: %s" % (sys.argv[1], sorted(item)))
if not count:
    sys.exit("nothing is printed")
END

# fresh: a log in which there is something for every verb, as `log`, and beside it what the verbs need.
plain=org.example.plain.v1
mkdir kept
(
    cd kept
    echo '{"type": "record", "name": "N", "fields": [{"name": "n", "type": "long"}]}' >schema
    "$evlog" schema add log org.example.typed.v1 schema
    seq -f '{"n": %.0f}' 20 | "$evlog" send log org.example.typed.v1 -
    "$evlog" send log $plain '{"a": {"b": 1}}' --header k=v
    "$evlog" consume log c -n 5 --exec cat
    PLUGIN_REFUSES=3 "$evlog" consume log failing --plugin "$build/plugins/refusing.so"
    "$evlog" seal keygen log --key key | tee public
    "$evlog" seal log --key key
    "$evlog" copy log damaged
    "$evlog" send log $plain
    "$evlog" copy log other
    "$evlog" send other $plain
    "$evlog" export log
) >made 2>&1
grep '^{"seq": 21, "log_time\|^{"define"' made >kept/lines
fresh() { rm -rf log other damaged new key2; cp -r kept/. .; }
damaged() { # an event's bytes are changed
    $python - <<'END'
data = bytearray(open("damaged/events.mdb", "rb").read())
at = data.rfind(b"\xa1n\x14")
while at >= 0:
    data[at + 2] ^= 1
    at = data.rfind(b"\xa1n\x14", 0, at)
open("damaged/events.mdb", "wb").write(data)
END
}

cat >table <<END
send|log $plain {}
send|log $plain -
show|log
get|log 21
replay|log --exec cat
types|log
types|log --schema
schema check|log
schema check|log org.example.typed.v1 schema
schema add|log org.example.more.v1 schema|nothing
sql|log 'select seq, type from e'
info|log
metrics|log|text
verify|log
verify|log --seal public
trim|log --keep 3
retain|log
retain|log --keep 10
copy|log new
diff|log other
compact|log
export|log
import|log lines
erase|log 2 --reason x --key key
seal keygen|log --key key2
seal|log --key key
prove|log 3 --seal public
salvage|log new
repair|log
tail|log
consume|log c --exec cat
consumer ls|log
consumer info|log c
consumer add|log fresh|nothing
consumer state|log c|nothing
consumer rm|log c
consumer reset|log c --to first
consumer pause|log c|nothing
consumer resume|log c|nothing
parked ls|log failing
parked retry|log failing --all
parked drop|log failing --all
END

"$evlog" help | sed -n 's/^  \([a-z]*\( [a-z]*\)\{0,1\}\)  .*/\1/p' | sed 's/ *$//' | grep -vx -e relay -e web >verbs
is "there are verbs" "$(awk 'END { print (NR > 30) }' verbs)" 1
while read -r verb; do
    grep -q "^$verb|" table || bad "evlog $verb is not in the table of this test"
done <verbs

# run VERB ARGUMENTS OPTION...: with input for those that read some
run() {
    fresh
    verb=$1 arguments=$2
    shift 2
    printf '{"n": 1}\n' | eval '"$evlog" $verb '"$arguments"' "$@"' >out 2>err
    status=$?
    [ $status -le 1 ] || [ $status = 5 ] || bad "evlog $verb $arguments $*: exit status $status"
    cases=$((cases + 1))
}
while IFS='|' read -r verb arguments kind; do
    run "$verb" "$arguments" # in a pipe
    case $kind in
    nothing) is "evlog $verb prints nothing" "$(wc -c <out)" 0; continue ;;
    text) is "evlog $verb is not in evlog(1)" "$(grep -c "^$verb	" shapes)" 0; continue ;;
    esac
    takes=$("$evlog" help $verb | grep -c '^  -o, --output FORM')
    case $verb in
    export | replay | consume) ;; # JSON in any case, or what the program prints, which gets it
    *) is "evlog $verb takes -o" "$takes" 1 ;;
    esac
    case $verb in
    seal | seal\ keygen | prove) ;; # a note in a pipe, too
    *) $python check.py "$verb" <out 2>problem || bad "evlog $verb $arguments: $(cat problem)" ;;
    esac
    [ $takes = 0 ] && continue
    for yes in "" --yes; do
        [ "$yes" ] && { "$evlog" help $verb | grep -q '^ *--yes' || continue; }
        run "$verb" "$arguments" -o json $yes
        $python check.py "$verb" <out 2>problem || bad "evlog $verb $arguments -o json $yes: $(cat problem)"
        cases=$((cases + 1))
    done
done <table

# What a damaged log has them find.
fresh
damaged
for arguments in "verify damaged" "salvage damaged new" "repair damaged --yes"; do
    "$evlog" $arguments -o json >out 2>err
    $python check.py "${arguments%% *}" <out 2>problem || bad "evlog $arguments: $(cat problem)"
    cases=$((cases + 1))
done

# Each verb that evlog(1) lists is one.
cut -f 1 shapes | sort -u | while read -r verb; do
    grep -qx "$verb" verbs || echo "evlog(1) lists the objects of evlog $verb, which is none"
done >unknown
is "verbs in evlog(1)" "$(cat unknown)" ""
end_cases
