// Recorded sessions held against another policy: what it would have refused, held or masked, or let through.
// Refuses to know: where recordings are, how a statement is read.

import type { Facts } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { CompiledPolicy } from './compile.ts';
import { testPrincipal } from './tests.ts';
import type { ConnectionRef } from './types.ts';

/** A recording's line as it was read; other members are not looked at. */
export type RecordedLine = Readonly<Record<string, unknown>>;

export interface Replayed {
  readonly session: string;
  readonly op: number;
  readonly at: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly text: string;
  readonly was: string;
  readonly now: 'allow' | 'deny' | 'review';
  readonly rule?: string;
  /** Masks of columns that it may read, as far as its text tells. */
  readonly masks: readonly string[];
}

export interface ReplayOptions {
  readonly policy: CompiledPolicy;
  readonly connections: readonly ConnectionRef[];
  /** Facts of a text in the language of the connection. */
  readonly analyse: (connection: string, text: string) => Promise<readonly Facts[]>;
}

/** Each decided operation of one recording with what the policy says of it; nothing of a connection that it does not have. */
export async function* replay(
  lines: AsyncIterable<RecordedLine> | Iterable<RecordedLine>,
  options: ReplayOptions,
): AsyncGenerator<Replayed> {
  let open: { session: string; principal: Principal; connection: ConnectionRef; reason?: string } | undefined;
  for await (const line of lines) {
    if (line.kind === 'open') open = opened(line, options.connections);
    if (line.kind !== 'intent' || open === undefined || typeof line.text !== 'string') continue;
    const { session, principal, connection, reason } = open;
    const context = reason === undefined ? {} : { reason };
    const parts = await options.analyse(connection.name, line.text);
    const decided = options.policy.session(principal, connection, context);
    const access = options.policy.access(principal, connection).access;
    const verdict = decided.decide(parts, line.text, Date.parse(String(line.at)));
    const rule = access === 'none' ? 'access' : verdict.rule;
    yield {
      ...{ session, principal, connection: connection.name, text: line.text },
      op: Number(line.op),
      at: String(line.at),
      was: String(line.verdict),
      now: access === 'none' ? 'deny' : verdict.verdict,
      ...(rule === undefined ? {} : { rule }),
      masks: decided.masker.touched(parts),
    };
  }
}

function opened(line: RecordedLine, connections: readonly ConnectionRef[]) {
  const connection = connections.find(({ name }) => name === line.connection);
  if (connection === undefined) return undefined;
  const given = Object.entries((line.principal ?? {}) as Record<string, unknown>);
  const as = Object.fromEntries(given.filter(([, value]) => value !== null && value !== undefined));
  const reason = typeof line.reason === 'string' ? { reason: line.reason } : {};
  return { session: String(line.session), principal: testPrincipal(as), connection, ...reason };
}
