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


names = {}
for key, value in values("state.mdb"):
    checksum, *texts = msgpack.unpackb(value)
    assert checksum == xxh(value[10:], xxh(key)), key
    names[key[:1], struct.unpack(">I", key[1:])[0]] = texts

chain = xxh(uuid.UUID(lines["origin"]).bytes)
expected = 1
for key, value in values("events.mdb"):
    seq, = struct.unpack(">Q", key)
    (checksum, prev, own_seq, log_time, id, time, type_, minor, source, flags, era, digest, salt, headers,
     data) = msgpack.unpackb(value, strict_map_key=False)
    assert own_seq == seq and (flags & 2 or digest == xxh(value[101:])), seq
    covered = bytearray(value[10:101])
    covered[78] &= ~2  # erased
    assert checksum == xxh(bytes(covered)), seq
    assert seq == expected and prev == chain, seq
    chain, expected = checksum, seq + 1
    print(json.dumps({"seq": seq, "id": str(uuid.UUID(bytes=id)), "type": names[b"t", type_][0], "minorversion": minor,
                      "source": names[b"s", source], "from_event_bus": bool(flags & 1), "log_time_us": log_time,
                      "time_us": time, "era": era, "headers": headers, "data": data}, default=repr))
