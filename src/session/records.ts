// What `sessions ls` knows of a session, and where that is kept. The recording is the evidence; this is the index.
// Refuses to know: SQL. Times are milliseconds since the epoch.

import type { ExemptRecord } from './exemptions.ts';
import type { KillRequest } from './fleet-store.ts';
import type { Principal } from './identity/principal.ts';

/** Where the files of a sealed recording are, beside the directory: there too, or only there. */
export type Stored = 'both' | 'object';

/** `erased`: its key is gone; `purged`: all of it. */
export type PurgeState = 'ordered' | 'begun' | 'erased' | 'purged';

/** That a recording is to go, and by whose word. */
export interface PurgeOrder {
  readonly reason: string;
  readonly by: string;
  readonly at: number;
  /** Only what it is encrypted with: the recording stays, and nobody reads it any more. */
  readonly only?: 'key';
  /** Of one whose key is gone already: who had that erased. Comes back where the order is taken back. */
  readonly before?: PurgeOrder;
}

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
  /** Masks that did not apply to the principal, at any time of the session. */
  readonly exempt?: readonly ExemptRecord[];
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
  /** The gateway that it lives or lived at, which has its recording. */
  readonly gateway?: string;
  /** Its connection lets it go on where recording fails. */
  readonly bestEffort?: boolean;
  /** Recording failed, and it went on: what is recorded is a beginning. */
  readonly unrecorded?: boolean;
  /** Of its connection, when it began. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Where its recording is: in object storage too, or there alone; left out: in the directory. */
  readonly stored?: Stored;
  /** Its recording, or its key, is to go, is being removed, or is gone. */
  readonly purge?: PurgeOrder & { readonly state: PurgeState };
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
    | 'unrecorded'
    | 'exempt'
  >
>;

export interface SessionFilter {
  readonly state?: SessionRecord['state'];
  readonly connection?: string;
  /** Subject or e-mail, exactly. */
  readonly who?: string;
  /** Only this principal's own, whatever acts for it. */
  readonly owner?: { readonly issuer: string; readonly subject: string };
  /** Started before this moment. */
  readonly before?: number;
  /** Those that the list has behind this one: for paging, as many may start in one moment. */
  readonly behind?: Pick<SessionRecord, 'id' | 'startedAt'>;
  /** Not ended before this moment. */
  readonly since?: number;
  /** Only those of this gateway, and those of which it is not known. */
  readonly gateway?: string;
  readonly limit?: number;
}

export interface SessionStore {
  add(record: SessionRecord): Promise<void>;
  /** Nothing happens when there is none of that id. */
  update(id: string, change: SessionChange): Promise<void>;
  get(id: string): Promise<SessionRecord | undefined>;
  /** Newest first; at most 100 without a limit. */
  list(filter?: SessionFilter): Promise<readonly SessionRecord[]>;
  /** Asks the gateway that an open session lives at to end it; false when there is no such session. */
  requestKill(request: KillRequest): Promise<boolean>;
  /** What others asked of this gateway. */
  killRequests(gateway: string): Promise<readonly KillRequest[]>;
  /** They live, though they were taken for dead. */
  reopen(ids: readonly string[]): Promise<void>;
}
