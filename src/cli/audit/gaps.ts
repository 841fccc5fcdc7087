// What a comparison with the record lacks, and so could be wrong about: recordings that are not there or cannot be read, and
// connections that may lead to the same account, other gateways. Refuses to know: how those are found (reached.ts).

import { userError } from '../../core/errors.ts';
import type { CopiedEvent } from '../../session/reconcile/sent.ts';
import { plural } from '../text.ts';
import type { Lack } from './elsewhere.ts';
import type { Reached } from './reached.ts';
import type { Source } from './sources.ts';

/**
 * `unclear`: which account it uses is not told. `store not asked`: whether other gateways have sessions of it. The others are
 * about recordings.
 */
export type Why = Lack['why'] | 'encrypted' | 'unclear' | 'store not asked';

export interface Gap {
  /** Whose recordings they are, or whose store; none where it is about the connection, or is not known. */
  readonly gateway?: string;
  readonly connection: string;
  readonly why: Why;
  /** Whose recordings; none where it is about the connection. */
  readonly sessions: readonly string[];
}

type Found = Pick<Reached, 'gone' | 'unclear' | 'unasked' | 'sources' | 'connections'>;

/** What is about records that are not taken in. */
const ELSEWHERE: readonly Why[] = ['elsewhere', 'missing', 'store not asked'];

type Unread = (session: NonNullable<CopiedEvent['session']>) => void;

export class Gaps {
  readonly #found = new Map<string, Omit<Gap, 'sessions'> & { readonly sessions: Set<string> }>();
  readonly #gone: Reached['gone'];
  readonly #sources: Reached['sources'];

  constructor({ gone, unclear, unasked, sources, connections }: Found) {
    this.#gone = gone;
    this.#sources = sources;
    for (const connection of unclear) this.#add({ connection, why: 'unclear' });
    for (const gateway of unasked) this.#add({ gateway, connection: connections[0]!, why: 'store not asked' });
    for (const [session, lack] of gone) this.#add(lack, session);
  }

  get list(): readonly Gap[] {
    return [...this.#found.values()].map(({ sessions, ...gap }) => ({ ...gap, sessions: [...sessions] }));
  }

  /** Whether there is, or may be, a gateway of whose record some is not taken in: whatever the rest says. */
  get partial(): boolean {
    return this.list.some(({ why }) => ELSEWHERE.includes(why));
  }

  /**
   * For a session of `gateway` whose statements are encrypted. Those of the connection itself are an error, unless an identity
   * was tried.
   */
  unread(
    connection: string,
    { identity }: { readonly identity: string | undefined },
    { gateway }: Pick<Source, 'gateway'>,
  ): Unread {
    return (session) => {
      const of = session.connection ?? connection;
      const why = this.#gone.get(session.id)?.why ?? 'encrypted';
      if (why === 'encrypted' && of === connection && identity === undefined) {
        throw userError('recording_encrypted', `what session ${session.id} sent is encrypted: it cannot be compared`, {
          fix: 'pass --identity FILE with the age identity of a recipient',
        });
      }
      this.#add({ gateway, connection: of, why }, session.id);
    };
  }

  /** A line for each. */
  words(): string {
    const many = this.#sources.length > 1;
    const where = ({ gateway, why }: Gap) =>
      many && gateway !== undefined && !ELSEWHERE.includes(why) ? ` at ${gateway}` : '';
    return this.list
      .map((gap) => `incomplete because of '${gap.connection}'${where(gap)}: ${sentence(gap)}\n`)
      .join('');
  }

  #add(of: Omit<Gap, 'sessions'>, session?: string): void {
    const key = JSON.stringify([of.gateway, of.connection, of.why]);
    const gap = this.#found.get(key) ?? { ...of, sessions: new Set<string>() };
    this.#found.set(key, gap);
    if (session !== undefined) gap.sessions.add(session);
  }
}

/** Which connections' recordings were compared, and of which gateways, where it is more than the one that was asked for. */
export function takenIn({ connections, sources }: Pick<Reached, 'connections' | 'sources'>): string {
  const by = connections.length < 2 ? '' : `compared with what came by ${connections.join(', ')}\n`;
  const names = sources.map(({ gateway, data }) => (gateway === data ? gateway : `${gateway} (${data})`));
  return sources.length < 2 ? by : `${by}compared with the records of ${names.join(', ')}\n`;
}

function sentence({ gateway, connection, why, sessions }: Gap): string {
  if (why === 'unclear') {
    return `it has the same target, by an account that the configuration does not tell (--with ${connection} takes it in)`;
  }
  if (why === 'store not asked') {
    return `whether other gateways had sessions of it is not known: the record of ${gateway} has no gateway.json that leads to its store`;
  }
  const what = plural(sessions.length, 'recording');
  const many = sessions.length !== 1;
  const words: Readonly<Record<Exclude<Why, 'unclear' | 'store not asked'>, string>> = {
    purged: many ? 'were purged' : 'was purged',
    'key erased': `${many ? 'have' : 'has'} no key any more: it was erased`,
    damaged: many ? 'are damaged' : 'is damaged',
    unrecorded: many ? 'end before their sessions did (best-effort)' : 'ends before its session did (best-effort)',
    elsewhere: `${many ? 'are' : 'is'} of ${gateway ?? 'another gateway'}, whose record is not taken in (--data DIR, once for each gateway)`,
    missing: `${many ? 'are' : 'is'} not, or not to the end, in the record of ${gateway}: is it an older copy?`,
    encrypted: `${many ? 'are' : 'is'} encrypted and cannot be opened here (--identity FILE)`,
  };
  return `${what} ${words[why]}`;
}
