// What `sessions ls` knows of a session, and where that is kept. The recording is the evidence; this is the index.
// Refuses to know: SQL. Times are milliseconds since the epoch.

import type { Principal } from './identity/principal.ts';

export interface SessionRecord {
  readonly id: string;
  readonly principal: Principal;
  readonly connection: string;
  readonly protocol: string;
  /** The client's address. */
  readonly client: string;
  readonly via?: string;
  readonly reason?: string;
  readonly grant?: string;
  readonly startedAt: number;
  readonly endedAt?: number;
  /** `interrupted`: the gateway went away under it; sealed at the next start. */
  readonly state: 'open' | 'ended' | 'interrupted';
  readonly endCode?: string;
  readonly endMessage?: string;
  readonly operations: number;
  readonly denied: number;
  /** Bytes of traffic. */
  readonly fromClient: number;
  readonly toClient: number;
  /** Of the recording: bytes, lines, the seal's digest; `sealed` is false when it could not be sealed or was moved away. */
  readonly bytes: number;
  readonly lines?: number;
  readonly digest?: string;
  readonly sealed: boolean;
}

export type SessionChange = Partial<
  Pick<
    SessionRecord,
    | 'endedAt'
    | 'state'
    | 'endCode'
    | 'endMessage'
    | 'operations'
    | 'denied'
    | 'fromClient'
    | 'toClient'
    | 'bytes'
    | 'lines'
    | 'digest'
    | 'sealed'
  >
>;

export interface SessionFilter {
  readonly state?: SessionRecord['state'];
  readonly connection?: string;
  /** Subject or e-mail, exactly. */
  readonly who?: string;
  /** Only this principal's own, whatever acts for it. */
  readonly owner?: { readonly issuer: string; readonly subject: string };
  /** Started before this moment: for paging. */
  readonly before?: number;
  readonly limit?: number;
}

export interface SessionStore {
  add(record: SessionRecord): Promise<void>;
  /** Nothing happens when there is none of that id. */
  update(id: string, change: SessionChange): Promise<void>;
  get(id: string): Promise<SessionRecord | undefined>;
  /** Newest first; at most 100 without a limit. */
  list(filter?: SessionFilter): Promise<readonly SessionRecord[]>;
}
