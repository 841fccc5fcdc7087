# psycopg 3 against whatever the PG* variables name: text and binary, server-side cursors, pipeline mode, COPY.
# Prints JSON of what it saw; the test compares it with the server itself.
import datetime, decimal, json, uuid
import psycopg
from psycopg.types.json import Jsonb

seen = {}
with psycopg.connect("", autocommit=True) as conn:
    for binary in (False, True):
        kind = "binary" if binary else "text"
        cur = conn.cursor(binary=binary)
        cur.execute(
            "select %s::int4, %s::int8, %s::float8, %s::numeric, %s::text, %s::bytea, %s::bool, %s::date, %s::uuid, %s::jsonb, %s::int[]",
            (7, 2**40, 1.5, decimal.Decimal("12.34"), "o'clock €", b"\x00\x01\xff", True, datetime.date(2026, 1, 2),
             uuid.UUID(int=5), Jsonb({"a": [1]}), [1, None, 3]),
        )
        seen[kind] = [str(value) for value in cur.fetchone()]
        cur.execute("select i, 'row ' || i, i * 1.5::float8, null from generate_series(1, 1000) i")
        seen[kind + "_rows"] = [len(cur.fetchall()), [d.name for d in cur.description]]
    for _ in range(8):
        conn.execute("select %s::int + 1", (1,), prepare=True)

    with conn.transaction():
        with conn.cursor(name="server_side") as cur:
            cur.itersize = 100
            cur.execute("select generate_series(1, 1050)")
            seen["server_side"] = sum(row[0] for row in cur)

    conn.execute("create temp table bulk (n int, t text)")
    with conn.cursor() as cur:
        with cur.copy("copy bulk from stdin") as copy:
            for i in range(5000):
                copy.write_row((i, "line %d\twith tab" % i))
        with cur.copy("copy (select * from bulk order by n) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text"])
            rows = list(copy.rows())
        seen["copy"] = [len(rows), str(rows[4999])]

    # Pipeline: many statements sent before any answer is read; an error aborts up to the next sync only.
    with conn.pipeline() as pipeline:
        cursors = [conn.execute("select %s::int", (i,)) for i in range(50)]
        pipeline.sync()
        seen["pipeline"] = [cur.fetchone()[0] for cur in cursors] == list(range(50))
    seen["pipeline_error"] = []
    with conn.pipeline() as pipeline:
        good = conn.execute("select 1")
        pipeline.sync()
        # The error is raised by whichever call reads it first.
        try:
            conn.execute("select 1/0")
            conn.execute("select 2")
            pipeline.sync()
        except psycopg.Error as error:
            seen["pipeline_error"].append(error.sqlstate)
            try:
                pipeline.sync()
            except psycopg.Error:
                pass
        after = conn.execute("select 3")
        pipeline.sync()
        seen["pipeline_error"] += [good.fetchone()[0], after.fetchone()[0]]

    try:
        conn.execute("select 1/0")
    except psycopg.Error as error:
        seen["error"] = [error.sqlstate, error.diag.message_primary]
    notices = []
    conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
    conn.execute("select shout(42)")
    seen["notices"] = notices
    seen["status"] = conn.info.transaction_status.name
print(json.dumps(seen, sort_keys=True))
