// What the server itself writes is read, masked, and has to be what the server writes for the masked values.

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mask } from '../../../../../src/protocol/contract.ts';
import { createMasker } from '../../../../../src/protocol/postgres/masking/masker.ts';
import type { PlannedColumn } from '../../../../../src/protocol/postgres/masking/planned.ts';
import { TypeRegistry } from '../../../../../src/protocol/postgres/masking/types.ts';
import { createAnalyser } from '../../../../../src/protocol/postgres/sql/analyser.ts';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';

let server: Postgres;
beforeAll(async () => {
  server = await startPostgres();
  const parts = [
    'a',
    '"',
    '""',
    "'",
    '\\',
    '\\\\',
    ',',
    ';',
    '\t',
    '\n',
    '\r',
    '\r\n',
    '\b',
    '\v',
    'é',
    '😀',
    '\\N',
    'NULL',
    '\\.',
    ' ',
    '',
  ];
  const texts = fc.sample(
    fc.oneof(
      fc.constant(null),
      fc.array(fc.constantFrom(...parts), { maxLength: 5 }).map((some) => some.join('')),
    ),
    { numRuns: 400, seed: 3 },
  );
  const rows = texts.map((text, i) => {
    const quoted = text === null ? 'null' : `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
    return `(${i}, ${quoted}, ${quoted}, to_jsonb(${quoted}::text))`;
  });
  await server.query(`create table t (id int, a text, b text, j jsonb); insert into t values ${rows.join(', ')}`);
});
afterAll(async () => {
  await server?.stop();
});

/** Doubles every character, so that the masked text has everything special that the text had. */
const MASK: Mask = { name: 'm', by: 'column', text: (value) => value.replace(/[\s\S]/gu, '$&$&') };
const DOUBLED = "regexp_replace(b, '(.)', '\\1\\1', 'g')";

async function written(query: string, options: string): Promise<Buffer> {
  const file = join(server.socketDirectory, 'out');
  await server.query(`copy (${query}) to '${file}' ${options}`);
  const bytes = readFileSync(file);
  rmSync(file);
  return bytes;
}

test.each([
  [''],
  ["(delimiter ',')"],
  ["(delimiter '|', null '\\nil')"],
  ['(header)'],
  ['(format csv)'],
  ['(format csv, header)'],
  ["(format csv, delimiter ';', quote '''', null 'NULL')"],
  ["(format csv, escape '\\')"],
  ['(format csv, force_quote *)'],
  ["(format csv, delimiter E'\\t', null '\\N')"],
  ['(format binary)'],
])('copy %s', async (options) => {
  const analyser = await createAnalyser();
  const copy = analyser.analyse(Buffer.from(`copy t to stdout ${options}`)).statements[0]!.copy!;
  const [from, to] = [
    await written('select id, a, b from t order by id', options),
    await written(`select id, a, ${DOUBLED} as b from t order by id`, options),
  ];
  const types = new TypeRegistry();
  const columns = [23, 25, 25].map((typeOid): PlannedColumn => ({ name: 'c', origins: [], textual: true, typeOid }));
  const rows: (readonly (string | null)[])[] = [];
  const run = createMasker(types).copy(copy, columns, [null, null, MASK], () => (values) => rows.push(values), 10_000);
  const out: Buffer[] = [];
  for (let at = 0; at < from.length; at += 37) out.push(run.data(from.subarray(at, at + 37)));
  out.push(run.done());
  // Quotes that FORCE_QUOTE asks for are not put around what is masked.
  if (!options.includes('force_quote')) expect(Buffer.concat(out).toString('latin1')).toBe(to.toString('latin1'));
  expect(rows.length).toBe(400);
  if (copy.format === 'binary') return;
  const expected = (await server.query(`select id::text as k, a, ${DOUBLED} as b from t order by t.id`)).map((row) =>
    Object.values(row),
  );
  expect(rows).toEqual(expected);
});
