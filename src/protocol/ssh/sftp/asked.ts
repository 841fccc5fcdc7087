// A request as policy is asked about it, once its paths are the host's own. Refuses to know: how it is decided.

import { digestOf, type Operation, shownBytes, shownName } from '../../contract.ts';
import type { Details } from './details.ts';
import { Fxp } from './packet.ts';
import { type FileRequest, factsOf } from './requests.ts';

const BLANK = Buffer.from(' ');

export function operationOf(request: FileRequest, paths: readonly Buffer[]): Operation {
  const { verb, says, details } = request;
  const names = says === undefined ? paths : [says, ...paths];
  const words = Buffer.concat([Buffer.from(verb), ...names.flatMap((name) => [BLANK, name])]);
  const all: Details = [...apart(names), ...details];
  return {
    kind: 'sftp',
    ...shownBytes(words),
    ...(all.length === 0 ? {} : { params: all.map(([, value]) => value), forms: all.map(([form]) => form) }),
    exact: exactOf(request.rewrite(paths), paths),
    parts: [factsOf(request, paths.map(shownName))],
  };
}

/** Where one of several has a blank in it, the text does not tell where it ends. */
function apart(names: readonly Buffer[]): Details {
  if (names.length < 2 || !names.some((name) => name.includes(BLANK))) return [];
  return names.map((name) => ['name', shownName(name)] as const);
}

/** What the host gets, but for what counts requests: the number, and the handle, which stands for a path. */
function exactOf(sent: Buffer, paths: readonly Buffer[]): string {
  const type = sent[4]!;
  const from = 9 + (type === Fxp.FSETSTAT ? 4 + sent.readUInt32BE(9) : 0);
  return digestOf(String(type), sent.subarray(from), ...paths);
}
