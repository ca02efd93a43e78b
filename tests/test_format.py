"""Another reader of a log, written from store/README.md alone: prints each event as JSON.

usage: test_format.py LOG    (wants python3-lmdb, python3-msgpack, python3-xxhash)
"""
import json, struct, sys, uuid
import lmdb, msgpack, xxhash

log = sys.argv[1]
lines = dict(line.split(" ", 1) if " " in line else (line, "") for line in open(log + "/format").read().splitlines())
assert lines["evlog"] == "2" and not lines["to_read"]


def values(name):
    with lmdb.open(f"{log}/{name}", subdir=False, readonly=True, lock=False) as env, env.begin() as txn:
        yield from ((bytes(k), bytes(v)) for k, v in txn.cursor())


def xxh(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


origin = xxh(uuid.UUID(lines["origin"]).bytes)
types, sources, (expected, chain) = {}, {}, (1, origin)
for key, value in values("state.mdb"):
    if key[:1] not in b"tsl":
        continue
    checksum, *texts = msgpack.unpackb(value)
    assert checksum == xxh(value[10:], xxh(key, origin)), key
    if key == b"lfloor":
        expected, chain = texts
    elif key[:1] in b"ts":
        table, at = (types, 15) if key[:1] == b"t" else (sources, 10)
        table[struct.unpack(">Q", key[1:])[0]] = texts
        assert key[1:] == struct.pack(">Q", xxh(value[at:])), key

for key, value in values("events.mdb"):
    seq, = struct.unpack(">Q", key)
    if seq < expected:
        continue  # trimmed, and not deleted yet
    (checksum, prev, own_seq, log_time, id, time, type_, minor, source, flags, era, digest, salt, headers,
     data) = msgpack.unpackb(value, strict_map_key=False)
    assert own_seq == seq and (flags & 2 or digest == xxh(value[101:])), seq
    covered = bytearray(value[10:101])
    covered[78] &= ~2  # erased
    assert checksum == xxh(bytes(covered)), seq
    assert seq == expected and prev == chain, seq
    chain, expected = checksum, seq + 1
    print(json.dumps({"seq": seq, "id": str(uuid.UUID(bytes=id)), "type": types[type_][1], "minorversion": minor,
                      "source": sources[source], "from_event_bus": bool(flags & 1), "log_time_us": log_time,
                      "time_us": time, "era": era, "headers": headers, "data": data}, default=repr))
