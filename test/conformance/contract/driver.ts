// What a protocol has to bring to be held to the contract at the wire: a real target that tells what it ran, and a client.
// Refuses to know: what is checked (contract.test.ts).

import type { Client } from '../../support/gateway.ts';
import type { Need } from '../../support/needs.ts';

/** How an operation came out, as its client was told. */
export interface Answer {
  readonly ok: boolean;
  /** Everything that came: results, errors, notices. */
  readonly told: string;
}

/** One conversation of one client. */
export interface Conversation {
  /** Runs an operation that carries the tag and has its target answer with it. Rejects when the conversation ends instead. */
  run(tag: string): Promise<Answer>;
  /** Why it ended, in whatever words the client got; resolves when it has. */
  readonly ended: Promise<string>;
  /** The same of what may be taken for it: `Alike`. */
  runAlike(alike: string, which: 'one' | 'other', tag: string): Promise<Answer>;
  /** Leaves without a word. */
  destroy(): void;
}

export interface RunningTarget {
  /** The connection's part of the gateway's configuration. */
  connection(more?: Record<string, unknown>): Record<string, unknown>;
  readonly env: Record<string, string>;
  /** What logs in to the target, and must be seen nowhere else. */
  readonly secret: string;
  /** Whether the target has run an operation with this tag, by its own record. */
  ran(tag: string): boolean;
  stop(): Promise<void>;
}

export interface Driver {
  /** As in the registry. */
  readonly protocol: string;
  readonly needs: readonly Need[];
  start(): Promise<RunningTarget>;
  /** Through a local port of `connect` for that connection. */
  converse(client: Client, port: number): Promise<Conversation>;
  /**
   * Pairs of operations that a reader, or a careless digest, could take for the same: other bytes, formats, types, what they
   * start with. Each carries the tag. An approval of one is none of the other.
   */
  readonly alike: readonly string[];
  /** A limit of the protocol's that one operation can go over, set low, and a tag that does. */
  readonly limit: { readonly name: string; readonly value: number };
}
