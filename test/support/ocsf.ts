// Whether an event is one of the Open Cybersecurity Schema Framework, by the schema's own files (ocsf/ocsf-schema): classes
// and objects with what they extend and include, the dictionary's types, enumerations, requirements and constraints.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder } from './process.ts';

interface Attribute {
  readonly type?: string;
  readonly is_array?: boolean;
  readonly enum?: Record<string, unknown>;
  readonly requirement?: string;
  readonly profile?: string | null;
}

interface Definition {
  readonly name?: string;
  readonly uid?: number;
  readonly category?: string;
  readonly extends?: string;
  readonly attributes?: Record<string, Attribute | string | readonly string[]>;
  readonly constraints?: { at_least_one?: string[]; just_one?: string[] };
}

interface BasicType {
  readonly type?: string;
  readonly regex?: string;
  readonly max_len?: number;
  readonly range?: [number, number];
}

interface Resolved {
  readonly attributes: Map<string, Attribute>;
  readonly constraints: NonNullable<Definition['constraints']>[];
}

const OWN = new Set(['class_uid', 'category_uid', 'type_uid']);
const ALWAYS = new Set(['object', 'json_t']);

export class OcsfSchema {
  readonly version: string;
  readonly #directory: string;
  readonly #classes = new Map<string, Definition>();
  readonly #objects = new Map<string, Definition>();
  readonly #dictionary: { attributes: Record<string, Attribute>; types: { attributes: Record<string, BasicType> } };
  readonly #categories: Record<string, { uid: number }>;

  constructor(directory: string) {
    this.#directory = directory;
    this.version = this.#read<{ version: string }>('version.json').version;
    this.#dictionary = this.#read('dictionary.json');
    this.#categories = this.#read<{ attributes: Record<string, { uid: number }> }>('categories.json').attributes;
    for (const [folder, map] of [
      ['events', this.#classes],
      ['objects', this.#objects],
    ] as const) {
      for (const file of filesUnder(join(directory, folder))) {
        const definition = this.#read<Definition>(join(folder, file));
        if (definition.name !== undefined) map.set(definition.name, definition);
      }
    }
  }

  /** What is wrong with it, each with its path; an empty list when nothing is. */
  problems(event: Record<string, unknown>): string[] {
    const found = [...this.#classes.values()].find((one) => this.#classUid(one) === event.class_uid);
    if (found === undefined) return [`class_uid ${event.class_uid} is no class`];
    const problems = this.#object(event, this.#resolve(found, this.#classes), found.name!);
    const { metadata, category_uid, type_uid, activity_id } = event as Record<string, never> & { metadata: object };
    if ((metadata as { version?: string })?.version !== this.version)
      problems.push(`metadata.version is not ${this.version}`);
    if (category_uid !== Math.floor(Number(event.class_uid) / 1000)) problems.push('category_uid is not the class’s');
    if (type_uid !== Number(event.class_uid) * 100 + Number(activity_id)) problems.push('type_uid is not its sum');
    return problems;
  }

  #classUid(one: Definition): number | undefined {
    if (one.uid === undefined) return undefined;
    let { category } = one;
    for (let base = one; category === undefined && base.extends !== undefined; ) {
      base = this.#classes.get(base.extends)!;
      category = base.category;
    }
    return (this.#categories[category ?? '']?.uid ?? 0) * 1000 + one.uid;
  }

  #object(value: unknown, { attributes, constraints }: Resolved, path: string): string[] {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path} is no object`];
    const has = value as Record<string, unknown>;
    const problems: string[] = [];
    for (const [name, { requirement, profile }] of attributes) {
      if (requirement === 'required' && profile == null && has[name] === undefined)
        problems.push(`${path}.${name} is missing`);
    }
    for (const { at_least_one, just_one } of constraints) {
      const count = (names: string[] = []) => names.filter((name) => has[name] !== undefined).length;
      if (at_least_one !== undefined && count(at_least_one) === 0) problems.push(`${path} has none of ${at_least_one}`);
      if (just_one !== undefined && count(just_one) !== 1) problems.push(`${path} has not one of ${just_one}`);
    }
    for (const [name, one] of Object.entries(has)) {
      const attribute = attributes.get(name);
      // Their lists are those of the compiled schema; `problems` compares them.
      if (OWN.has(name)) continue;
      if (attribute === undefined) problems.push(`${path}.${name} is no attribute`);
      else
        problems.push(...this.#value(one, { ...this.#dictionary.attributes[name], ...attribute }, `${path}.${name}`));
    }
    return problems;
  }

  #value(value: unknown, attribute: Attribute, path: string): string[] {
    if (attribute.is_array === true) {
      if (!Array.isArray(value)) return [`${path} is no array`];
      return value.flatMap((one, i) => this.#value(one, { ...attribute, is_array: false }, `${path}[${i}]`));
    }
    const { type = 'string_t' } = attribute;
    if (attribute.enum !== undefined && attribute.enum[String(value)] === undefined)
      return [`${path} is ${value}, not in its list`];
    const basic = this.#dictionary.types.attributes[type];
    if (basic !== undefined) return this.#basic(value, type, path);
    if (ALWAYS.has(type)) return typeof value === 'object' && value !== null ? [] : [`${path} is no object`];
    const object = this.#objects.get(type);
    return object === undefined
      ? [`${path} has unknown type ${type}`]
      : this.#object(value, this.#resolve(object, this.#objects), path);
  }

  #basic(value: unknown, type: string, path: string): string[] {
    const rule = this.#dictionary.types.attributes[type]!;
    const base = rule.type ?? type;
    if (type === 'json_t') return [];
    const fits =
      base === 'boolean_t'
        ? typeof value === 'boolean'
        : base === 'integer_t' || base === 'long_t'
          ? Number.isSafeInteger(value)
          : base === 'float_t'
            ? typeof value === 'number'
            : typeof value === 'string';
    if (!fits) return [`${path} is ${JSON.stringify(value)}, not ${type}`];
    if (rule.regex !== undefined && !new RegExp(rule.regex).test(String(value)))
      return [`${path} is "${value}", not ${type}`];
    if (rule.max_len !== undefined && String(value).length > rule.max_len)
      return [`${path} is longer than ${rule.max_len}`];
    if (rule.range !== undefined && (Number(value) < rule.range[0] || Number(value) > rule.range[1])) {
      return [`${path} is out of range`];
    }
    return [];
  }

  #resolve(definition: Definition, among: ReadonlyMap<string, Definition>): Resolved {
    const base = definition.extends === undefined ? undefined : among.get(definition.extends);
    const inherited = base === undefined ? { attributes: new Map(), constraints: [] } : this.#resolve(base, among);
    const attributes = new Map<string, Attribute>(inherited.attributes);
    const include = definition.attributes?.$include;
    for (const file of include === undefined ? [] : [include].flat()) {
      const { attributes: included = {}, meta } = this.#read<Definition & { meta?: string }>(String(file));
      for (const [name, one] of Object.entries(included)) {
        // What a profile brings is required only of events that say that they have the profile.
        const profile = meta === 'profile' ? { profile: String(file) } : {};
        if (name !== '$include') attributes.set(name, { ...attributes.get(name), ...(one as Attribute), ...profile });
      }
    }
    for (const [name, one] of Object.entries(definition.attributes ?? {})) {
      if (!name.startsWith('$')) attributes.set(name, merged(attributes.get(name), one as Attribute));
    }
    // A class that has constraints of its own replaces those that it inherits.
    const { constraints } = definition;
    return { attributes, constraints: constraints === undefined ? inherited.constraints : [constraints] };
  }

  #read<T>(file: string): T {
    return JSON.parse(readFileSync(join(this.#directory, file), 'utf8')) as T;
  }
}

function merged(base: Attribute | undefined, one: Attribute): Attribute {
  if (base?.enum === undefined || one.enum === undefined) return { ...base, ...one };
  return { ...base, ...one, enum: { ...base.enum, ...one.enum } };
}
