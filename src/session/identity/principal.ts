// Who asks. Made by identity from a verified token; every verdict and record carries it.

export type PrincipalKind = 'person' | 'workload' | 'agent';

export interface Principal {
  /** `agent` when an actor acts for a person or workload. */
  readonly kind: PrincipalKind;
  /** The token's `sub`. */
  readonly subject: string;
  /** The configured name of the issuer that vouched: `corp`, `local`, `service-accounts`. */
  readonly issuer: string;
  readonly email?: string;
  readonly groups: readonly string[];
  /** The agent or program acting for the subject, self-declared or from the token's `act` claim (RFC 8693 §4.1). */
  readonly actor?: string;
  /** Claims that policy may match (issuer claims of workloads: repository, ref, …). Strings only. */
  readonly claims: Readonly<Record<string, string>>;
}

/** Stable identity of the human or workload behind a principal, whatever acts for it: two-person rules count these. */
export function principalKey(principal: Principal): string {
  return `${principal.issuer}|${principal.subject}`;
}

/** `alice@example.com` or the subject; with the actor: `alice@example.com (agent: claude)`. */
export function displayName(principal: Principal): string {
  const who = principal.email ?? principal.subject;
  return principal.actor === undefined ? who : `${who} (agent: ${principal.actor})`;
}
