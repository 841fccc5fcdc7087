// A document and the connections it speaks of → a policy that can be asked, or everything that is wrong with it.

import { randomBytes } from 'node:crypto';
import { ourError } from '../../core/errors.ts';
import type { Principal } from '../identity/principal.ts';
import { accessOf, compileAccess } from './access.ts';
import { checkPolicy, type PolicyConnection, type PolicyProblem } from './check.ts';
import { withoutClasses } from './classes.ts';
import { allHold } from './condition.ts';
import { type DangerSet, dangerSet } from './danger.ts';
import { type ExplainInput, type Explanation, explain } from './explain.ts';
import { type CompiledMask, compileMask } from './masks.ts';
import { type CompiledRule, compileRule } from './rule.ts';
import type { PolicyDocument } from './schema.ts';
import { type CompiledSession, hasReason, makeSession } from './session.ts';
import type { ConnectionRef, Lifted, Policy, Reviewers } from './types.ts';
import { type Unmasking, unmaskingOf } from './unmask.ts';

export type { PolicyConnection, PolicyProblem } from './check.ts';
export type { CompiledSession } from './session.ts';

export interface CompileOptions {
  readonly connections: readonly PolicyConnection[];
  /** SHA-256 of the document's text, hex. */
  readonly version: string;
  /**
   * The gateway's key for `hash` and `digits`, 32 random bytes kept with its data: the same key gives the same hashes.
   * Left out (an offline check): one for this process.
   */
  readonly maskKey?: Uint8Array;
}

/** What concerns a principal on a connection, by name. */
export interface Applying {
  readonly rules: readonly string[];
  readonly masks: readonly string[];
  /** Words of the protocol that are refused as opaque, because no rule lets them through. */
  readonly shut: readonly string[];
  /** Of the masks, those that a review may lift. */
  readonly liftable: readonly { readonly mask: string; readonly maxMs: number; readonly reviewers: Reviewers }[];
}

export interface SessionContext {
  readonly reason?: string;
  /** Masks that reviews have lifted for now. */
  readonly lifted?: readonly Lifted[];
}

/** A policy with what `explain`, `test` and `describe` need beside. */
export interface CompiledPolicy extends Policy {
  session(principal: Principal, connection: ConnectionRef, context: SessionContext): CompiledSession;
  /** What lifting masks takes, by their names or those of columns. Errors: `not_found`, `forbidden`. */
  unmasking(principal: Principal, connection: ConnectionRef, wanted: readonly string[]): Unmasking;
  explain(input: ExplainInput): Explanation;
  /** The names of the rules and masks that concern the principal on the connection. */
  applying(principal: Principal, connection: ConnectionRef): Applying;
}

export type CompileResult =
  | { readonly policy: CompiledPolicy; readonly problems?: undefined }
  | { readonly problems: readonly PolicyProblem[]; readonly policy?: undefined };

/** The document has to have passed `policySchema`. */
export function compilePolicy(document: PolicyDocument, options: CompileOptions): CompileResult {
  const problems = checkPolicy(document, options.connections);
  if (problems.length > 0) return { problems };
  return { policy: new PolicyOf(withoutClasses(document), options) };
}

/** How many distinct sets of rules are kept ready; principals with the same rules and masks share one. */
const SESSIONS_KEPT = 1000;

class PolicyOf implements CompiledPolicy {
  readonly version: string;
  readonly #key: Uint8Array;
  readonly #connections: ReadonlyMap<string, { readonly connection: PolicyConnection; readonly danger: DangerSet }>;
  readonly #access;
  readonly #rules: readonly CompiledRule[];
  readonly #masks: readonly CompiledMask[];
  readonly #sessions = new Map<string, CompiledSession>();

  constructor(document: PolicyDocument, { connections, version, maskKey }: CompileOptions) {
    this.version = version;
    this.#key = maskKey ?? randomBytes(32);
    this.#connections = new Map(
      connections.map((connection) => [connection.name, { connection, danger: dangerSet(connection.vocabulary) }]),
    );
    this.#access = document.access.map(compileAccess);
    this.#rules = document.rules.map(compileRule);
    this.#masks = document.masks.map(compileMask);
  }

  access(principal: Principal, connection: ConnectionRef) {
    const known = this.#connections.get(connection.name);
    return known === undefined ? ({ access: 'none' } as const) : accessOf(this.#access, principal, known.connection);
  }

  session(principal: Principal, ref: ConnectionRef, context: SessionContext): CompiledSession {
    const { connection, danger } = this.#known(ref);
    const reasoned = hasReason(context.reason);
    const rules = this.#rulesFor(principal, connection).filter((rule) => !rule.reasonMissing || !reasoned);
    const all = this.#masksFor(principal, connection);
    const spared = this.#masks.filter((mask) => allHold(mask.to, connection) && !all.includes(mask));
    const { lifted: wanted = [] } = context;
    const lifted = all.filter(
      (mask) =>
        mask.unmask !== undefined && wanted.some((one) => one.mask === mask.name && one.definition === mask.definition),
    );
    const names = [rules, all, lifted].map((list) => list.map(({ name }) => name));
    const key = JSON.stringify([connection.name, ...names]);
    let session = this.#sessions.get(key);
    if (session === undefined) {
      const columns = connection.capabilities.columns !== false;
      session = makeSession(rules, { all, lifted, spared }, { danger, columns, key: this.#key });
      if (this.#sessions.size >= SESSIONS_KEPT) this.#sessions.clear();
      this.#sessions.set(key, session);
    }
    return session;
  }

  applying(principal: Principal, ref: ConnectionRef) {
    const { connection } = this.#known(ref);
    const masks = this.#masksFor(principal, connection);
    const rules = this.#rulesFor(principal, connection);
    const { guards } = this.session(principal, connection, {});
    const { opaque } = connection.vocabulary;
    return {
      rules: rules.map((rule) => rule.name),
      shut: guards.opaque ? opaque.filter((word) => !rules.some(({ lift }) => lift?.opaque([word]))) : [],
      masks: masks.map((mask) => mask.name),
      liftable: masks.flatMap(({ name: mask, unmask }) => {
        if (unmask === undefined) return [];
        return [{ mask, maxMs: unmask.maxMs, reviewers: unmask.reviewers }];
      }),
    };
  }

  unmasking(principal: Principal, ref: ConnectionRef, wanted: readonly string[]): Unmasking {
    const { connection } = this.#known(ref);
    return unmaskingOf(this.#masksFor(principal, connection), connection.name, wanted);
  }

  explain(input: ExplainInput): Explanation {
    const { connection, danger } = this.#known(input.connection);
    return explain(input, {
      connection,
      danger,
      rules: this.#rules,
      masks: this.#masks,
      access: this.access(input.principal, connection),
      session: this.session(input.principal, connection, { reason: input.reason }),
    });
  }

  #known(ref: ConnectionRef) {
    const known = this.#connections.get(ref.name);
    if (known === undefined)
      throw ourError('internal', `policy was asked about connection "${ref.name}", which it does not know`);
    return known;
  }

  #rulesFor(principal: Principal, connection: PolicyConnection): readonly CompiledRule[] {
    const { vocabulary } = connection;
    return this.#rules.filter(
      (rule) => allHold(rule.to, connection) && allHold(rule.who, principal) && rule.canHold(vocabulary),
    );
  }

  #masksFor(principal: Principal, connection: ConnectionRef): readonly CompiledMask[] {
    return this.#masks.filter(
      (mask) => allHold(mask.to, connection) && !(mask.unless !== undefined && allHold(mask.unless, principal)),
    );
  }
}
