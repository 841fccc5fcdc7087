// The facts of an operation with everything that it reaches, as the catalogue has it: at once where that is at hand.
// Refuses to know: rules of the policy, wire formats.

import { peerError } from '../../../core/errors.ts';
import type { Facts } from '../../contract.ts';
import type { Analysis, StatementInfo } from '../analysis.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Snapshot } from '../catalogue/snapshot.ts';
import { changes } from '../machine/reading.ts';
import type { AnalysedStatement } from '../sql/statement.ts';
import type { SessionNames } from './relations.ts';
import { Walk } from './walk.ts';

/** How often definitions may turn out to need further definitions. */
const DEPTH = 32;

/** How names resolve when one statement of an operation is reached. */
export interface Moment {
  readonly names: SessionNames;
  readonly pending: boolean;
}

/** One part of an operation: what it says, and the statements that it is (its own, and what it executes by name). */
export interface Said {
  readonly facts: Facts;
  readonly infos: readonly { readonly info: StatementInfo; readonly facts: Facts }[];
  readonly moment: Moment;
}

export type Sources = readonly { readonly analysis: Analysis | undefined; readonly part: number }[] | undefined;

interface Found {
  readonly names: SessionNames;
  readonly parts: readonly Facts[];
}

/** For all sessions of one database and user. */
export class Reach {
  readonly #catalogue: Catalogue;
  #snapshot: Snapshot | undefined;
  #known = new WeakMap<readonly Facts[], Found>();
  #texts = new Map<string, AnalysedStatement | undefined>();

  constructor(catalogue: Catalogue) {
    this.#catalogue = catalogue;
  }

  /** What was found before for these very parts, while the catalogue is as it was then. */
  remembered(parts: readonly Facts[], names: SessionNames): readonly Facts[] | undefined {
    const snapshot = this.#catalogue.current();
    if (snapshot === undefined || snapshot !== this.#snapshot) return undefined;
    const found = this.#known.get(parts);
    return found?.names === names ? found.parts : undefined;
  }

  /**
   * Rejects or throws when the catalogue cannot be read.
   * @param said asked again when the catalogue has been read: what names mean depends on it.
   * @param shared whether these parts come again, for the same text.
   */
  reached(
    parts: readonly Facts[],
    said: () => readonly Said[],
    shared: boolean,
  ): readonly Facts[] | Promise<readonly Facts[]> {
    this.#catalogue.wantCode();
    const snapshot = this.#catalogue.current();
    if (snapshot?.code !== undefined) {
      const { found, complete } = this.#attempt(snapshot, parts, said(), shared);
      if (complete) return found;
    }
    return this.#complete(parts, said, shared, snapshot);
  }

  async #complete(
    parts: readonly Facts[],
    said: () => readonly Said[],
    shared: boolean,
    known: Snapshot | undefined,
  ): Promise<readonly Facts[]> {
    let snapshot = known?.code === undefined ? await this.#catalogue.fresh() : known;
    let looked = snapshot !== known;
    for (let depth = 0; depth < DEPTH; depth++) {
      const { code } = snapshot;
      if (code === undefined) throw peerError('target_error', 'the catalogue was read without what runs by itself');
      const { found, complete, walks } = this.#attempt(snapshot, parts, said(), shared, looked);
      if (complete) return found;
      const views = walks.flatMap((walk) => [...walk.views]);
      const bodies = walks.flatMap((walk) => [...walk.bodies]);
      if (views.length + bodies.length === 0) {
        // A name that the snapshot does not have may be newer than it.
        snapshot = await this.#catalogue.fresh();
        looked = true;
        continue;
      }
      if (views.length > 0) await this.#catalogue.loadDefinitions(snapshot, views);
      if (bodies.length > 0) await this.#catalogue.loadBodies(code, bodies);
    }
    throw peerError('target_error', `views and functions lie more than ${DEPTH} deep upon each other`);
  }

  #attempt(
    snapshot: Snapshot,
    parts: readonly Facts[],
    said: readonly Said[],
    shared: boolean,
    looked = false,
  ): { found: readonly Facts[]; complete: boolean; walks: readonly Walk[] } {
    if (this.#snapshot !== snapshot) {
      this.#snapshot = snapshot;
      this.#known = new WeakMap();
      this.#texts = new Map();
    }
    const walks: Walk[] = [];
    const found: Facts[] = [];
    const more: Facts[] = [];
    for (const { facts, infos, moment } of said) {
      const whole = infos.map(({ info, facts: own }) => {
        const past = this.#catalogue;
        const walk = new Walk({ snapshot, code: snapshot.code!, past, texts: this.#texts, ...moment });
        walks.push(walk);
        const part = walk.statement(info as AnalysedStatement, own).facts();
        more.push(...walk.more.filter((each) => !each.empty).map((each) => each.facts()));
        return part;
      });
      found.push(joined(facts, whole));
    }
    const missing = walks.some((walk) => walk.views.size + walk.bodies.size > 0);
    const complete = !missing && (looked || !walks.some((walk) => walk.unresolved));
    const result = [...found, ...more];
    const first = said[0]?.moment;
    const alike = first !== undefined && said.every(({ moment }) => !moment.pending && moment.names === first.names);
    const settled = complete && !walks.some((walk) => walk.unresolved);
    if (settled && shared && alike) this.#known.set(parts, { names: first.names, parts: result });
    return { found: result, complete, walks };
  }
}

/** Whether there is nothing in the text that could reach further than it says. */
export function tellsAll(analysis: Analysis): boolean {
  let known = telling.get(analysis);
  if (known === undefined) {
    known = analysis.statements.every((info) => info.execute === undefined && saysAll(info as AnalysedStatement));
    telling.set(analysis, known);
  }
  return known;
}

const telling = new WeakMap<Analysis, boolean>();

function saysAll({ lineage, ddl, spaces }: Partial<AnalysedStatement>): boolean {
  if (lineage === undefined) return true;
  const { uses, functions, operators, types } = lineage;
  return !ddl && spaces === undefined && uses.length + functions.length + operators.length + types.length === 0;
}

/** @param first what holds for the first part; what is set and changed in the same text holds for those behind it. */
export function saidBy(parts: readonly Facts[], analysis: Analysis, sources: Sources, first: Moment): readonly Said[] {
  let moment = first;
  return analysis.statements.map((info, part) => {
    const said = { facts: parts[part]!, infos: [...infosOf(info), ...executed(info, sources?.[part])], moment };
    const { ddl, names, path } = changes(info, sources?.[part]);
    if (path) moment = { ...moment, names: 'any' };
    else if (names && moment.names === 'pinned') moment = { ...moment, names: 'temporary' };
    if (ddl) moment = { names: 'any', pending: true };
    return said;
  });
}

function infosOf(info: StatementInfo) {
  return 'lineage' in info ? [{ info, facts: info.facts }] : [];
}

/** What is executed by name runs with what it reaches. */
function executed(info: StatementInfo, source: NonNullable<Sources>[number] | undefined) {
  const inner = info.execute === undefined ? undefined : source?.analysis?.statements[source.part];
  return inner === undefined || inner === info ? [] : infosOf(inner);
}

/** What a part says, with the relations and functions as they were found for its statements. */
function joined(facts: Facts, parts: readonly Facts[]): Facts {
  const [only, ...others] = parts;
  if (only === undefined) return facts;
  if (others.length === 0) return { ...only, does: facts.does };
  const opaque = facts.opaque ?? parts.find((part) => part.opaque !== undefined)?.opaque;
  return {
    ...facts,
    relations: parts.flatMap((part) => part.relations),
    functions: [...new Set(parts.flatMap((part) => part.functions))],
    ...(opaque === undefined ? {} : { opaque }),
  };
}
