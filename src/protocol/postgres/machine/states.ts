// What may come when: role × state × message → state. No row means refuse; there is no other place that says what is legal.
// Source: "Message Flow" in PostgreSQL's documentation, and postgres.c where it is silent.
// Refuses to know: what a message does beyond the state.

import { Back, Front } from '../wire/types.ts';

type Table<State extends string> = Record<State, Partial<Record<number, State>>>;

/** What the client may send. */
export const Client = {
  /** Anything: the server queues and answers in order. */
  ready: 1,
  /** The server reads a COPY: data, and Sync and Flush, which it ignores there. */
  copying: 2,
  /** An error went by in an extended query: the server ignores everything up to Sync. */
  skipping: 3,
  /** Terminate was sent, or the session is over. */
  closed: 4,
} as const;
export type Client = (typeof Client)[keyof typeof Client];

/** What the server owes next, for the request at the head of the queue. */
export const Target = {
  /** Nothing: only what comes unasked. */
  idle: 1,
  /** Query: the next statement's result, or the end. */
  query: 2,
  /** Query: rows of a statement. */
  queryRows: 3,
  queryCopyOut: 4,
  queryCopyIn: 5,
  /** Query, FunctionCall: an error was told, ReadyForQuery is due. */
  finished: 6,
  parse: 7,
  bind: 8,
  describeStatement: 9,
  describe: 10,
  execute: 11,
  executeCopyOut: 12,
  executeCopyIn: 13,
  /** Execute: CopyDone was told, CommandComplete is due. */
  executeEnd: 14,
  close: 15,
  sync: 16,
  functionCall: 17,
  /** The head of the queue is answered: on to the next. */
  done: 18,
  /** An extended query failed: everything up to Sync is. */
  failed: 19,
} as const;
export type Target = (typeof Target)[keyof typeof Target];

type ClientName = keyof typeof Client;
type TargetName = keyof typeof Target;

const REQUESTS = [
  Front.Bind,
  Front.Close,
  Front.Describe,
  Front.Execute,
  Front.Flush,
  Front.FunctionCall,
  Front.Parse,
  Front.Query,
  Front.Sync,
];

const CLIENT: Table<ClientName> = {
  // Copy messages out of place are what is left of a COPY that failed: the server ignores them, and so do we.
  ready: {
    ...all(REQUESTS, 'ready'),
    ...all([Front.CopyData, Front.CopyDone, Front.CopyFail], 'ready'),
    [Front.Terminate]: 'closed',
  },
  // A request inside a COPY makes the server fail the COPY; `ready`, because we do that for it (see client.ts).
  copying: {
    ...all(REQUESTS, 'ready'),
    [Front.CopyData]: 'copying',
    [Front.Sync]: 'copying',
    [Front.Flush]: 'copying',
    [Front.CopyDone]: 'ready',
    [Front.CopyFail]: 'ready',
    [Front.Terminate]: 'closed',
  },
  skipping: {
    ...all(REQUESTS, 'skipping'),
    ...all([Front.CopyData, Front.CopyDone, Front.CopyFail], 'skipping'),
    [Front.Sync]: 'ready',
    [Front.Terminate]: 'closed',
  },
  closed: {},
};

const TARGET: Table<TargetName> = {
  // An error that nobody asked for is the server's farewell.
  idle: { [Back.ErrorResponse]: 'idle' },
  query: {
    [Back.RowDescription]: 'queryRows',
    [Back.CommandComplete]: 'query',
    [Back.EmptyQueryResponse]: 'query',
    [Back.CopyOutResponse]: 'queryCopyOut',
    [Back.CopyInResponse]: 'queryCopyIn',
    [Back.ErrorResponse]: 'finished',
    [Back.ReadyForQuery]: 'done',
  },
  queryRows: { [Back.DataRow]: 'queryRows', [Back.CommandComplete]: 'query', [Back.ErrorResponse]: 'finished' },
  queryCopyOut: { [Back.CopyData]: 'queryCopyOut', [Back.CopyDone]: 'query', [Back.ErrorResponse]: 'finished' },
  queryCopyIn: { [Back.CommandComplete]: 'query', [Back.ErrorResponse]: 'finished' },
  finished: { [Back.ErrorResponse]: 'finished', [Back.ReadyForQuery]: 'done' },
  parse: { [Back.ParseComplete]: 'done', [Back.ErrorResponse]: 'failed' },
  bind: { [Back.BindComplete]: 'done', [Back.ErrorResponse]: 'failed' },
  describeStatement: { [Back.ParameterDescription]: 'describe', [Back.ErrorResponse]: 'failed' },
  describe: { [Back.RowDescription]: 'done', [Back.NoData]: 'done', [Back.ErrorResponse]: 'failed' },
  execute: {
    [Back.DataRow]: 'execute',
    [Back.CommandComplete]: 'done',
    [Back.EmptyQueryResponse]: 'done',
    [Back.PortalSuspended]: 'done',
    [Back.CopyOutResponse]: 'executeCopyOut',
    [Back.CopyInResponse]: 'executeCopyIn',
    [Back.ErrorResponse]: 'failed',
  },
  executeCopyOut: { [Back.CopyData]: 'executeCopyOut', [Back.CopyDone]: 'executeEnd', [Back.ErrorResponse]: 'failed' },
  executeCopyIn: { [Back.CommandComplete]: 'done', [Back.ErrorResponse]: 'failed' },
  executeEnd: { [Back.CommandComplete]: 'done', [Back.ErrorResponse]: 'failed' },
  close: { [Back.CloseComplete]: 'done', [Back.ErrorResponse]: 'failed' },
  // A deferred constraint may fail in the commit that Sync is: an error, then ReadyForQuery all the same.
  sync: { [Back.ErrorResponse]: 'sync', [Back.ReadyForQuery]: 'done' },
  functionCall: { [Back.FunctionCallResponse]: 'finished', [Back.ErrorResponse]: 'finished' },
  done: {},
  failed: {},
};

/** Come unasked in any state, and change none. */
const UNASKED = [Back.NoticeResponse, Back.NotificationResponse, Back.ParameterStatus];

function all<State>(types: readonly number[], state: State): Partial<Record<number, State>> {
  return Object.fromEntries(types.map((type) => [type, state]));
}

/** A table as bytes: `table[state * 256 + type]` is the next state, 0 for none. */
function compile<State extends string>(
  table: Table<State>,
  numbers: Record<State, number>,
  anywhere: number[],
): Uint8Array {
  const compiled = new Uint8Array(256 * (Math.max(...(Object.values(numbers) as number[])) + 1));
  for (const state of Object.keys(table) as State[]) {
    for (const type of anywhere) compiled[numbers[state] * 256 + type] = numbers[state];
    for (const [type, next] of Object.entries(table[state]) as [string, State][]) {
      compiled[numbers[state] * 256 + Number(type)] = numbers[next];
    }
  }
  return compiled;
}

const CLIENT_TABLE = compile(CLIENT, Client, []);
const TARGET_TABLE = compile(TARGET, Target, UNASKED);

/** The client's next state, 0 when the message is not legal. */
export const afterFront = (state: Client, type: number): Client | 0 => CLIENT_TABLE[state * 256 + type] as Client | 0;
/** The target's next state, 0 when the message is not legal. */
export const afterBack = (state: Target, type: number): Target | 0 => TARGET_TABLE[state * 256 + type] as Target | 0;

export function targetName(state: Target): string {
  for (const [name, number] of Object.entries(Target)) if (number === state) return name;
  return String(state);
}
