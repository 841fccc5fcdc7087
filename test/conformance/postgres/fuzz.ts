// Feeds the machine seeded nonsense: legal messages in any order, cut anywhere, mutated, truncated. What must hold
// whatever comes: no throw, memory bounded by what is in hand, nothing of a denied text at the target, no masked value at
// the client, every operation one outcome at most a part, and an end that says why.
// `node test/conformance/postgres/fuzz.ts` with SEED and COUNT; the suite runs a bounded part of it.

import { back, front, MASKED, message, Talk, type TalkOptions } from './kit.ts';

/** mulberry32: the same sequence for the same seed, everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const SECRET = '123-45-6789';
const FORBIDDEN = 'drop table forbidden';
const TEXTS = [
  'select 1',
  'select ssn',
  'begin',
  'commit',
  FORBIDDEN,
  `select 1; ${FORBIDDEN}`,
  'copy t from stdin',
  'copy t to stdout',
  'prepare p as select ssn',
  'execute p',
  'declare c cursor for select ssn',
  'fetch c',
  'deallocate all',
  'bad',
  '',
  'set client_encoding to latin1',
];
const NAMES = ['', 'p', 'c', 's'];

type Pick = <T>(from: readonly T[]) => T;

function clientMessage(pick: Pick): Buffer {
  return pick<() => Buffer>([
    () => front.query(pick(TEXTS)),
    () => front.parse(pick(NAMES), pick(TEXTS)),
    () => front.bind(pick(NAMES), pick(NAMES), [pick(['x', null])]),
    () => front.describe(pick(['S', 'P']), pick(NAMES)),
    () => front.execute(pick(NAMES)),
    () => front.close(pick(['S', 'P']), pick(NAMES)),
    () => front.extended(pick(TEXTS)),
    () => front.sync(),
    () => front.sync(),
    () => front.flush(),
    () => front.functionCall(7),
    () => front.copyData(`1\t${SECRET}\n`),
    () => front.copyDone(),
    () => front.copyFail('no'),
  ])();
}

/** Mostly what the server would owe for the request at the head, so that conversations get far; sometimes anything. */
function targetMessage(pick: Pick, legal: readonly string[], hostile: boolean): Buffer {
  const all: Record<string, () => Buffer> = {
    rows: () => back.rows(...pick([['id'], ['ssn'], ['id', 'ssn']])),
    row: () => back.row(SECRET, SECRET),
    complete: () => back.complete(pick(['SELECT 1', 'INSERT 0 1', 'BEGIN', 'COPY 2'])),
    ready: () => back.ready(pick(['I', 'T', 'E'])),
    parsed: () => back.parsed(),
    bound: () => back.bound(),
    closed: () => back.closed(),
    noData: () => back.noData(),
    suspended: () => back.suspended(),
    parameters: () => back.parameters(),
    empty: () => back.empty(),
    error: () =>
      back.error(pick(['22P02', '42601', '57014']), `error with ${SECRET}`, {
        D: SECRET,
        F: pick(['pl_exec.c', 'x.c']),
      }),
    notice: () => back.notice(`notice with ${SECRET}`),
    notification: () => back.notification('c', SECRET),
    copyIn: () => back.copyIn(),
    copyOut: () => back.copyOut(2),
    copyData: () => back.copyData(`1\t${SECRET}\n`),
    copyDone: () => back.copyDone(),
    parameter: () => back.parameter('TimeZone', 'UTC'),
  };
  const lawful = legal.length > 0 && !(hostile && pick([true, false, false, false, false, false, false, false]));
  const name = pick(lawful ? legal : Object.keys(all));
  return all[name]!();
}

/** What a server may say in each state of the machine's head, by the state's name. */
const LEGAL: Record<string, string[]> = {
  idle: ['notice', 'parameter', 'notification'],
  refused: ['error'],
  query: ['rows', 'complete', 'empty', 'copyOut', 'copyIn', 'error', 'ready'],
  queryRows: ['row', 'row', 'complete', 'error'],
  queryCopyOut: ['copyData', 'copyDone', 'error'],
  queryCopyIn: ['complete', 'error'],
  finished: ['ready'],
  parse: ['parsed', 'parsed', 'parsed', 'error'],
  bind: ['bound', 'bound', 'bound', 'error'],
  describeStatement: ['parameters', 'error'],
  describe: ['rows', 'rows', 'noData'],
  execute: ['row', 'complete', 'suspended', 'copyOut', 'copyIn', 'error', 'empty'],
  executeCopyOut: ['copyData', 'copyDone'],
  executeCopyIn: ['complete', 'error'],
  executeEnd: ['complete'],
  close: ['closed'],
  sync: ['ready'],
  functionCall: ['error', 'ready'],
};

function mutate(bytes: Buffer, rand: () => number): Buffer {
  const out = Buffer.from(bytes);
  const at = Math.floor(rand() * out.length);
  const kind = rand();
  if (kind < 0.5) out[at] = Math.floor(rand() * 256);
  else if (kind < 0.75) return out.subarray(0, at);
  else return Buffer.concat([out.subarray(0, at), Buffer.from([Math.floor(rand() * 256)]), out.subarray(at)]);
  return out;
}

export interface FuzzResult {
  readonly steps: number;
  readonly ended: string;
}

/** One conversation. Throws, with the seed in the message, when something that must hold does not. */
export function fuzzOnce(seed: number): FuzzResult {
  const rand = random(seed);
  const pick: Pick = (from) => from[Math.floor(rand() * from.length)]!;
  const masked = rand() < 0.5;
  const deny = ({ text }: { text: string }) => (text.includes('forbidden') ? 'no-drop' : undefined);
  const session = { ...(masked ? MASKED : {}), ruled: true, deny, rows: 5 };
  const options: TalkOptions = { session };
  const talk = new Talk(options);
  const hostile = rand() < 0.3;
  let toClient = '';
  let toTarget = '';
  const take = () => {
    toClient += talk.machine.toClient.take()?.toString('latin1') ?? '';
    toTarget += talk.machine.toTarget.take()?.toString('latin1') ?? '';
  };
  let steps = 0;
  try {
    for (; steps < 80 && talk.machine.ended === undefined; steps++) {
      const fromClient = rand() < 0.4;
      let bytes = fromClient ? clientMessage(pick) : targetMessage(pick, LEGAL[talk.machine.expecting] ?? [], hostile);
      if (hostile && rand() < 0.05) bytes = mutate(bytes, rand);
      if (hostile && rand() < 0.01) bytes = message(Math.floor(rand() * 256));
      const at = rand() < 0.3 ? Math.floor(rand() * bytes.length) : bytes.length;
      for (const chunk of [bytes.subarray(0, at), bytes.subarray(at)]) {
        if (chunk.length === 0) continue;
        if (fromClient) talk.machine.fromClient(chunk);
        else talk.machine.fromTarget(chunk);
        take();
      }
    }
    if (talk.machine.ended === undefined) talk.machine.end({ code: 'client_closed', message: 'the end' });
    take();
  } catch (thrown) {
    throw new Error(`seed ${seed}: the machine threw`, { cause: thrown });
  }
  // A mutated error may carry its text as the name of a table: no server does that.
  check(seed, talk, masked, hostile ? '' : toClient, toTarget);
  return { steps, ended: talk.machine.ended?.code ?? '' };
}

/** The SQL in Query and Parse messages; a tail that was cut off is none. */
function* statements(bytes: Buffer): Generator<string> {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + bytes.readInt32BE(at + 1) + 1;
    const fields = bytes.toString('latin1', at + 5, end).split('\0');
    if (bytes[at] === 0x51) yield fields[0]!;
    if (bytes[at] === 0x50) yield fields[1] ?? '';
    at = end;
  }
}

function check(seed: number, talk: Talk, masked: boolean, toClient: string, toTarget: string): void {
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`seed ${seed}: ${why}`, { cause });
  };
  const { failure } = talk.machine;
  // A copy that the server answers where none was asked is the one thing that the machine calls internal on purpose.
  if (failure !== undefined && !/copies/.test(failure.message)) fail('a fault of ours', failure);
  for (const text of statements(Buffer.from(toTarget, 'latin1'))) {
    if (text.includes('forbidden')) fail(`a denied text reached the target: ${text}`);
  }
  if (masked && talk.session.rows.some(({ values }) => values.length > 1 && values[1] === SECRET))
    fail('a masked value was recorded');
  if (masked && /error with \d|notice with \d/.test(toClient)) fail('a masked text reached the client');
  const seen = new Set<string>();
  for (const { id, part } of talk.session.outcomes) {
    const key = `${id}/${part}`;
    if (seen.has(key)) fail(`operation ${key} has two outcomes`);
    seen.add(key);
  }
  for (const operation of talk.session.operations) {
    if (operation.verdict === 'deny' && seen.has(`${operation.id}/0`))
      fail(`the refused operation ${operation.id} has an outcome`);
  }
}

if (import.meta.main) {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const count = Number(process.env.COUNT ?? 100_000);
  const ends: Record<string, number> = {};
  let steps = 0;
  for (let i = 0; i < count; i++) {
    const result = fuzzOnce(seed + i);
    steps += result.steps;
    ends[result.ended] = (ends[result.ended] ?? 0) + 1;
  }
  console.log(JSON.stringify({ seed, count, steps, ends }));
}
