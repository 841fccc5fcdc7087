// Who had access to what, by which version of the policy: each principal that the record has seen, asked of each version that
// was in force, by the code that decides in the gateway. Refuses to know: how policy decides.

import { formatDuration } from '../../core/clock.ts';
import { displayName, type Principal } from '../identity/principal.ts';
import type { LogEntry } from '../log/audit.ts';
import type { Access } from '../policy/types.ts';
import { Capped, Counts } from './capped.ts';
import { asTable, type Collector, type SessionFacts } from './collector.ts';
import { brief, principalOf } from './fields.ts';
import type { Policies } from './policies.ts';
import type { PolicyView, Report, Row } from './types.ts';

/** Principals, and pairs of principal and connection, that are told apart. */
const MAX_PRINCIPALS = 5000;
const MAX_PAIRS = 20_000;
/** Cells of the matrix that a report has. */
const CELLS = 400;

const pairOf = (who: string, connection: string) => `${who}\n${connection}`;
const keyOf = ({ issuer, subject, actor }: Principal) => JSON.stringify([issuer, subject, actor ?? null]);

export class WhoHadAccess implements Collector {
  readonly #policies: Policies;
  readonly #rows: number;
  /** As last seen, by issuer, subject and actor. */
  readonly #principals = new Map<string, Principal>();
  /** By the name that is shown, for the picture; by the principal, for the table: two issuers may have the same name. */
  readonly #sessions = new Counts(MAX_PAIRS);
  readonly #ownSessions = new Counts(MAX_PAIRS);
  #unlisted = 0;

  constructor(policies: Policies, rows: number) {
    this.#policies = policies;
    this.#rows = rows;
  }

  entry({ kind, fields }: LogEntry): void {
    if (kind !== 'login' && kind !== 'access') return;
    const principal = principalOf(fields.principal);
    if (principal === undefined) return;
    const key = keyOf(principal);
    if (this.#principals.has(key) || this.#principals.size < MAX_PRINCIPALS) this.#principals.set(key, principal);
    else this.#unlisted += 1;
  }

  over({ ran, who, connection }: SessionFacts): void {
    this.#sessions.add(pairOf(who, connection));
    const principal = principalOf(ran.letIn.fields.principal);
    if (principal !== undefined) this.#ownSessions.add(pairOf(keyOf(principal), connection));
  }

  get principals(): number {
    return this.#principals.size + (this.#unlisted > 0 ? 1 : 0);
  }

  get matrix(): Report['matrix'] {
    const all = this.#sessions.sorted();
    const cells = all.slice(0, CELLS).map(([pair, sessions]) => {
      const [who, connection] = pair.split('\n') as [string, string];
      return { who, connection, sessions };
    });
    return { cells, total: all.length };
  }

  async sections() {
    const views = await this.#policies.views();
    const found = new Capped<Row>(this.#rows);
    const known = [...this.#principals.values()].sort(byName);
    for (const principal of known) {
      for (const row of this.#accessOf(principal, views)) found.add(() => row);
    }
    return { access: asTable(found), lines: this.#lines(views) };
  }

  /** A row for each connection and each answer that versions gave; none where all of them gave no access. */
  *#accessOf(principal: Principal, views: ReadonlyMap<string, PolicyView | string>): Generator<Row> {
    const answers = new Map<string, Map<string, string[]>>();
    for (const [version, view] of views) {
      if (typeof view === 'string') continue;
      for (const connection of view.connections) {
        const said = inWords(view.access(principal, connection));
        const byAnswer = answers.get(connection.name) ?? new Map<string, string[]>();
        answers.set(connection.name, byAnswer.set(said, [...(byAnswer.get(said) ?? []), version]));
      }
    }
    const who = displayName(principal);
    for (const [connection, byAnswer] of [...answers].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (byAnswer.size === 1 && byAnswer.has(NONE)) continue;
      for (const [access, versions] of byAnswer) {
        const everywhere = versions.length === views.size && this.#policies.unread === 0;
        yield {
          ...{
            who,
            issuer: principal.issuer,
            kind: principal.kind,
            groups: principal.groups.join(', '),
            connection,
            access,
          },
          versions: everywhere ? 'all in force' : versions.map(brief).join(', '),
          sessions: this.#ownSessions.all.get(pairOf(keyOf(principal), connection)) ?? 0,
        };
      }
    }
  }

  #lines(views: ReadonlyMap<string, PolicyView | string>) {
    const lines = new Capped<Row>(this.#rows);
    for (const { version, from, to, entry } of this.#policies.inForce) {
      const view = views.get(version)!;
      const row = { version: brief(version), from, to: to ?? 'still in force', entry };
      if (typeof view === 'string') lines.add(() => ({ ...row, line: `cannot be read any more: ${view}` }));
      else for (const line of view.lines) lines.add(() => ({ ...row, line: JSON.stringify(line) }));
    }
    const { unread } = this.#policies;
    if (unread > 0) {
      const line = `${unread} more came into force: who had access by them is in a report on a shorter span`;
      lines.add(() => ({ version: 'not read', line }));
    }
    return asTable(lines);
  }
}

const NONE = 'none';

function inWords(access: Access): string {
  if (access.access !== 'grant') return access.access;
  const { reviewers, maxMs, breakGlass, reason } = access;
  const glass = breakGlass === undefined ? '' : `the glass may be broken for ${formatDuration(breakGlass.maxMs)}`;
  if (reviewers.groups.length === 0) return glass === '' ? NONE : glass;
  const by = `${reviewers.count} of ${reviewers.groups.join(', ')}`;
  const grant = `with a grant of up to ${formatDuration(maxMs)} that ${by} approves${reason === undefined ? '' : ', reason required'}`;
  return glass === '' ? grant : `${grant}; ${glass}`;
}

function byName(a: Principal, b: Principal): number {
  const [x, y] = [displayName(a), displayName(b)];
  return x < y ? -1 : x > y ? 1 : a.issuer < b.issuer ? -1 : 1;
}
