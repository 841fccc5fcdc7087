// The reader of FORMAT.md, "A reader", as a bundle carries it: Python 3, standard library, checks one recording. The same text
// in both, checked by a test.

export const READER = `import hashlib, json, sys

ZEROS = "0" * 64
sha256 = lambda data: hashlib.sha256(data).hexdigest()

def check(data):
    if not data.endswith(b"\\n"):
        return "the last line is cut"
    prev, session, sealed = ZEROS, None, None
    for seq, raw in enumerate(data[:-1].split(b"\\n")):
        if sealed:
            return f"line {seq + 1} stands after the seal"
        line = json.loads(raw)
        if line["seq"] != seq or line["prev"] != prev or not raw.endswith(b',"prev":"%s"}' % prev.encode()):
            return f"line {seq + 1} does not follow the line before it"
        session = session or line.get("session")
        if line["kind"] == "seal":
            sealed = line["digest"]
            blank = raw.replace(b'"digest":"%s"' % sealed.encode(), b'"digest":"%s"' % ZEROS.encode())
            if sha256(blank) != sealed or line["lines"] != seq + 1:
                return "the seal is broken"
        prev = sha256(raw)
    return (session, seq + 1, sealed) if sealed else "not sealed"

try:
    found = check(b"".join(open(name, "rb").read() for name in sys.argv[1:]) or sys.stdin.buffer.read())
except (ValueError, KeyError) as error:
    found = f"not a recording: {error}"
print("not ok: " + found if isinstance(found, str) else "ok: %s, %d lines, digest %s" % found)
sys.exit(isinstance(found, str))
`;
