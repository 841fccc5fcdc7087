// One statement by four ways: on the server itself and behind masks, in two databases that differ in the masked columns'
// values only. Behind masks both have to answer alike, byte by byte; what is not masked is what the server itself says.

import type { Random } from '../../../support/random.ts';
import { type Frame, query, WireClient } from '../../../support/wire.ts';
import { attempt, errorIn, MODES, type Mode } from '../attempts.ts';
import { type Guarded, type GuardedOptions, openGuarded } from '../guarded.ts';
import { leaksIn } from '../leaks/judge.ts';
import { MASKS, SETUP, TWIN_SETUP } from '../leaks/schema.ts';
import { Grammar, MORE } from './grammar.ts';

/** What a statement came to behind masks. */
export type Came = 'equal' | 'masked' | 'refused' | 'failed';

export interface Tally {
  statements: number;
  came: Record<Came, number>;
  /** Of those that show a planted value without masks. */
  secret: number;
  columns: { equal: number; masked: number };
  findings: string[];
}

export const newTally = (): Tally => ({
  statements: 0,
  came: { equal: 0, masked: 0, refused: 0, failed: 0 },
  secret: 0,
  columns: { equal: 0, masked: 0 },
  findings: [],
});

/** A mask that keeps nothing, so that its output cannot depend on the value. */
const ALL = MASKS.map((mask) => ({ ...mask, as: mask.as === 'null' ? 'null' : 'full' }));
const COLUMNS = ['traits.pairs'];

/** Rows come in the same order in both databases, where it is not for masked values. */
const SAME_PLANS = {
  ...{
    autovacuum: 'off',
    enable_hashagg: 'off',
    enable_hashjoin: 'off',
    enable_mergejoin: 'off',
    enable_material: 'off',
  },
  ...{ enable_memoize: 'off', max_parallel_workers_per_gather: 0, log_statement: "'none'", fsync: 'off' },
};

const DEPENDS = 'depends on masked values';

interface Way {
  client: WireClient;
  readonly open: () => Promise<WireClient>;
}

export class Comparison {
  readonly tally = newTally();
  readonly #guarded: Guarded;
  readonly #grammar: Grammar;
  readonly #random: Random;
  readonly #ways: Way[];

  private constructor(guarded: Guarded, random: Random, version: number, ways: Way[]) {
    this.#guarded = guarded;
    this.#random = random;
    this.#grammar = new Grammar(random, version);
    this.#ways = ways;
  }

  static async open(random: Random, version: 'debian15' | 'embedded18'): Promise<Comparison> {
    const [first, ...others] = ALL;
    const masks = [...others, { ...first, columns: [...first!.columns, ...COLUMNS] }];
    const options: GuardedOptions = {
      ...{ setup: SETUP + MORE, twin: TWIN_SETUP + MORE, policy: { masks } },
      server: { version, config: SAME_PLANS },
    };
    const guarded = await openGuarded(options);
    const { server } = guarded;
    const login = { port: server.port, user: server.user, password: server.password };
    const opens = [
      () => WireClient.connect({ ...login, database: 'app' }),
      () => guarded.connect(),
      () => guarded.connect([], { database: 'twin' }),
      // Not looked at: what it does to the tables of the twin is what the first does to those of the other.
      () => WireClient.connect({ ...login, database: 'twin' }),
    ];
    const ways = await Promise.all(opens.map(async (open) => ({ open, client: await open() })));
    return new Comparison(guarded, random, Number(/\d+/.exec(version)), ways);
  }

  /** One conversation; what is wrong with it goes to the tally. */
  async once(): Promise<void> {
    const statements = this.#grammar.statements();
    const mode = this.#random.pick(MODES);
    let found = await this.#ask(statements, mode);
    // Which rows come first may depend on statistics, as the plan does: then on the rows of all it does not.
    if (found.some((finding) => finding.startsWith(DEPENDS)) && statements.some((text) => text.includes(' limit '))) {
      found = await this.#ask(
        statements.map((text) => text.replaceAll(/ limit \d+/g, ' limit 100000')),
        mode,
      );
    }
    for (const finding of found) this.tally.findings.push(`${mode}: ${statements.join(' ;; ')}\n    ${finding}`);
  }

  async #ask(statements: readonly string[], mode: Mode): Promise<string[]> {
    const [plain, masked, twin] = await Promise.all(this.#ways.map((way) => answers(way, mode, statements)));
    return this.#judge(statements, mode, plain!, masked!, twin!);
  }

  #judge(statements: readonly string[], mode: Mode, plain: Frame[][], masked: Frame[][], twin: Frame[][]): string[] {
    const { tally } = this;
    const found: string[] = [];
    tally.statements += statements.length;
    if (leaksIn(bytesOf(plain.flat())).length > 0) tally.secret++;
    for (const leak of leaksIn(bytesOf(masked.flat())).slice(0, 2)) found.push(`leaks ${leak}`);
    for (const [index, frames] of masked.entries()) {
      // A plan depends on statistics.
      if (statements[index]?.startsWith('explain')) continue;
      const one = comparable(frames);
      const other = comparable(twin[index] ?? []);
      if (one !== other) found.push(`${DEPENDS}: ${difference(one, other)}`);
    }
    for (const index of statements.keys()) {
      const came = this.#compare(plain[index] ?? [], masked[index] ?? [], mode, found);
      tally.came[came]++;
      // From here on the transactions differ.
      if (came === 'refused' || came === 'failed') break;
    }
    return found;
  }

  #compare(plain: readonly Frame[], masked: readonly Frame[], mode: Mode, found: string[]): Came {
    const expected = errorIn(plain);
    const got = errorIn(masked);
    if (got !== undefined) {
      if (got !== '42501' && got !== expected) found.push(`failed with ${got}, the server itself ${expected ?? 'not'}`);
      return expected === undefined ? 'refused' : 'failed';
    }
    if (expected !== undefined) {
      // A row that fails behind those that were fetched one by one.
      if (mode !== 'extended, undescribed') found.push(`did not fail, the server itself with ${expected}`);
      return 'failed';
    }
    if (shape(plain) !== shape(masked)) {
      found.push(`other messages: ${shape(masked)} for ${shape(plain)}`);
      return 'failed';
    }
    return this.#cells(rows(plain), rows(masked), found);
  }

  /** A column is what the server says, or masked as a whole; NULL stays NULL. */
  #cells(plain: Cell[][], masked: Cell[][], found: string[]): Came {
    const width = plain[0]?.length ?? 0;
    let came: Came = 'equal';
    for (let column = 0; column < width; column++) {
      const differs = plain.map((row, at) => row[column] !== masked[at]?.[column]);
      if (!differs.includes(true)) {
        this.tally.columns.equal++;
        continue;
      }
      came = 'masked';
      this.tally.columns.masked++;
      const halves = plain.findIndex((row, at) => row[column] !== null && differs[at] === false);
      if (halves >= 0) found.push(`column ${column} is masked in part: row ${halves} is ${plain[halves]![column]}`);
      const made = plain.findIndex((row, at) => row[column] === null && differs[at]);
      if (made >= 0) found.push(`column ${column} has a value where the server has NULL`);
    }
    return came;
  }

  async close(): Promise<void> {
    for (const { client } of this.#ways) client.close();
    await this.#guarded.close();
  }
}

async function answers(way: Way, mode: Mode, statements: readonly string[]): Promise<Frame[][]> {
  if (way.client.closed) way.client = await way.open();
  const { client } = way;
  client.send(query('begin'));
  await client.until('Z');
  const found = await attempt(client, mode, statements);
  if (!client.closed) {
    client.send(query('rollback'));
    await client.until('Z');
    // Prepared statements outlive their transaction.
    if (statements[0]!.startsWith('prepare')) {
      client.send(query('deallocate all'));
      await client.until('Z');
    }
  }
  return found;
}

const bytesOf = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(
    frames.map(({ type, body }) => {
      const head = Buffer.alloc(5);
      head.write(type, 0, 'latin1');
      head.writeInt32BE(body.length + 4, 1);
      return Buffer.concat([head, body]);
    }),
  );

/** What both databases have to answer alike: all but the numbers of relations and the names of sessions. */
function comparable(frames: readonly Frame[]): string {
  const lines = frames.map(({ type, body }) => {
    if (type === 'T') return `T${names(body)}`;
    if (type === 'E') return `E${/C(\w{5})/.exec(body.toString('latin1'))?.[1]}`;
    return `${type}${body.toString('latin1')}`;
  });
  return lines.sort().join('\n');
}

function difference(one: string, other: string): string {
  let at = 0;
  while (one[at] === other[at]) at++;
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 40), at + 40));
  return `${around(one)} and ${around(other)}`;
}

/** The names and types in a RowDescription. */
function names(body: Buffer): string {
  const found: string[] = [];
  for (let at = 2, left = body.readInt16BE(0); left > 0; left--) {
    const end = body.indexOf(0, at);
    found.push(`${body.toString('utf8', at, end)}`);
    at = end + 19;
  }
  return found.join(',');
}

/** The messages of an answer without what is in their rows. */
function shape(frames: readonly Frame[]): string {
  return frames
    .map(({ type, body }) => {
      if (type === 'C') return `C${body.toString()}`;
      return type === 'T' ? `T${names(body)}` : type;
    })
    .join('');
}

type Cell = string | null;

function rows(frames: readonly Frame[]): Cell[][] {
  return frames
    .filter(({ type }) => type === 'D')
    .map(({ body }) => {
      const cells: Cell[] = [];
      for (let at = 2, left = body.readInt16BE(0); left > 0; left--) {
        const length = body.readInt32BE(at);
        at += 4;
        cells.push(length < 0 ? null : body.toString('latin1', at, at + length));
        if (length > 0) at += length;
      }
      return cells;
    });
}
