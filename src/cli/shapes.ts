// What the gateway's HTTP API answers with, as far as verbs show it. Fields that a gateway may leave out are optional.

import type { PrincipalFacts } from '../login/exchange.ts';

export interface ConnectionItem {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly access: 'open' | 'grant' | 'granted';
  readonly grantUntil?: string | number;
  readonly described: Readonly<Record<string, string>>;
  readonly recording?: {
    readonly rows: number;
    readonly bytes: number;
    readonly durability?: string;
    readonly onFailure?: string;
    /** For whom recordings are encrypted. */
    readonly encrypt?: readonly string[];
    readonly gatewayReads?: boolean;
  };
}

export interface ConnectionDetails extends ConnectionItem {
  /** The vkey of the gateway's log. */
  readonly logKey?: string;
  readonly coverage: readonly string[];
  readonly rules: readonly string[];
  readonly masks: readonly string[];
  /** Operations that are refused as opaque, because no rule lets them through. */
  readonly shut?: readonly string[];
  /** Masks that a review may lift. */
  readonly liftable?: readonly {
    readonly mask: string;
    readonly maxMs: number;
    readonly reviewers: readonly string[];
    readonly count: number;
  }[];
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

/** One operation that a search found. */
export interface FoundItem {
  readonly session: string;
  readonly op: number;
  readonly at: string;
  readonly principal: string;
  readonly connection: string;
  readonly verdict: string;
  readonly status: string;
  readonly rows?: number;
  readonly us?: number;
  readonly text: string;
}

/** The gateways of one store. */
export interface GatewaysAnswer {
  readonly gateways: readonly {
    readonly id: string;
    readonly host: string;
    readonly url: string;
    readonly version: string;
    readonly state: string;
    readonly startedAt: string;
    readonly seenAt: string;
  }[];
}

export interface SessionItem {
  readonly id: string;
  readonly principal: PrincipalFacts;
  readonly connection: string;
  readonly protocol?: string;
  readonly client?: string;
  readonly via?: string;
  readonly reason?: string;
  /** Masks that did not apply to the principal. */
  readonly exempt?: readonly {
    readonly mask: string;
    readonly by: string;
    readonly grant?: string;
    readonly until?: string;
  }[];
  /** Where it lives or lived, and its recording is. */
  readonly gateway?: string;
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
    readonly bestEffort?: boolean;
    readonly unrecorded?: boolean;
    /** For whom, and whether its key is gone: then nobody reads it. */
    readonly encryption?: {
      readonly recipients: readonly string[];
      /** Its key, by `order`; `lost`: by nobody's. */
      readonly erased: boolean;
      readonly lost: boolean;
      readonly order?: { readonly at: string; readonly by: string; readonly reason: string };
    };
    readonly where?: string;
    readonly purge?: {
      readonly state: 'ordered' | 'begun' | 'erased' | 'purged';
      readonly reason: string;
      readonly by: string;
      readonly at: string;
    };
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
  /** Of a text that shows some of them escaped. */
  readonly bytes?: string;
  readonly params?: readonly (string | null)[];
  /** How they are to be read where they are not plain text. */
  readonly forms?: readonly (string | null)[];
  readonly reason?: string;
  /** Asked to be lifted. */
  readonly masks?: readonly string[];
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
  /** Lifted, in place of access. */
  readonly masks?: readonly string[];
  readonly state?: string;
  readonly breakGlass?: true;
  readonly until: string | number;
  /** Why it was asked for. */
  readonly reason?: string;
  readonly revokedBy?: string;
  readonly revokedReason?: string;
  readonly review?: string;
}

export interface ExportItem {
  readonly name: string;
  readonly to: string;
  readonly state: 'idle' | 'sending' | 'failing';
  readonly sequence: number;
  readonly lagMs: number;
  readonly refused: number;
  readonly error?: string;
  readonly failingSince?: string;
}

/** The object storage of the recordings. */
export interface RecordingStoreItem {
  readonly to: string;
  readonly state: 'idle' | 'sending' | 'failing';
  readonly waiting: number;
  readonly lagMs: number;
  readonly uploaded: number;
  readonly error?: string;
}

export interface ExportsAnswer {
  readonly exports: readonly ExportItem[];
  readonly recordings?: RecordingStoreItem;
}

export interface MissingCredentials {
  readonly missing: readonly (Lacking & { readonly connection: string })[];
  /** Neither is said by an older gateway. */
  readonly secrets?: readonly (Lacking & { readonly stops: string })[];
  readonly issuers?: readonly { readonly name: string; readonly error: string; readonly fix: string }[];
}

interface Lacking {
  /** In the configuration. */
  readonly where: string;
  readonly reference: string;
  readonly why: string;
  readonly fix: string;
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

/** What there is to say of a session that may go on, or went on, where recording fails. */
export function recordText({ recording }: SessionItem): string | undefined {
  if (recording?.unrecorded === true) return 'UNRECORDED from some point on (best-effort)';
  return recording?.bestEffort === true ? 'best-effort' : undefined;
}
