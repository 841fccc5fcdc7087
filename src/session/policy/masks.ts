// The masks of a document, and what they say of the columns of one result: a declared column, whatever cannot be proven to
// come from none, or detectors on the rest.

import { hash } from 'node:crypto';
import { RE2JS } from 're2js';
import { parseDuration } from '../../core/clock.ts';
import type { Covering, Facts, Mask, NamedUse, Origin, PredicateUse, ResultColumn } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import { type Action, compareActions, reveals } from '../masking/actions.ts';
import { DETECTORS } from '../masking/detectors/index.ts';
import { type Detection, Finder } from '../masking/finder.ts';
import { columnMask, detectorMask } from '../masking/mask.ts';
import type { Condition } from './condition.ts';
import { type ColumnPattern, columnPattern, fold } from './pattern.ts';
import { type Guessing, guessing, predicateVerdict } from './predicates.ts';
import type { MaskAction, MaskLine } from './schema.ts';
import type { ConnectionRef, PolicyVerdict, Reviewers } from './types.ts';
import { toConditions, whoConditions } from './who.ts';
import { isNamed, wordsOf } from './words.ts';

/** Under which conditions a review may lift a mask for a time. */
export interface Unmask {
  readonly maxMs: number;
  readonly reviewers: Reviewers;
  /** Who asks has to say why. */
  readonly reason: 'required' | undefined;
}

export interface CompiledMask {
  readonly name: string;
  /** Digest of its line: what an approval that lifts it is for. */
  readonly definition: string;
  /** Left out: it is never lifted. */
  readonly unmask: Unmask | undefined;
  readonly action: Action;
  readonly to: readonly Condition<ConnectionRef>[];
  /** Undefined: nobody is exempt. */
  readonly unless: readonly Condition<Principal>[] | undefined;
  readonly columns: readonly ColumnPattern[];
  readonly detection: Detection | undefined;
  readonly guessing: Guessing;
  /** Aggregates that say nothing of a value. */
  readonly safe: ReadonlySet<string>;
}

export function compileMask(line: MaskLine): CompiledMask {
  const action = compileAction(line.as);
  const detectors = (line.detect ?? []).filter((item) => typeof item === 'string').map((item) => DETECTORS[item]);
  const patterns = (line.detect ?? [])
    .filter((item) => typeof item !== 'string')
    .map((item) => RE2JS.compile(item.pattern));
  return {
    name: line.name,
    definition: hash('sha256', JSON.stringify(line), 'hex').slice(0, 32),
    unmask:
      line.unmask === undefined
        ? undefined
        : {
            maxMs: parseDuration(line.unmask.max) ?? 0,
            reviewers: line.unmask.reviewers,
            reason: line.unmask.reason,
          },
    action,
    to: toConditions(line.to),
    unless: line.unless === undefined ? undefined : whoConditions(line.unless),
    columns: (line.columns ?? []).map((text) => columnPattern(text)).filter((pattern) => pattern !== undefined),
    guessing: guessing(line),
    safe: new Set(line.safe),
    detection: line.detect === undefined ? undefined : { name: line.name, action, detectors, patterns },
  };
}

/** The document's word or key with options → an action. */
export function compileAction(as: MaskAction): Action {
  if (as === 'partial') return { kind: 'partial', first: 0, last: 4 };
  if (as === 'hash') return { kind: 'hash', length: 16 };
  if (typeof as === 'string') return { kind: as };
  if (as.partial !== undefined) return { kind: 'partial', ...as.partial };
  if (as.fixed !== undefined) return { kind: 'fixed', text: as.fixed };
  if (as.hash !== undefined) return { kind: 'hash', ...as.hash };
  if (as.noise !== undefined) return { kind: 'noise', ...as.noise };
  return { kind: 'generalise', ...as.generalise };
}

interface Declared {
  readonly pattern: ColumnPattern;
  readonly mask: CompiledMask;
  /** For a value that is the column's own. */
  readonly direct: Mask;
  /** For a value computed from it: nothing of it may show. */
  readonly computed: Mask;
}

/** The masks that apply to one principal on one connection. */
export class Masker {
  readonly columns: boolean;
  readonly values: boolean;
  /** The names of all that apply. */
  readonly names: readonly string[];
  /** Of these, the ones with detectors. */
  readonly detecting: readonly string[];
  readonly #literal = new Map<string, Declared[]>();
  readonly #wild: Declared[] = [];
  readonly #declaring: readonly CompiledMask[];
  readonly #unproven: Mask | null;
  readonly #detector: Mask | null;
  /** What the detectors find, in text that has no columns. */
  readonly finder: Finder | undefined;

  constructor(masks: readonly CompiledMask[], key: Uint8Array) {
    const ranked = [...masks].sort((a, b) => compareActions(a.action, b.action) || (a.name < b.name ? -1 : 1));
    this.names = masks.map((mask) => mask.name).sort();
    this.detecting = this.names.filter((name) => masks.find((mask) => mask.name === name)?.detection !== undefined);
    for (const mask of ranked) {
      const direct = columnMask(mask.name, 'column', mask.action, key);
      const computed = columnMask(mask.name, 'column', concealing(mask.action), key);
      for (const pattern of mask.columns) {
        const declared = { pattern, mask, direct, computed };
        if (pattern.literal === undefined) this.#wild.push(declared);
        else this.#literal.set(pattern.literal, [...(this.#literal.get(pattern.literal) ?? []), declared]);
      }
    }
    const declaring = ranked.filter((mask) => mask.columns.length > 0);
    const detections = ranked.map((mask) => mask.detection).filter((detection) => detection !== undefined);
    this.#declaring = declaring;
    this.columns = declaring.length > 0;
    this.values = detections.length > 0;
    this.#unproven = declaring[0] === undefined ? null : unproven(declaring, key);
    this.#detector = detections.length === 0 ? null : detectorMask(detections, key);
    this.finder = detections.length === 0 ? undefined : new Finder(detections, key);
  }

  /** What the masks are about; undefined: a pattern is about names that no text need have. */
  get covering(): Covering | undefined {
    const texts = this.#declaring.flatMap((mask) => mask.columns).map(({ text }) => text);
    const words = wordsOf(texts);
    if (words === undefined) return undefined;
    return {
      key: JSON.stringify([...texts].sort()),
      covers: (origin) => !this.#candidates(origin).next().done,
      named: (text) => isNamed(words, text),
    };
  }

  masks(columns: readonly ResultColumn[]): readonly (Mask | null)[] {
    return columns.map((column) => {
      if (column.origins === undefined) return this.#unproven ?? this.#detector;
      return this.#declared(column.origins, column) ?? this.#detector;
    });
  }

  /** What the masks say of using columns beside selecting them; undefined: nothing. */
  predicates(uses: readonly PredicateUse[]): PolicyVerdict | undefined {
    if (!this.columns) return undefined;
    return predicateVerdict(uses, ({ origins }) => this.#guessings(origins));
  }

  /** The same of columns by the names in a text, for what is tried offline: in doubt they are those of a mask. */
  guessed(uses: readonly NamedUse[]): PolicyVerdict | undefined {
    if (!this.columns) return undefined;
    return predicateVerdict(uses, ({ on }) => this.#named(on));
  }

  *#named(on: NamedUse['on']): Iterable<Guessing> {
    if (on === undefined) for (const mask of this.#declaring) yield mask.guessing;
    for (const use of on ?? []) {
      for (const { pattern, mask } of [...this.#wild, ...[...this.#literal.values()].flat()]) {
        if (!pattern.relation(use)) continue;
        if (use.columns === undefined || use.columns.some(pattern.column)) yield mask.guessing;
      }
    }
  }

  *#guessings(origins: readonly Origin[] | undefined): Iterable<Guessing> {
    if (origins === undefined) {
      for (const mask of this.#declaring) yield mask.guessing;
      return;
    }
    for (const origin of origins) for (const { mask } of this.#candidates(origin)) yield mask.guessing;
  }

  /** The strictest mask on any of the origins. */
  #declared(origins: readonly Origin[], { direct, aggregate }: ResultColumn): Mask | undefined {
    if (!this.columns) return undefined;
    let best: Declared | undefined;
    for (const origin of origins) {
      for (const declared of this.#candidates(origin)) {
        if (aggregate !== undefined && declared.mask.safe.has(aggregate)) continue;
        if (best === undefined || stricter(declared.mask, best.mask)) best = declared;
      }
    }
    return direct === true ? best?.direct : best?.computed;
  }

  *#candidates({ schema, relation, column }: Origin): Generator<Declared> {
    const use = { schema, name: relation };
    for (const declared of this.#literal.get(fold(column)) ?? []) if (declared.pattern.relation(use)) yield declared;
    for (const declared of this.#wild) {
      if (declared.pattern.column(column) && declared.pattern.relation(use)) yield declared;
    }
  }

  /** The names of the masks whose columns the statement may read, as far as its facts tell. For `policy test`. */
  touched(parts: readonly Facts[]): readonly string[] {
    const names = new Set<string>();
    for (const use of parts.flatMap((part) => part.relations)) {
      for (const { pattern, mask } of [...this.#wild, ...[...this.#literal.values()].flat()]) {
        if (!use.read || !pattern.relation(use)) continue;
        if (use.columns === undefined || use.columns.some(pattern.column)) names.add(mask.name);
      }
    }
    return [...names].sort();
  }
}

function stricter(a: CompiledMask, b: CompiledMask): boolean {
  return (compareActions(a.action, b.action) || (a.name < b.name ? -1 : 1)) < 0;
}

/** The action for a value that was computed from a masked one. */
function concealing(action: Action): Action {
  return reveals(action) ? { kind: 'full' } : action;
}

/** Any declared column may have flowed in: the strictest of all that apply, and nothing that shows a part. */
function unproven(declaring: readonly CompiledMask[], key: Uint8Array): Mask {
  const actions = declaring.map((mask) => concealing(mask.action)).sort(compareActions);
  const name = declaring
    .map((mask) => mask.name)
    .sort()
    .join(', ');
  return columnMask(name, 'unproven', actions[0]!, key);
}
