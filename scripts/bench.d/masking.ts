// Masking on one core: DataRow messages of wide rows in, masked messages out, through the very code that a session runs.
// MB/s counts the text of the masked values, per second of CPU (user and system, the collector's threads among them).

import type { ResultColumn } from '../../src/protocol/contract.ts';
import type { Field } from '../../src/protocol/postgres/analysis.ts';
import { createMasker } from '../../src/protocol/postgres/masking/masker.ts';
import { TypeRegistry } from '../../src/protocol/postgres/masking/types.ts';
import { DETECTOR_NAMES } from '../../src/session/masking/detectors/index.ts';
import { message } from '../../test/support/wire.ts';
import { interleave, type Rounds } from './numbers.ts';
import { CONNECTION, policyOf, WHO } from './policy.ts';

/** What people keep in wide tables, some twenty characters a value and a note. */
const VALUES: ((row: number) => string)[] = [
  (i) => `user.${i * 7919}@example${i % 50}.com`,
  (i) => `Person Number-${i * 31}`,
  (i) => `${(i * 7919) % 1000} Long Street, Town ${i % 97}`,
  (i) => `+49 30 ${1000000 + ((i * 31337) % 9000000)}`,
  (i) => `41111111${String((i * 104729) % 100000000).padStart(8, '0')}`,
  (i) => `DE89 3704 0044 0532 ${String((i * 7919) % 10000).padStart(4, '0')} 00`,
  (i) => `${100 + (i % 800)}-${10 + (i % 89)}-${1000 + (i % 8999)}`,
  (i) => `${String((i * 2654435761) % 4294967296).padStart(10, '0')}-abcd-4def-9876-${String(i).padStart(12, '0')}`,
  (i) => `10.${i % 256}.${(i * 7) % 256}.${(i * 13) % 256}`,
  (i) => `2026-0${1 + (i % 9)}-1${i % 10} 12:33:44.5+00`,
  (i) =>
    `Order ${i} was shipped on Monday, the customer asked for a call back before noon; parcel left with a neighbour.`,
  (i) => `{"plan": "pro", "seats": ${i % 100}, "notes": "renewal in spring, contact the owner first"}`,
];
/** For the actions that are made for one kind of value. */
const MAIL = VALUES.slice(0, 1);
const QUANTITIES: ((row: number) => string)[] = [(i) => String((i * 104729) % 100000000), VALUES[9]!];

const ROWS = 2000;
const COLUMNS = 24;

interface Batch {
  readonly messages: readonly Buffer[];
  readonly fields: readonly Field[];
  readonly columns: readonly ResultColumn[];
  /** Bytes of the values' text. */
  readonly text: number;
}

function batch(values: readonly ((row: number) => string)[]): Batch {
  let text = 0;
  const cell = (row: number, column: number) => {
    const bytes = Buffer.from(values[column % values.length]!(row * 31 + column));
    text += bytes.length;
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return [length, bytes];
  };
  const indices = Array.from({ length: COLUMNS }, (_, i) => i);
  const messages = Array.from({ length: ROWS }, (_, row) =>
    message('D', Buffer.from([0, COLUMNS]), ...indices.flatMap((column) => cell(row, column))),
  );
  return {
    messages,
    fields: indices.map((i) => ({
      ...{ name: `c${i}`, tableOid: 1, attnum: i + 1, typeOid: 25, typeSize: -1, typmod: -1, format: 0 as const },
    })),
    columns: indices.map((i) => ({
      ...{ name: `c${i}`, direct: true, textual: true },
      origins: [{ schema: 'public', relation: 'people', column: `c${i}` }],
    })),
    text,
  };
}

/** Runs the batch once; bytes out, so that nothing is optimised away. */
function runner(masks: object[], { messages, fields, columns }: Batch): () => number {
  const applied = policyOf({ masks }).session(WHO, CONNECTION, {}).masks(columns);
  const masker = createMasker(new TypeRegistry());
  return () => {
    let out = 0;
    for (const row of messages) out += masker.dataRow(row, fields, applied).length;
    return out;
  };
}

const wide = batch(VALUES);
const mail = batch(MAIL);
const quantities = batch(QUANTITIES);

/** name → masks and what they are put to. */
const CASES: Record<string, { masks: object[]; on: Batch }> = {
  ...Object.fromEntries(
    (['full', 'null', { fixed: 'REDACTED' }, 'partial', 'hash', 'digits'] as const).map((as) => [
      typeof as === 'string' ? as : 'fixed',
      { masks: [{ name: 'm', columns: ['people.*'], as }], on: wide },
    ]),
  ),
  email: { masks: [{ name: 'm', columns: ['people.*'], as: 'email' }], on: mail },
  generalise: { masks: [{ name: 'm', columns: ['people.*'], as: { generalise: {} } }], on: quantities },
  detectors: { masks: [{ name: 'm', detect: [...DETECTOR_NAMES], as: 'full' }], on: wide },
};

/** Those that mask whole columns. */
export const COLUMN_MASKS = Object.keys(CASES).filter((name) => name !== 'detectors');

/** MB/s of each, one value a round. */
export async function maskingSpeed(rounds: number, seconds: number): Promise<Rounds> {
  const names = Object.keys(CASES);
  const runs = Object.fromEntries(names.map((name) => [name, runner(CASES[name]!.masks, CASES[name]!.on)]));
  for (const run of Object.values(runs)) for (let i = 0; i < 3; i++) run();
  return interleave(Object.keys(runs), rounds, async (name) => {
    const { text } = CASES[name]!.on;
    const from = process.cpuUsage();
    let times = 0;
    let spent = 0;
    while (spent < seconds * 1e6) {
      runs[name]!();
      times++;
      const { user, system } = process.cpuUsage(from);
      spent = user + system;
    }
    return (times * text) / spent;
  });
}
