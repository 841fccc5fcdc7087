// What a gateway says of a connection, before it goes where a program of the user's reads it: a file of ssh's, arguments, a
// line that a shell completes. Who runs the gateway must not thereby run commands here. Refuses to know: those programs.

import { peerError } from '../core/errors.ts';
import type { ConnectionItem } from './shapes.ts';

/** As a gateway's configuration has them. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** `asked`: the name that it was asked for. Errors: gateway_error. */
export function assertPlain(item: ConnectionItem, asked = item.name): void {
  const wrong = wrongOf(item, asked);
  if (wrong !== undefined) throw peerError('gateway_error', wrong, { fix: 'ask who runs the gateway' });
}

function wrongOf({ name, described }: ConnectionItem, asked: string): string | undefined {
  if (name !== asked) return `the gateway was asked for '${asked}', and tells of '${name}'`;
  if (!NAME.test(name)) return `the gateway tells of '${name}', which is no name of a connection`;
  const what = Object.keys(described ?? {}).find((key) => !isLine(described[key]));
  return what === undefined ? undefined : `the gateway tells of '${name}' with a ${what} that is not one line`;
}

function isLine(value: unknown): boolean {
  return typeof value === 'string' && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value);
}

/** Of names and ids that a shell may put on the user's command line: nothing in it means anything to a shell. */
export function isWord(name: string): boolean {
  return /^[\w.][\w.:@-]*$/.test(name);
}
