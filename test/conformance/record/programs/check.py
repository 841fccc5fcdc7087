# Checks a log by the letter of C2SP tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature and tlog-proof, with Ed25519
# of python3-cryptography and nothing of ours: check.py LOG VKEY WITNESS-VKEY PROOF
import base64
import hashlib
import os
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

sha256 = lambda data: hashlib.sha256(data).digest()


def key_of(vkey):
    """signed-note, "Verifier keys"."""
    name, key_id, encoded = vkey.split("+", 2)
    material = base64.b64decode(encoded, validate=True)
    assert sha256(name.encode() + b"\n" + material)[:4].hex() == key_id, "key id"
    return name, bytes.fromhex(key_id), material[0], Ed25519PublicKey.from_public_bytes(material[1:])


def open_note(data, vkey):
    """signed-note, "Format", and tlog-cosignature for keys of type 4: the text that the key has signed."""
    text, signatures = data.rsplit("\n\n", 1)
    text += "\n"
    name, key_id, kind, public = key_of(vkey)
    for line in signatures.splitlines():
        dash, who, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or who != name or raw[:4] != key_id:
            continue
        if kind == 1:
            public.verify(raw[4:], text.encode())
        else:
            (seconds,) = struct.unpack(">Q", raw[4:12])
            public.verify(raw[12:], b"cosignature/v1\ntime %d\n" % seconds + text.encode())
        return text
    raise ValueError("no signature by " + name)


def head_of(text):
    """tlog-checkpoint, "Note text"."""
    origin, size, root = text.splitlines()[:3]
    return origin, int(size), base64.b64decode(root, validate=True)


def leaf(entry):
    return sha256(b"\0" + entry)


def node(left, right):
    return sha256(b"\1" + left + right)


def root_of(hashes):
    """MTH of RFC 6962 section 2.1."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


def follow(entry, index, size, path):
    """RFC 6962 section 2.1.1, as RFC 9162 section 2.1.3.2 spells it out."""
    fn, sn, result = index, size - 1, leaf(entry)
    for sibling in path:
        assert sn > 0, "the path is too long"
        if fn & 1 or fn == sn:
            result = node(sibling, result)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "the path is too short"
    return result


def tile(folder, level, index, width):
    """tlog-tiles, "Merkle Tree": the path of a tile, and the full one where the partial one is gone."""
    parts = ["%03d" % (index % 1000)]
    while index >= 1000:
        index //= 1000
        parts.insert(0, "x%03d" % (index % 1000))
    path = os.path.join(folder, "tile", str(level), *parts)
    part = "%s.p/%d" % (path, width)
    with open(part if width < 256 and os.path.exists(part) else path, "rb") as file:
        return file.read()


def entries_of(data):
    entries = []
    while data:
        (length,) = struct.unpack(">H", data[:2])
        assert len(data) >= 2 + length, "a bundle is cut"
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
    return entries


def main(folder, vkey, witness, proof):
    with open(os.path.join(folder, "checkpoint"), encoding="utf8") as file:
        origin, size, root = head_of(open_note(file.read(), vkey))
    hashes, level = [], 0
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        own = [leaf(entry) for entry in entries_of(tile(folder, "entries", index, width))[:width]]
        assert b"".join(own) == tile(folder, 0, index, width)[: width * 32], "tile 0/%d" % index
        hashes += own
    assert len(hashes) == size and root_of(hashes) == root, "the root"
    row = hashes
    while len(row) >= 256:
        level += 1
        row = [root_of(row[at : at + 256]) for at in range(0, len(row) - 255, 256)]
        for index in range((len(row) + 255) // 256):
            due = row[index * 256 : index * 256 + 256]
            assert tile(folder, level, index, len(due)) == b"".join(due), "tile %d/%d" % (level, index)
    with open(os.path.join(folder, "witnessed"), encoding="utf8") as file:
        seen = head_of(open_note(file.read(), witness))
    assert seen[0] == origin and root_of(hashes[: seen[1]]) == seen[2], "what the witness saw"
    with open(proof, encoding="utf8") as file:
        first, checkpoint = file.read().split("\n\n", 1)
    magic, extra, index, *path = first.splitlines()
    assert magic == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index ")
    _, under, top = head_of(open_note(checkpoint, vkey))
    entry = base64.b64decode(extra[6:], validate=True)
    assert follow(entry, int(index[6:]), under, [base64.b64decode(one) for one in path]) == top, "the proof"
    print("ok: %s, %d entries, root %s" % (origin, size, base64.b64encode(root).decode()))


try:
    main(*sys.argv[1:])
except Exception as error:
    print("not ok: %s %s" % (type(error).__name__, error))
    sys.exit(1)
