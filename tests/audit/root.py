"""The root of a log's Merkle tree at a size, from store/README.md alone: prints it in base64.

usage: root.py LOG SIZE    (wants python3-lmdb, python3-msgpack; of a log that was not trimmed)
"""
import base64, hashlib, struct, sys
import lmdb, msgpack

log, size = sys.argv[1], int(sys.argv[2])


def sha(data):
    return hashlib.sha256(data).digest()


def values(name):
    with lmdb.open(f"{log}/{name}", subdir=False, readonly=True, lock=False) as env, env.begin() as txn:
        yield from ((bytes(k), bytes(v)) for k, v in txn.cursor())


names = {key: value[15 if key[:1] == b"t" else 10:] for key, value in values("state.mdb") if key[:1] in b"ts"}
leaves = [b""] * size
for key, record in values("events.mdb"):
    seq, = struct.unpack(">Q", key)
    if seq > size:
        break
    head = bytearray(record[19:101])
    is_erased = head[69] & 2
    head[69] &= ~2
    contents = record[103:135] if is_erased else sha(record[101:])
    leaves[seq - 1] = bytes(head) + contents + sha(names[b"t" + record[65:73]] + names[b"s" + record[79:87]])


def root(leaves):
    if len(leaves) == 1:
        return sha(b"\0" + leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha(b"\1" + root(leaves[:half]) + root(leaves[half:]))


print(base64.b64encode(root(leaves)).decode())
