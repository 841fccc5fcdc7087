// Words for tests of the machine: messages to send, conversations as readable transcripts, and small stand-ins for the
// parts that read SQL and mask values.

import type { Facts, Mask, ResultColumn } from '../../../src/protocol/contract.ts';
import type {
  Analyser,
  Analysis,
  ColumnPlanner,
  Field,
  StatementInfo,
  ValueMasker,
} from '../../../src/protocol/postgres/analysis.ts';
import { DEFAULT_LIMITS, type Limits } from '../../../src/protocol/postgres/limits.ts';
import { Machine } from '../../../src/protocol/postgres/machine/machine.ts';
import { rowValues } from '../../../src/protocol/postgres/wire/backend.ts';
import { decodeFields } from '../../../src/protocol/postgres/wire/notice.ts';
import { Back, backName, Front, frontName } from '../../../src/protocol/postgres/wire/types.ts';
import { Writer } from '../../../src/protocol/wire/writer.ts';
import { FakeSession, type FakeSessionOptions } from './session.ts';

// ---------------------------------------------------------------------------------------------------------------------
// Messages.

export function message(type: number | string, fill: (writer: Writer) => void = () => {}): Buffer {
  const writer = new Writer().uint8(typeof type === 'string' ? type.charCodeAt(0) : type).int32(0);
  fill(writer);
  return Buffer.from(writer.setInt32(1, writer.length - 1).finish());
}

export const front = {
  query: (text: string) => message('Q', (w) => w.string(text)),
  parse: (name: string, text: string) => message('P', (w) => w.string(name).string(text).int16(0)),
  bind: (portal: string, statement: string, params: (string | null)[] = [], formats: number[] = []) =>
    message('B', (w) => {
      w.string(portal).string(statement).int16(0).int16(params.length);
      for (const param of params) {
        if (param === null) w.int32(-1);
        else w.int32(Buffer.byteLength(param)).bytes(Buffer.from(param));
      }
      w.int16(formats.length);
      for (const format of formats) w.int16(format);
    }),
  describe: (kind: 'S' | 'P', name: string) => message('D', (w) => w.uint8(kind.charCodeAt(0)).string(name)),
  execute: (portal: string, limit = 0) => message('E', (w) => w.string(portal).int32(limit)),
  close: (kind: 'S' | 'P', name: string) => message('C', (w) => w.uint8(kind.charCodeAt(0)).string(name)),
  functionCall: (oid: number) => message('F', (w) => w.int32(oid).int16(0).int16(0).int16(0)),
  sync: () => message('S'),
  flush: () => message('H'),
  terminate: () => message('X'),
  copyData: (text: string) => message('d', (w) => w.bytes(Buffer.from(text))),
  copyDone: () => message('c'),
  copyFail: (why: string) => message('f', (w) => w.string(why)),
  /** Parse, Bind, Describe, Execute, Sync as drivers send them in one go. */
  extended: (text: string, params: (string | null)[] = []) =>
    Buffer.concat([
      front.parse('', text),
      front.bind('', '', params),
      front.describe('P', ''),
      front.execute(''),
      front.sync(),
    ]),
};

export const back = {
  ready: (status = 'I') => message('Z', (w) => w.uint8(status.charCodeAt(0))),
  complete: (tag: string) => message('C', (w) => w.string(tag)),
  empty: () => message('I'),
  parsed: () => message('1'),
  bound: () => message('2'),
  closed: () => message('3'),
  noData: () => message('n'),
  suspended: () => message('s'),
  parameters: () => message('t', (w) => w.int16(0)),
  rows: (...names: string[]) =>
    message('T', (w) => {
      w.int16(names.length);
      for (const [at, name] of names.entries())
        w.string(name)
          .int32(1000)
          .int16(at + 1)
          .int32(25)
          .int16(-1)
          .int32(-1)
          .int16(0);
    }),
  row: (...values: (string | null)[]) =>
    message('D', (w) => {
      w.int16(values.length);
      for (const value of values) {
        if (value === null) w.int32(-1);
        else w.int32(Buffer.byteLength(value)).bytes(Buffer.from(value));
      }
    }),
  error: (code: string, text: string, more: Record<string, string> = {}) =>
    message('E', (w) => {
      const fields = { S: 'ERROR', V: 'ERROR', C: code, M: text, ...more };
      for (const [letter, value] of Object.entries(fields)) w.uint8(letter.charCodeAt(0)).string(value);
      w.uint8(0);
    }),
  notice: (text: string, more: Record<string, string> = {}) =>
    message('N', (w) => {
      const fields = { S: 'NOTICE', V: 'NOTICE', C: '00000', M: text, ...more };
      for (const [letter, value] of Object.entries(fields)) w.uint8(letter.charCodeAt(0)).string(value);
      w.uint8(0);
    }),
  notification: (channel: string, payload: string) => message('A', (w) => w.int32(7).string(channel).string(payload)),
  parameter: (name: string, value: string) => message('S', (w) => w.string(name).string(value)),
  copyIn: () => message('G', (w) => w.uint8(0).int16(0)),
  copyOut: (columns = 0) =>
    message('H', (w) => {
      w.uint8(0).int16(columns);
      for (let i = 0; i < columns; i++) w.int16(0);
    }),
  copyData: (text: string) => message('d', (w) => w.bytes(Buffer.from(text))),
  copyDone: () => message('c'),
  functionResult: () => message('V', (w) => w.int32(-1)),
};

// ---------------------------------------------------------------------------------------------------------------------
// Transcripts: one line a message.

function* messages(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 5) throw new Error(`a tail of ${bytes.length - at} bytes`);
    const total = bytes.readInt32BE(at + 1) + 1;
    if (bytes.length - at < total) throw new Error(`a tail of ${bytes.length - at} bytes of a message of ${total}`);
    yield bytes.subarray(at, at + total);
    at += total;
  }
}

const strings = (bytes: Buffer): string => bytes.toString().replaceAll('\0', ' ').trim();

export function targetBound(bytes: Buffer): string[] {
  return [...messages(bytes)].map((m) => {
    const name = frontName(m[0]!);
    if (m[0] === Front.Execute) return `${name} ${strings(m.subarray(5, m.length - 5))}`.trim();
    if (m[0] === Front.Bind) return name;
    return `${name} ${strings(m.subarray(5))}`.trim();
  });
}

export function clientBound(bytes: Buffer): string[] {
  return [...messages(bytes)].map((m) => {
    const name = backName(m[0]!);
    if (m[0] === Back.DataRow) return `${name} ${rowValues(m, 0, m.length, []).join('|')}`;
    if (m[0] === Back.ErrorResponse || m[0] === Back.NoticeResponse) {
      const fields = decodeFields(m, 0, m.length);
      const rest = [...fields]
        .filter(([letter]) => !'SVCM'.includes(letter))
        .map(([letter, value]) => ` ${letter}=${value}`);
      return `${name} ${fields.get('V')} ${fields.get('C')} ${fields.get('M')}${rest.join('')}`;
    }
    if (m[0] === Back.RowDescription) {
      return `${name} ${m.readInt16BE(5)}`;
    }
    return `${name} ${strings(m.subarray(5))}`.trim();
  });
}

// ---------------------------------------------------------------------------------------------------------------------
// Stand-ins.

const NOTHING: Facts = { does: [], relations: [], functions: [], unbounded: false };

/** Reads just enough: words by their place, statements split at semicolons. `bad` anywhere does not parse. */
function readStatement(text: string): StatementInfo {
  const words = text
    .trim()
    .toLowerCase()
    .split(/[\s();]+/);
  const [verb = '', name = ''] = words;
  const facts: Facts = { ...NOTHING, does: [verb] };
  const info: StatementInfo = {
    facts,
    ddl: verb === 'create',
    names: verb === 'set',
    endsCursors: /^(commit|rollback)$/.test(verb),
  };
  const inner = (): Analysis =>
    analyse(text.slice(text.toLowerCase().indexOf(verb === 'declare' ? ' for ' : ' as ') + 4));
  switch (verb) {
    case 'prepare':
      return { ...info, prepare: { name, analysis: inner(), text } };
    case 'execute':
      return { ...info, execute: { name } };
    case 'deallocate':
      return { ...info, deallocate: { name: name === 'all' ? undefined : name } };
    case 'declare':
      return { ...info, declare: { name, hold: false, analysis: inner() } };
    case 'fetch':
      return { ...info, fetch: { name } };
    case 'close':
      return { ...info, close: { name: name === 'all' ? undefined : name } };
    case 'set':
      return { ...info, set: { name, value: words.at(-1) } };
    case 'copy': {
      const direction = words.includes('stdin') ? 'in' : 'out';
      const text = { format: 'text', delimiter: '\t', null: '\\N', quote: '"', escape: '"', header: false } as const;
      return { ...info, copy: { direction, ...text } };
    }
    default:
      return info;
  }
}

const analysed = new Map<string, Analysis>();

export function analyse(text: string): Analysis {
  let analysis = analysed.get(text);
  if (analysis === undefined) {
    const parts = text.split(';').filter((part) => part.trim() !== '');
    const statements = parts.map(readStatement);
    analysis = { facts: statements.map((info) => info.facts), statements };
    if (/\bbad\b/i.test(text)) {
      const facts = { ...NOTHING, opaque: 'it does not parse' };
      const info: StatementInfo = { facts, ddl: false, names: false, endsCursors: false };
      analysis = {
        facts: [facts],
        statements: [info],
        error: { message: 'syntax error at or near "bad"', position: 1 },
      };
    }
    analysed.set(text, analysis);
  }
  return analysis;
}

export const analyser: Analyser = { analyse: (sql) => analyse(sql.toString()) };

/** Masks text values cell by cell, in DataRow and in COPY text. */
export const masker: ValueMasker = {
  dataRow(bytes, _fields, masks) {
    const values = rowValues(bytes, 0, bytes.length, []);
    return back.row(
      ...values.map((value, at) =>
        value === null ? null : (masks[at]?.text(value) ?? (masks[at] == null ? value : null)),
      ),
    );
  },
  copy: (_options, _columns, masks, sink) => ({
    data(payload) {
      const cells = payload.toString().replace(/\n$/, '').split('\t');
      const masked = cells.map((cell, at) => masks[at]?.text(cell) ?? cell);
      sink()?.(masked);
      return Buffer.from(`${masked.join('\t')}\n`);
    },
    done: () => Buffer.alloc(0),
  }),
};

/** Every column comes from its own name in table `t`; a name with `?` is not proven. */
export function planner(
  wait?: Promise<unknown>,
): ColumnPlanner & { invalidated: number; asked: (Analysis | undefined)[] } {
  const column = (name: string): ResultColumn => ({
    name,
    origins: name.includes('?') ? undefined : [{ schema: 'public', relation: 't', column: name }],
    textual: true,
  });
  const plan = (fields: readonly Field[]) => fields.map((field) => column(field.name));
  return {
    invalidated: 0,
    asked: [],
    columns(analysis, _part, fields) {
      this.asked.push(analysis);
      return wait === undefined ? plan(fields) : wait.then(() => plan(fields));
    },
    copyColumns: () => [column('id'), column('ssn')],
    invalidate() {
      this.invalidated++;
    },
  };
}

export const ssnMask = (column: ResultColumn): Mask | null =>
  column.origins === undefined || column.origins.some((origin) => origin.column === 'ssn')
    ? { name: 'pii', by: 'column', text: (value) => '*'.repeat(value.length) }
    : null;

export const MASKED: FakeSessionOptions = { masking: { columns: true, values: false }, mask: ssnMask };

// ---------------------------------------------------------------------------------------------------------------------
// One conversation.

export interface TalkOptions {
  readonly session?: FakeSessionOptions;
  readonly planner?: ColumnPlanner;
  readonly limits?: Partial<Limits>;
  readonly allowFunctionCall?: boolean;
}

export class Talk {
  readonly session: FakeSession;
  readonly machine: Machine;
  woken = 0;

  constructor(options: TalkOptions = {}) {
    this.session = new FakeSession(options.session);
    this.machine = new Machine({
      session: this.session,
      analyser,
      masker,
      planner: options.planner ?? planner(),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      allowFunctionCall: options.allowFunctionCall ?? false,
      namesPinned: true,
      wake: () => {
        this.woken++;
        this.machine.pump();
      },
    });
  }

  /** The client sends; what goes to the target, a line a message. */
  client(...sent: Buffer[]): string[] {
    this.machine.fromClient(Buffer.concat(sent));
    return this.toTarget();
  }

  /** The target sends; what goes to the client, a line a message. */
  target(...sent: Buffer[]): string[] {
    this.machine.fromTarget(Buffer.concat(sent));
    return this.toClient();
  }

  toTarget(): string[] {
    return targetBound(this.machine.toTarget.take() ?? Buffer.alloc(0));
  }

  toClient(): string[] {
    return clientBound(this.machine.toClient.take() ?? Buffer.alloc(0));
  }
}

/** Lets promises that are settled run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
