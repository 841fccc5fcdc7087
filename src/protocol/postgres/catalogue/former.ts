// Names that relations and columns had before: a rename does not take a mask off, nor a rule. Kept in the gateway's store,
// so that a restart forgets nothing and a rename meanwhile is seen as well.
// Refuses to know: how a catalogue is read, what is masked.

import { promisify } from 'node:util';
import { deflateRaw, inflateRawSync } from 'node:zlib';
import type { Memory } from '../../contract.ts';
import { ancestors } from './inheritance.ts';
import type { Relation, Snapshot } from './snapshot.ts';

/** `schema NUL name` */
type Name = string;

interface Known {
  readonly name: Name;
  /** Of what it is a part, by number. */
  readonly within: Readonly<Record<string, Name>>;
  /** Columns by number. */
  readonly columns: Readonly<Record<string, string>>;
}

type All = Readonly<Record<string, Known>>;
type Relations = Snapshot['relations'];

interface Kept {
  /** Numbers mean the same only in the same database of the same server. */
  readonly database: string;
  /** Left out where there are too many. */
  readonly last?: All | undefined;
  readonly relations: Readonly<Record<string, readonly Name[]>>;
  readonly columns: Readonly<Record<string, readonly string[]>>;
}

/** Former names kept of one thing; the oldest stay. */
const MOST = 64;
/** Characters of JSON above which only former names are kept, and not those of now. */
const MOST_KEPT = 8 * 1024 * 1024;

const deflate = promisify(deflateRaw);

export class FormerNames {
  readonly relations = new Map<number, Set<Name>>();
  /** By `relation.column`, both as numbers. */
  readonly columns = new Map<string, Set<string>>();
  /** Names of before, as an earlier run kept them; until this one has seen its own. */
  #last: All | undefined;
  #seen: Relations | undefined;
  #database: string | undefined;
  #recalled = false;
  #saving: Promise<void> | undefined;
  #dirty = false;

  /** Of which database of which server they are; those of another are forgotten. */
  belongTo(database: string): void {
    if (this.#database === database) return;
    this.relations.clear();
    this.columns.clear();
    this.#last = undefined;
    this.#seen = undefined;
    this.#recalled = false;
    this.#database = database;
  }

  /** What an earlier run, or another gateway, knew. Rejects when that cannot be read. */
  async recall(memory: Memory, key: string): Promise<void> {
    if (this.#recalled) return;
    const text = await memory.get(key);
    const kept = text === undefined ? undefined : decode(text);
    this.#recalled = true;
    if (kept === undefined || kept.database !== this.#database) return;
    this.#merge(kept);
    if (this.#seen === undefined) this.#last ??= kept.last;
  }

  #merge({ relations, columns }: Kept): void {
    for (const [oid, names] of Object.entries(relations))
      for (const name of names) add(this.relations, Number(oid), name);
    for (const [key, names] of Object.entries(columns)) for (const name of names) add(this.columns, key, name);
  }

  /** The catalogue as it is now. Every session waits for this: of what is as it was nothing is made. */
  learn({ relations }: Pick<Snapshot, 'relations'>): void {
    for (const [oid, known] of Object.entries(this.#last ?? {})) {
      const now = relations.get(Number(oid));
      if (now !== undefined && isNamed(now)) this.#compare(oid, known, knownOf(now));
    }
    for (const [oid, before] of this.#seen ?? []) {
      const now = relations.get(oid);
      if (now === undefined || !isNamed(now) || isSame(before, now)) continue;
      this.#compare(String(oid), knownOf(before), knownOf(now));
    }
    this.#last = undefined;
    this.#seen = relations;
  }

  /** Keeps it, in its own time; what changes meanwhile is kept after. */
  save(memory: Memory, key: string): Promise<void> {
    this.#dirty = true;
    this.#saving ??= this.#save(memory, key).finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #save(memory: Memory, key: string): Promise<void> {
    while (this.#dirty && this.#database !== undefined) {
      this.#dirty = false;
      // Another gateway may have seen what this one has not.
      const text = await memory.get(key);
      const kept = text === undefined ? undefined : decode(text);
      if (kept?.database === this.#database) this.#merge(kept);
      const next = await encode({
        database: this.#database,
        last: this.#seen === undefined ? this.#last : namesOf(this.#seen),
        relations: lists(this.relations),
        columns: lists(this.columns),
      });
      if (next !== text) await memory.set(key, next);
    }
  }

  #compare(oid: string, { name, within, columns }: Known, now: Known): void {
    if (now.name !== name) add(this.relations, Number(oid), name);
    // A partition that was detached, a child that was disowned: what was seen through the parent is still in it.
    for (const [parent, called] of Object.entries(within)) {
      if (now.within[parent] === undefined) add(this.relations, Number(oid), called);
    }
    for (const [attnum, called] of Object.entries(columns)) {
      const renamed = now.columns[attnum];
      if (renamed !== undefined && renamed !== called) add(this.columns, `${oid}.${attnum}`, called);
    }
  }
}

const isNamed = ({ builtin, kind }: Relation): boolean => !builtin && kind !== 't';

function knownOf(relation: Relation): Known {
  return {
    name: nameOf(relation),
    within: Object.fromEntries([...ancestors(relation)].map((ancestor) => [ancestor.oid, nameOf(ancestor)])),
    columns: Object.fromEntries(relation.columns.map(({ attnum, name }) => [attnum, name])),
  };
}

/** Whether all that is known of the one is so of the other. */
function isSame(one: Relation, other: Relation): boolean {
  const columns = other.columns;
  return (
    isCalledSame(one, other) &&
    one.columns.length === columns.length &&
    one.columns.every(({ attnum, name }, i) => columns[i]!.attnum === attnum && columns[i]!.name === name) &&
    isWithinSame(one, other)
  );
}

const isCalledSame = (one: Relation, other: Relation): boolean =>
  one.oid === other.oid && one.name === other.name && one.schema === other.schema;

function isWithinSame(one: Relation, other: Relation): boolean {
  if (one.parents.length + other.parents.length === 0) return true;
  const [before, after] = [[...ancestors(one)], [...ancestors(other)]];
  return before.length === after.length && before.every((each, i) => isCalledSame(each, after[i]!));
}

/** Undefined where they are too many to be kept. */
function namesOf(relations: Relations): All | undefined {
  const all: Record<string, Known> = {};
  let characters = 0;
  for (const relation of relations.values()) {
    if (!isNamed(relation)) continue;
    characters += relation.name.length;
    for (const { name } of relation.columns) characters += name.length;
    if (characters > MOST_KEPT) return undefined;
  }
  for (const relation of relations.values()) if (isNamed(relation)) all[relation.oid] = knownOf(relation);
  return all;
}

const nameOf = ({ schema, name }: Relation): Name => `${schema}\u0000${name}`;

function add<Key>(map: Map<Key, Set<string>>, key: Key, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else if (set.size < MOST) set.add(value);
}

function lists<Key extends string | number>(map: Map<Key, Set<string>>): Record<string, string[]> {
  return Object.fromEntries([...map].map(([key, names]) => [key, [...names]]));
}

async function encode({ last, ...kept }: Kept): Promise<string> {
  let json = JSON.stringify({ ...kept, last });
  if (json.length > MOST_KEPT) json = JSON.stringify(kept);
  return (await deflate(json)).toString('base64');
}

function decode(text: string): Kept {
  return JSON.parse(inflateRawSync(Buffer.from(text, 'base64')).toString()) as Kept;
}
