// A store in a temporary directory, a policy that says what a test wants, and sessions on them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSessionId } from '../../../src/core/ids.ts';
import { type Log, silentLog } from '../../../src/core/log.ts';
import type { Operation } from '../../../src/protocol/contract.ts';
import { Approvals } from '../../../src/session/approvals/approvals.ts';
import { Grants } from '../../../src/session/approvals/grants.ts';
import { SessionEvents } from '../../../src/session/events.ts';
import type { Principal } from '../../../src/session/identity/principal.ts';
import type { AuditKind, AuditLog } from '../../../src/session/log/audit.ts';
import type { Access, Policy, PolicyVerdict, SessionPolicy } from '../../../src/session/policy/types.ts';
import { readLines } from '../../../src/session/recorder/reader.ts';
import { Recorder } from '../../../src/session/recorder/recorder.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { SessionRegistry } from '../../../src/session/registry.ts';
import { createSession, type GatewaySession, type SessionOptions } from '../../../src/session/session.ts';
import { openStore, type Store } from '../../../src/store/index.ts';
import { nodeFiles } from '../../../src/store/node-files.ts';
import { FaultyFiles } from './recorder/fixtures.ts';

export const person = (name: string, ...groups: string[]): Principal => ({
  kind: 'person',
  subject: name,
  issuer: 'corp',
  email: `${name}@example.com`,
  groups,
  claims: {},
});
export const alice = person('alice', 'eng');
export const bob = person('bob', 'dba');
export const carol = person('carol', 'dba', 'admins');
export const aliceAgent: Principal = { ...alice, kind: 'agent', actor: 'claude' };

export const query = (text: string, params?: (string | null)[]): Operation => ({
  kind: 'query',
  text,
  exact: '',
  ...(params === undefined ? {} : { params }),
  parts: [{ does: ['select'], relations: [], functions: [], unbounded: false }],
});

/** Says what the text asks for: `deny …`, `review …`, `throw …`, else allow. */
export class FakePolicy implements Policy {
  readonly version: string;
  reach: Access = { access: 'open' };
  reviewers: PolicyVerdict['reviewers'] = { groups: ['dba'], count: 1 };
  waitMs = 60_000;
  reason: PolicyVerdict['reason'];
  firstSeen: string | undefined;
  masksFail = false;
  ruled = true;

  constructor(version = 'v1') {
    this.version = version;
  }

  access(): Access {
    return this.reach;
  }

  session(): SessionPolicy {
    return {
      ruled: this.ruled,
      reaching: false,
      masking: { columns: false, values: false },
      covering: undefined,
      decide: (_parts, text) => this.#decide(text),
      output: () => ({ finder: undefined, watches: [] }),
      outputVerdict: () => ({ verdict: 'allow', matched: [] }),
      masks: (columns) => {
        if (this.masksFail) throw new Error('the secret of masking');
        return columns.map((column) =>
          column.name === 'ssn' ? { name: 'pii', by: 'column' as const, text: () => '***' } : null,
        );
      },
    };
  }

  #decide(text: string): PolicyVerdict {
    if (text.startsWith('throw')) throw new Error('the secret of policy');
    if (text.startsWith('deny')) return { verdict: 'deny', rule: 'no', message: 'use a migration', matched: ['no'] };
    if (text.startsWith('odd')) return { verdict: 'maybe' as 'allow', matched: [] };
    const { firstSeen } = this;
    if (!text.startsWith('review')) return { verdict: 'allow', matched: [], ...(firstSeen ? { firstSeen } : {}) };
    const { reviewers, waitMs, reason } = this;
    const wants = reason === undefined ? {} : { reason };
    return { verdict: 'review', rule: 'look', matched: ['look'], reviewers, waitMs, ...wants };
  }
}

export interface Entry {
  readonly kind: AuditKind;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'session-'));
  readonly entries: Entry[] = [];
  readonly logged: { level: string; message: string }[] = [];
  readonly files = new FaultyFiles(nodeFiles);
  readonly events = new SessionEvents();
  readonly revoked = new Set<string>();
  policy: FakePolicy = new FakePolicy();
  /** Added to the time. */
  skew = 0;
  auditFails = false;
  /** How often other processes' decisions are looked for. */
  pollMs = 20;
  store!: Store;
  approvals!: Approvals;
  grants!: Grants;
  registry!: SessionRegistry;
  recorder!: Recorder;
  readonly clock = { now: () => Date.now() + this.skew };
  readonly audit: AuditLog = {
    append: (kind, fields) => {
      if (this.auditFails) throw Object.assign(new Error('the log is full'), { code: 'recording_failed' });
      this.entries.push({ kind, fields: JSON.parse(JSON.stringify(fields)) as Record<string, unknown> });
    },
  };
  readonly log: Log = {
    ...silentLog,
    error: (_fields, message) => void this.logged.push({ level: 'error', message }),
    warn: (_fields, message) => void this.logged.push({ level: 'warn', message }),
  };

  static async open(): Promise<World> {
    const world = new World();
    await world.start();
    return world;
  }

  async start(): Promise<void> {
    const { clock, audit, log } = this;
    this.store = await openStore({ directory: this.directory, clock, files: this.files });
    this.approvals = new Approvals({ reviews: this.store.reviews, audit, clock, log, pollMs: this.pollMs });
    this.registry = new SessionRegistry({ store: this.store.sessions, log });
    this.grants = new Grants({
      grants: this.store.grants,
      audit,
      clock,
      log,
      pollMs: this.pollMs,
      inUse: () => this.registry.grants(),
      revoked: (grant) => this.registry.killGrant(grant.id, 'the grant was revoked'),
    });
    this.recorder = new Recorder({ sink: this.store.recordings, now: () => clock.now(), version: 'test' });
  }

  session(overrides: Partial<SessionOptions> = {}): GatewaySession {
    const id = newSessionId(this.clock.now());
    const session = createSession({
      id,
      principal: alice,
      connection: { name: 'prod-db', protocol: 'sql', labels: {} },
      policy: () => this.policy,
      recorder: this.recorder,
      approvals: this.approvals,
      audit: this.audit,
      events: this.events,
      clock: this.clock,
      log: this.log,
      client: '127.0.0.1:1',
      revoked: (issuer, subject) => this.revoked.has(`${issuer}|${subject}`),
      ended: (change) => this.store.sessions.update(id, change),
      ...overrides,
    });
    this.registry.add(session);
    return session;
  }

  async lines(session: string): Promise<Record<string, unknown>[]> {
    const lines: Record<string, unknown>[] = [];
    for await (const line of readLines(readRecording(this.store.recordings, session))) lines.push(line);
    return lines;
  }

  async close(): Promise<void> {
    for (const live of this.registry.list()) (live as GatewaySession).end({ code: 'client_closed', message: '' });
    await Promise.all(this.registry.list().map((live) => live.closed));
    this.registry.stop();
    this.approvals.stop();
    this.grants.stop();
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
