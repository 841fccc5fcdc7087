// What steers the server without a statement of its own for it: set_config, the view of the settings, the catalogue by hand.
// Refuses to know: which parameters a session minds.

import type { Tree } from './parser.ts';
import { as, child, list, names, text } from './tree.ts';
import { type Does, ROLE_PARAMETERS } from './vocabulary.ts';

interface Name {
  readonly schema: string | undefined;
  readonly name: string;
}

/** What a FuncCall of set_config does; nothing for any other. A parameter that is no constant may be any. */
export function setsByCalling(call: Tree): Does[] {
  if (names(list(call, 'funcname')).at(-1) !== 'set_config') return [];
  const name = text(child(as(list(call, 'args')[0], 'A_Const'), 'sval'), 'sval');
  return name === undefined || ROLE_PARAMETERS.has(name.toLowerCase()) ? ['set', 'set-role'] : ['set'];
}

/** pg_settings sets what is written to it. */
export function setsByWriting(name: Name): boolean {
  return name.name === 'pg_settings' && isCatalogue(name);
}

/** The catalogue says what names and types mean. A name without a schema is taken for its. */
export function isCatalogue({ schema, name }: Name): boolean {
  return schema === 'pg_catalog' || (schema === undefined && name.startsWith('pg_'));
}
