// What the formats of the record are to others' programs: CSV to Python's strict reader and to SQLite, OpenTelemetry's JSON to
// its own protobuf definitions. With values that are hard to write.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CSV_HEADER, csv } from '../../src/session/export/csv.ts';
import { otlpRequest } from '../../src/session/export/otlp.ts';
import { describeWith, OTLP_DEFINITIONS, SYSTEM_PYTHON } from '../support/needs.ts';
import { repository, runOk, temporaryDirectory } from '../support/process.ts';
import { EVENTS, HOSTILE, PRODUCT } from '../unit/session/export/corpus.ts';

/** As every reader of text has it, without the apostrophe of the guard. */
const due = HOSTILE.map((text) => text.toWellFormed().replaceAll('\0', '\ufffd'));
const unguarded = (text: string) => text.replace(/^'/, '');

describeWith(['python', 'sqlite3'], 'CSV', () => {
  it('is read back alike by strict readers, hostile values and all', async () => {
    const path = join(temporaryDirectory('csv'), 'record.csv');
    writeFileSync(path, CSV_HEADER + EVENTS.map((event) => csv(event, PRODUCT)).join(''));
    const program = `import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))
print(json.dumps([[row['id'], row['text'], row['data']] for row in rows]))`;
    const python = JSON.parse((await runOk(SYSTEM_PYTHON, ['-c', program, path])).stdout) as string[][];
    const sqlite = await runOk(
      'sqlite3',
      [':memory:', '-cmd', '.mode csv', '-cmd', `.import ${path} t`, '-cmd', '.mode json'],
      { input: 'select id, text, data from t;' },
    );
    const rows = (JSON.parse(sqlite.stdout) as Record<string, string>[]).map((row) => Object.values(row));
    expect(rows).toEqual(python);
    expect(python.map(([id]) => id)).toEqual(EVENTS.map(({ id }) => id));
    expect(python.slice(2, 2 + due.length).map(([, text]) => unguarded(text!))).toEqual(due);
    expect(python.filter(([, text]) => /^[=+\-@\t\r]/.test(text!))).toEqual([]);
    for (const [, , data] of python) JSON.parse(data!);
  });
});

describeWith(['python', 'otlp definitions'], 'OTLP', () => {
  it('is what its own definitions read, to the last field', async () => {
    const program = `import json, sys
sys.path.insert(0, sys.argv[1])
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
request = json_format.Parse(sys.stdin.read(), logs.ExportLogsServiceRequest())
# Through the wire's own form and back.
again = logs.ExportLogsServiceRequest.FromString(request.SerializeToString())
found = []
for record in again.resource_logs[0].scope_logs[0].log_records:
    names = {one.key: one.value for one in record.attributes}
    found.append([names['hoopctl.id'].string_value, names['hoopctl.sequence'].int_value, record.event_name,
                  record.time_unix_nano, names['db.query.text'].string_value if 'db.query.text' in names else None])
print(json.dumps(found))`;
    const input = otlpRequest(EVENTS, PRODUCT, 1_795_158_000_500);
    const args = ['-c', program, join(repository, OTLP_DEFINITIONS)];
    const found = JSON.parse((await runOk(SYSTEM_PYTHON, args, { input })).stdout) as [
      string,
      number,
      string,
      number,
      string,
    ][];
    expect(found.map(([id]) => id)).toEqual(EVENTS.map(({ id }) => id));
    expect(found.map(([, sequence]) => sequence)).toEqual(EVENTS.map(({ sequence }) => sequence));
    expect(found.map(([, , name]) => name)).toEqual(EVENTS.map(({ name }) => `hoopctl.${name}`));
    const texts = found.slice(2, 2 + HOSTILE.length).map(([, , , , text]) => text);
    // Of an empty statement there is no attribute.
    expect(texts).toEqual(HOSTILE.map((text) => (text === '' ? null : text.toWellFormed())));
  });
});
