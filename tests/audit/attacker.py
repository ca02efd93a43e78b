"""An attacker who may write to a log's files, and has read store/README.md: harms a log and makes its checksums and chain anew.

usage: attacker.py LOG ATTACK ARGUMENT...    (wants python3-lmdb, python3-msgpack, python3-xxhash)
"""
import hashlib, os, struct, sys, uuid
import lmdb, msgpack, xxhash

log, attack, *arguments = sys.argv[1:]
numbers = [int(argument) for argument in arguments if argument.lstrip("-").isdigit()]
lines = dict(line.partition(" ")[::2] for line in open(log + "/format").read().splitlines())


def xxh(data, seed=0):
    return xxhash.xxh3_64_intdigest(data, seed)


def environment(path, name="events.mdb"):
    return lmdb.open(f"{path}/{name}", subdir=False, map_size=1 << 30)


def read(path):
    with environment(path) as env, env.begin() as txn:
        return [bytearray(value) for _, value in txn.cursor()]


def write(records, first=1):
    """As evlog would have written them: seqs, digests, chain."""
    latest = (0, 0)
    chain = xxh(uuid.UUID(lines["origin"]).bytes)
    if first > 1:
        chain = struct.unpack(">Q", records[0][11:19])[0]
    with environment(log) as env, env.begin(write=True) as txn:
        for key in [key for key, _ in txn.cursor()]:
            txn.delete(key)
        for seq, record in enumerate(records, first):
            struct.pack_into(">Q", record, 11, chain)
            era, log_time = struct.unpack(">H", record[90:92])[0], struct.unpack(">q", record[29:37])[0]
            latest = max(latest, (era, log_time))
            struct.pack_into(">q", record, 29, latest[1])
            struct.pack_into(">Q", record, 20, seq)
            if not record[88] & 2:
                struct.pack_into(">Q", record, 93, xxh(bytes(record[101:])))
            covered = bytearray(record[10:101])
            covered[78] &= ~2
            chain = xxh(bytes(covered))
            struct.pack_into(">Q", record, 2, chain)
            txn.put(struct.pack(">Q", seq), bytes(record), append=True)


def contents(record, data):
    return record[:119] + record[119:120] + msgpack.packb(data)


def type_of(name):
    text = msgpack.packb(name) + b"\xc0\xc0\xc0"
    return xxh(text)


def sha(record):
    return hashlib.sha256(bytes(record[101:])).digest()


def erased(record, digest):
    record = record[:101] + b"\xc4\x20" + digest + b"\xc0\xc0"
    record[88] |= 2
    return record


records = read(log)
first = struct.unpack(">Q", records[0][20:28])[0]
at = numbers[0] - first if numbers else 0
if attack == "change":
    records[at] = contents(records[at], {"n": 666})
elif attack == "insert":
    records.insert(at, contents(bytearray(records[at]), {"n": 666}))
elif attack == "remove":
    del records[at]
elif attack == "reorder":
    records[at], records[at + 1] = records[at + 1], records[at]
elif attack == "cut":
    del records[at:]
elif attack == "type":  # the event is of the type that another one has
    records[at][65:73] = records[numbers[1] - first][65:73]
elif attack == "unseal":
    records = [record for record in records if struct.unpack(">Q", record[65:73])[0] != type_of("evlog.sealed.v1")]
elif attack == "move-time":  # log time and time, by so many seconds
    for place in (29, 56):
        struct.pack_into(">q", records[at], place, struct.unpack(">q", records[at][place:place + 8])[0] + 1000000 * numbers[1])
elif attack == "move-signed-time":  # in the seal's second signature line
    import base64
    *fields, headers, data = msgpack.unpackb(records[at])
    before, _, line = data["note"].rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(line))
    struct.pack_into(">Q", raw, 4, struct.unpack(">Q", raw[4:12])[0] + numbers[1])
    data["note"] = before + " " + base64.b64encode(raw).decode() + "\n"
    records[at] = contents(records[at], data)
elif attack == "strip-time":
    *fields, headers, data = msgpack.unpackb(records[at])
    data["note"] = "".join(data["note"].splitlines(True)[:-1])
    records[at] = contents(records[at], data)
elif attack == "note":  # a seal's note, edited by these commands of sed
    import subprocess
    *fields, headers, data = msgpack.unpackb(records[at])
    commands = [word for command in arguments[1:] for word in ("-e", command)]
    data["note"] = subprocess.run(["sed", *commands], input=data["note"], text=True, check=True, stdout=subprocess.PIPE).stdout
    records[at] = contents(records[at], data)
elif attack == "graft":  # another log's event at the end, and an event erased as that says
    records.append(read(arguments[0])[numbers[0] - 1])
    at = numbers[1] - first
    records[at] = erased(records[at], sha(records[at]))
elif attack == "erase":  # with the digest that evlog would leave
    records[at] = erased(records[at], sha(records[at]))
elif attack == "erase-badly":
    records[at] = erased(records[at], bytes(32))
elif attack == "turn-back":  # an event more, logged so many seconds before the last one, as by a clock that was set
    record = contents(bytearray(records[at]), {"n": 667})
    log_time, = struct.unpack(">q", records[-1][29:37])
    struct.pack_into(">q", record, 29, log_time - 1000000 * numbers[1])
    struct.pack_into(">q", record, 56, log_time - 1000000 * numbers[1])
    struct.pack_into(">H", record, 90, struct.unpack(">H", records[-1][90:92])[0] + 1)
    records.append(record)
elif attack == "splice":  # from that event on the other log's
    records[at:] = read(arguments[1])[at:]
elif attack == "copy-note":  # the erasure that is signed for one event, said of another, which is erased
    *fields, headers, data = msgpack.unpackb(records[at])
    data["seq"] = numbers[1]
    records[at] = contents(records[at], data)
    records[numbers[1] - first] = erased(records[numbers[1] - first], sha(records[numbers[1] - first]))
else:
    sys.exit("no such attack: " + attack)
write(records, first)
