// What a comparison with the record lacks, and so could be wrong about: recordings that are not there or cannot be read, and
// connections that may lead to the same account. Refuses to know: how those are found (reached.ts).

import { userError } from '../../core/errors.ts';
import type { CopiedEvent } from '../../session/reconcile/sent.ts';
import { plural } from '../text.ts';
import type { Gone, Reached } from './reached.ts';

/** `unclear`: which account it uses is not told. The others are about recordings. */
export type Why = Gone | 'encrypted' | 'unclear';

export interface Gap {
  readonly connection: string;
  readonly why: Why;
  /** Whose recordings; none where it is about the connection. */
  readonly sessions: readonly string[];
}

type Unread = (session: NonNullable<CopiedEvent['session']>) => void;

export class Gaps {
  readonly #found = new Map<string, { connection: string; why: Why; sessions: Set<string> }>();
  readonly #gone: Reached['gone'];

  constructor({ gone, unclear }: Pick<Reached, 'gone' | 'unclear'>) {
    this.#gone = gone;
    for (const one of unclear) this.#add(one, 'unclear');
    for (const [session, { connection, why }] of gone) this.#add(connection, why, session);
  }

  get list(): readonly Gap[] {
    return [...this.#found.values()].map(({ sessions, ...gap }) => ({ ...gap, sessions: [...sessions] }));
  }

  /** For a session whose statements are encrypted. Those of the connection itself are an error, unless an identity was tried. */
  unread(connection: string, { identity }: { readonly identity: string | undefined }): Unread {
    return (session) => {
      const of = session.connection ?? connection;
      const why = this.#gone.get(session.id)?.why ?? 'encrypted';
      if (why === 'encrypted' && of === connection && identity === undefined) {
        throw userError('recording_encrypted', `what session ${session.id} sent is encrypted: it cannot be compared`, {
          fix: 'pass --identity FILE with the age identity of a recipient',
        });
      }
      this.#add(of, why, session.id);
    };
  }

  /** A line for each. */
  words(): string {
    return this.list.map((gap) => `incomplete because of '${gap.connection}': ${sentence(gap)}\n`).join('');
  }

  #add(connection: string, why: Why, session?: string): void {
    const key = `${connection} ${why}`;
    const gap = this.#found.get(key) ?? { connection, why, sessions: new Set() };
    this.#found.set(key, gap);
    if (session !== undefined) gap.sessions.add(session);
  }
}

/** Which connections' recordings were compared, where it is more than the one that was asked for. */
export function takenIn(connections: readonly string[]): string {
  return connections.length < 2 ? '' : `compared with what came by ${connections.join(', ')}\n`;
}

function sentence({ connection, why, sessions }: Gap): string {
  if (why === 'unclear') {
    return `it has the same target, by an account that the configuration does not tell (--with ${connection} takes it in)`;
  }
  const what = plural(sessions.length, 'recording');
  const many = sessions.length !== 1;
  const words: Readonly<Record<Exclude<Why, 'unclear'>, string>> = {
    purged: many ? 'were purged' : 'was purged',
    'key erased': `${many ? 'have' : 'has'} no key any more: it was erased`,
    damaged: many ? 'are damaged' : 'is damaged',
    unrecorded: many ? 'end before their sessions did (best-effort)' : 'ends before its session did (best-effort)',
    encrypted: `${many ? 'are' : 'is'} encrypted and cannot be opened here (--identity FILE)`,
  };
  return `${what} ${words[why]}`;
}
