// Whether what is read of a session's recording is what was written: its chain, and the seal that the gateway has of it in its
// store. Refuses to know: what is shown of it.

import type { RawLine } from '../session/recorder/reader.ts';
import { ChainChecker } from '../session/recorder/verify.ts';
import { type Api, route } from './api.ts';
import type { SessionItem } from './shapes.ts';
import { oneLine, plural } from './text.ts';

export class Vouched {
  readonly #checker = new ChainChecker();
  readonly #expected: SessionItem['recording'];

  /** `expected`: as the gateway told of it before it was read: one that is sealed meanwhile may end before its seal. */
  constructor(expected: SessionItem['recording']) {
    this.#expected = expected;
  }

  /** To be asked for before it is read. Errors: those of the API. */
  static async of(api: Api, session: string, signal: AbortSignal): Promise<Vouched> {
    const { recording } = await api.call<SessionItem>(route`sessions/${session}`, { signal });
    return new Vouched(recording);
  }

  readonly raw = (line: RawLine): void => this.#checker.line(line);

  /** One line each. */
  problems(): string[] {
    const { problems, seal, lines } = this.#checker;
    const found = problems.map(({ message }) => message);
    // A chain alone can be cut behind any line, and made anew from the first.
    const { sealed, digest } = this.#expected ?? {};
    const due = digest === undefined ? '' : `, the gateway has it as sealed with ${digest}`;
    if (sealed === true && seal === undefined) {
      found.push(`it ends after ${plural(lines, 'line')} without its seal: the end is missing${due}`);
    } else if (sealed === true && digest !== undefined && seal?.digest !== digest) {
      found.push(`its seal's digest is ${String(seal?.digest)}${due}: it was replaced`);
    }
    return found.map((one) => oneLine(one));
  }

  /** What it is when it has no problem. */
  get said(): string {
    const { seal, lines } = this.#checker;
    const end = seal === undefined ? 'not sealed yet' : `sealed as ${String(seal.digest)}`;
    return `${plural(lines, 'line')}, the chain holds, ${end}`;
  }
}
