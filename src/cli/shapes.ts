// What the gateway's HTTP API answers with, as far as verbs show it. Fields that a gateway may leave out are optional.

import type { PrincipalFacts } from '../login/exchange.ts';

export interface ConnectionItem {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly access: 'open' | 'grant' | 'granted';
  readonly grantUntil?: string | number;
  readonly described: Readonly<Record<string, string>>;
  readonly recording?: { readonly rows: number; readonly bytes: number };
}

export interface ConnectionDetails extends ConnectionItem {
  readonly coverage: readonly string[];
  readonly rules: readonly string[];
  readonly masks: readonly string[];
  readonly capabilities: Readonly<Record<string, boolean>>;
  /** Where access has to be asked for. */
  readonly grant?: {
    readonly maxMs: number;
    readonly reviewers: readonly string[];
    readonly count: number;
    readonly breakGlassMs?: number;
  };
  readonly native?: string;
}

export interface SessionItem {
  readonly id: string;
  readonly principal: PrincipalFacts;
  readonly connection: string;
  readonly protocol?: string;
  readonly client?: string;
  readonly via?: string;
  readonly reason?: string;
  readonly state: string;
  readonly startedAt: string | number;
  readonly endedAt?: string | number;
  readonly operations?: number;
  readonly denied?: number;
  readonly fromClient?: number;
  readonly toClient?: number;
  readonly end?: { readonly code: string; readonly message: string };
  readonly recording?: {
    readonly bytes: number;
    readonly lines?: number;
    readonly digest?: string;
    readonly sealed: boolean;
  };
}

export interface ReviewItem {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly requester: PrincipalFacts;
  readonly connection: string;
  readonly session?: string;
  readonly rule?: string;
  readonly message?: string;
  readonly outcome?: string;
  readonly text?: string;
  readonly params?: readonly (string | null)[];
  readonly reason?: string;
  readonly forMs?: number;
  readonly createdAt: string | number;
  readonly expiresAt?: string | number;
  readonly reviewers?: { readonly groups: readonly string[]; readonly count: number; readonly reason?: 'required' };
  /** The statement with its constants taken out. */
  readonly shape?: string;
  readonly touches?: {
    readonly does: readonly string[];
    readonly reads: readonly string[];
    readonly writes: readonly string[];
    readonly functions: readonly string[];
    readonly opaque?: string;
  };
  readonly standing?: { readonly kind: string; readonly until: string };
  /** Answer of a request that broke the glass. */
  readonly grant?: GrantItem;
  readonly decisions?: readonly {
    readonly by: string;
    readonly decision: string;
    readonly reason?: string;
    readonly variant?: string;
    readonly at: string | number;
  }[];
}

export interface GrantItem {
  readonly id: string;
  readonly principal: {
    readonly subject: string;
    readonly issuer: string;
    readonly actor?: string;
    readonly name: string;
  };
  readonly connection: string;
  readonly state?: string;
  readonly breakGlass?: true;
  readonly until: string | number;
  readonly reason?: string;
  readonly review?: string;
}

export interface WebhookAnswer {
  readonly webhooks: readonly {
    readonly name: string;
    readonly format: string;
    readonly events: readonly string[];
    readonly pending: number;
    readonly dead: number;
  }[];
  readonly deliveries: readonly {
    readonly id: string;
    readonly webhook: string;
    readonly event: string;
    readonly state: string;
    readonly attempts: number;
    readonly createdAt: string;
    readonly nextAt?: string;
    readonly error?: string;
  }[];
}

/** `alice@example.com (agent: claude)` */
export function nameOf(principal: PrincipalFacts | undefined): string {
  if (principal === undefined) return '';
  const who = principal.email ?? principal.subject;
  return principal.actor === undefined ? who : `${who} (agent: ${principal.actor})`;
}
