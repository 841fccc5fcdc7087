// A request as policy is asked about it, with the texts that it executes by name, and with all that makes it do what it does:
// the declared types of its values and the formats that they come in. Refuses to know: what is decided.

import { type Facts, isRead, type Operation, shownBytes } from '../../contract.ts';
import type { Analysis } from '../analysis.ts';
import { typeName } from '../wire/type-names.ts';
import type { Core } from './core.ts';
import type { Bound, Statement } from './expected.ts';
import type { Pending } from './pending.ts';

/** What is run by a name, and the values that were bound to it. */
interface Executed extends Statement {
  readonly values?: string;
}

const NONE: readonly number[] = [];

export function operationOf(
  core: Core,
  { analysis, reading, portal, bytes }: Pending,
  kind: string,
  text: string,
  bound: Bound | undefined,
  parts: readonly Facts[],
): Operation {
  const types = portal?.statement.types ?? NONE;
  const params = bound?.params;
  const forms = bound === undefined ? undefined : formsOf(bound, types);
  const shape = shapeOf(analysis, types);
  const executed = reading.refers ? executedBy(core, analysis) : undefined;
  const exact = bound === undefined && executed === undefined ? '' : exactOf(types, bound, executed);
  const told = { ...(bytes === undefined ? {} : { bytes }), ...(forms === undefined ? {} : { forms }) };
  const operation = { kind, text, params, exact, parts, shape, ...told };
  if (executed === undefined) return operation;
  return { ...operation, executes: executed.map((one) => one?.text ?? '').join('\n') };
}

/** A text as it is told: mostly it is UTF-8, and nothing is to be looked for in it. */
export function shownText(bytes: Buffer): Pick<Operation, 'text' | 'bytes'> {
  const text = bytes.toString();
  return isRead(text, bytes) ? { text } : shownBytes(bytes);
}

/** Without a type of its own a value is what its place in the text makes of it. */
const declared = (oid: number | undefined): string | undefined =>
  oid === undefined || oid === 0 ? undefined : typeName(oid);

function formsOf({ params, marks }: Bound, types: readonly number[]): readonly (string | null)[] | undefined {
  if (marks === undefined && types.length === 0) return undefined;
  const forms = params.map((_, i) => {
    const words = [declared(types[i]), marks?.[i] ?? undefined].filter((word) => word !== undefined);
    return words.length === 0 ? null : words.join(', ');
  });
  return forms.every((form) => form === null) ? undefined : forms;
}

/** With other types the same text may call other functions: they are part of the shape. Its text has no comments. */
function shapeOf({ shape }: Analysis, types: readonly number[]): string | undefined {
  if (shape === undefined || types.every((oid) => oid === 0)) return shape;
  const named = types.flatMap((oid, i) => (oid === 0 ? [] : [`$${i + 1} ${typeName(oid)}`]));
  return `${shape} /* ${named.join(', ')} */`;
}

function exactOf(
  types: readonly number[],
  bound: Bound | undefined,
  executed: readonly (Executed | undefined)[] | undefined,
): string {
  const inner = executed?.map((one) => (one === undefined ? null : [one.text, one.types, one.values ?? null]));
  return JSON.stringify([types, bound?.exact ?? null, inner ?? null]);
}

/** What was prepared in another message. */
function executedBy(core: Core, { statements }: Analysis): readonly (Executed | undefined)[] | undefined {
  const found: (Executed | undefined)[] = [];
  for (const [at, { execute, fetch, moves }] of statements.entries()) {
    const cursor = fetch ?? moves;
    const portal = cursor && core.portals.get(cursor.name);
    if (portal !== undefined && portal.statement.text !== '') {
      found.push({ ...portal.statement, values: portal.bound.exact });
    }
    if (execute === undefined) continue;
    if (statements.slice(0, at).some(({ prepare }) => prepare?.name === execute.name)) continue;
    found.push(core.statements.get(execute.name));
  }
  return found.length === 0 ? undefined : found;
}
