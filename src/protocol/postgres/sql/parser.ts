// PostgreSQL's own parser (libpg-query, WASM) as one sync function: bytes in, raw parse tree or error out.
// Refuses to know: what a tree means.
//
// The package's own wrapper is not used: a text nested too deeply overflows the stack inside WASM, which leaks memory
// and after some times leaves the instance broken for good. So an instance that failed abnormally is thrown away, and
// a spare takes its place: one session cannot take the parser from the others.

import { setFlagsFromString } from 'node:v8';
// @ts-expect-error the emscripten module has no types of its own
import createModule from 'libpg-query/wasm/libpg-query.js';
import type { Limit } from '../../../core/limits.ts';

/** A node of the raw parse tree as libpg-query writes it in JSON. */
export interface Tree {
  readonly [key: string]: unknown;
}

export type Parsed =
  | { readonly statements: readonly Tree[]; readonly error?: undefined }
  | { readonly error: { readonly message: string; readonly position?: number } };

// V8 would recompile the hot functions of the WASM after a dozen statements: that took 540 MB for a second and stalled
// sessions for up to 90 ms (the grammar is one huge function), for parses that are then no faster (15 to 20 µs either
// way; measured in November 2026 with Node 24.21). The baseline compiler's code stays.
setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');

interface Instance {
  readonly HEAPU8: Uint8Array;
  readonly HEAPU32: Uint32Array;
  _malloc(size: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
}

let instance: Instance | undefined;
let spare: Instance | undefined;
let loading: Promise<void> | undefined;

async function loadSpare(): Promise<void> {
  spare = (await createModule()) as Instance;
}

/** Loads the WASM (once for the process, about 20 ms). `parse` may be called when it has resolved. */
export async function loadParser(): Promise<void> {
  loading ??= (async () => {
    instance = (await createModule()) as Instance;
    await loadSpare();
  })();
  await loading;
}

function replaceInstance(): void {
  instance = spare;
  spare = undefined;
  // A failure to load leaves no spare: then every text is an error until the process restarts, which is closed.
  loadSpare()
    .then(() => {
      if (instance === undefined) {
        instance = spare;
        spare = undefined;
        return loadSpare();
      }
      return undefined;
    })
    .catch(() => {});
}

function cString(module: Instance, pointer: number): string {
  const end = module.HEAPU8.indexOf(0, pointer);
  return Buffer.from(module.HEAPU8.buffer, pointer, end - pointer).toString('utf8');
}

/**
 * Parses a text of valid UTF-8 without NUL (the parser stops at one: the caller has refused it). Never throws; a text
 * that is nested too deeply is an error. `position` counts characters from 1. A tree that is longer than
 * `bound`, as JSON, is not read.
 */
export function parse(sql: Uint8Array, bound?: Limit): Parsed {
  const module = instance;
  if (module === undefined) return { error: { message: 'the SQL parser is not available at the moment' } };
  const memory = module.HEAPU8.length;
  try {
    const parsed = parseWith(module, sql, bound);
    // What it has taken for one text it would keep for good: 200 MiB for the worst of a megabyte. It begins with 128, which
    // ordinary texts of a megabyte do not fill.
    if (module.HEAPU8.length > memory && spare !== undefined) replaceInstance();
    return parsed;
  } catch {
    replaceInstance();
    return { error: { message: 'the statement is nested too deeply to be analysed' } };
  }
}

function parseWith(module: Instance, sql: Uint8Array, bound: Limit | undefined): Parsed {
  const text = module._malloc(sql.length + 1);
  if (text === 0) throw new Error('out of memory');
  module.HEAPU8.set(sql, text);
  module.HEAPU8[text + sql.length] = 0;
  const result = module._wasm_parse_query_raw(text);
  if (result === 0) throw new Error('out of memory');
  // PgQueryParseResult { char *parse_tree; char *stderr_buffer; PgQueryError *error; }
  const tree = module.HEAPU32[result >> 2]!;
  const failure = module.HEAPU32[(result + 8) >> 2]!;
  let parsed: Parsed;
  if (failure !== 0) {
    // PgQueryError { char *message, *funcname, *filename; int lineno, cursorpos; char *context; }
    const message = cString(module, module.HEAPU32[failure >> 2]!);
    const position = module.HEAPU32[(failure + 16) >> 2]!;
    parsed = { error: position > 0 ? { message, position } : { message } };
  } else {
    const bytes = module.HEAPU8.indexOf(0, tree) - tree;
    if (bound !== undefined && bytes > bound.value) {
      const message = `the statement's tree has ${bytes} bytes, over the limit ${bound.name} of ${bound.value}`;
      parsed = { error: { message } };
    } else {
      const root = JSON.parse(cString(module, tree)) as { stmts?: { stmt: Tree }[] };
      parsed = { statements: (root.stmts ?? []).map((entry) => entry.stmt) };
    }
  }
  module._free(text);
  module._wasm_free_parse_result(result);
  return parsed;
}
