// What is on record of an operation → facts that rules can be asked about. The record says what it was; the text adds what
// the record leaves out. Refuses to know: where recordings are, how a text is read.

import type { Facts, PlaceUse, RelationUse } from '../../protocol/contract.ts';

/**
 * @param told what the text tells by itself; undefined: nothing (a shell, a file, a forwarding).
 * @param recorded `parts` of the intent, as they were read; older recordings have none.
 */
export function recordedParts(told: readonly Facts[] | undefined, recorded: unknown): readonly Facts[] {
  if (!Array.isArray(recorded) || recorded.length === 0) return told ?? [];
  return recorded.map((one: Readonly<Record<string, unknown>>, i) => factsOf(one, told?.[i]));
}

function factsOf(one: Readonly<Record<string, unknown>>, told: Facts | undefined): Facts {
  const { object, opaque, via } = one;
  return {
    does: strings(one.does),
    relations: relationsOf(one, told?.relations ?? []),
    functions: strings(one.functions),
    unbounded: one.unbounded === true,
    ...(typeof object === 'string' ? { object } : {}),
    ...(typeof opaque === 'string' ? { opaque } : {}),
    ...(one.programs === undefined ? {} : { programs: strings(one.programs) }),
    ...(one.programs === undefined && one.places === undefined ? {} : { places: placesOf(one, told?.places ?? []) }),
    ...(told?.commands === undefined ? {} : { commands: told.commands }),
    ...(told?.limit === undefined ? {} : { limit: told.limit }),
    ...(via === undefined ? {} : { via: strings(via) }),
  };
}

/** Those of the text, which names columns, and what was reached beside them. */
function relationsOf(one: Readonly<Record<string, unknown>>, told: readonly RelationUse[]): readonly RelationUse[] {
  const [read, written] = [strings(one.read), strings(one.written)];
  const through = (one.through ?? {}) as Readonly<Record<string, unknown>>;
  const named = new Set(told.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`)));
  const others = [...new Set([...read, ...written])].filter((full) => !named.has(full));
  return [
    ...told,
    ...others.map((full) => {
      const dot = full.indexOf('.');
      const name = dot < 0 ? { name: full } : { schema: full.slice(0, dot), name: full.slice(dot + 1) };
      const via = Object.hasOwn(through, full) ? { via: strings(through[full]) } : {};
      return { ...name, read: read.includes(full), written: written.includes(full), ...via };
    }),
  ];
}

/** The record has the places alone; rules ask for no more, but for how one was spelled. */
function placesOf(one: Readonly<Record<string, unknown>>, told: readonly PlaceUse[]): readonly PlaceUse[] {
  return strings(one.places).map(
    (place) => told.find((use) => use.place === place) ?? { place, read: true, written: true },
  );
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
