// `audit reconcile --counts`: what a target has counted, kept in a file at one call and compared with the record at the next.
// Runs where the target's credentials are. Refuses to know: how a target counts.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { formatPath } from '../../config/problem.ts';
import { userError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import type { Counted, Protocol } from '../../protocol/contract.ts';
import { compareCounts } from '../../session/reconcile/counts.ts';
import { CredentialResolver } from '../../target/credentials.ts';
import { createTarget } from '../../target/target.ts';
import type { Context } from '../context.ts';
import { needDocument, readText } from '../document.ts';
import { oneLine, plural } from '../text.ts';
import { Gaps, takenIn } from './gaps.ts';
import { type Asked, reachedBy } from './reached.ts';
import { type CopyWanted, sentOnRecord } from './sides.ts';
import { sourceItem } from './sources.ts';

const TARGET_MS = 20_000;

interface Wanted extends Omit<CopyWanted, 'config'>, Asked {
  readonly counts: string;
  readonly config: string;
}

/** The exit code. */
export async function counts({ counts: file, config, ...wanted }: Wanted, context: Context): Promise<number> {
  const { connection } = wanted;
  const path = resolve(context.io.cwd, file);
  const before = existsSync(path) ? readCounts(path, connection) : undefined;
  const { protocol, counted } = await countsNow(context, config, connection);
  const at = new Date(counted.at).toISOString();
  if (before === undefined) {
    writeFileSync(path, `${JSON.stringify({ connection, ...counted })}\n`, { mode: 0o600 });
    const size = counted.statements.length;
    await context.print({ file: path, at, statements: size }, () => `${file}: ${plural(size, 'statement')} at ${at}\n`);
    return 0;
  }
  const recorded = new Map<string, { text: string; count: number }>();
  const span = { since: before.at, until: counted.at };
  const reached = await reachedBy(context, { ...wanted, document: readText(context, config) }, span);
  const { connections, sources } = reached;
  const gaps = new Gaps(reached);
  for await (const { text, executes, done = [] } of sentOnRecord(context, { ...wanted, config }, reached, gaps, span)) {
    if (done.length === 0) continue;
    const shapes = await protocol.shapes!(executes ?? text);
    // A target counts what came to its end: of several statements maybe not all.
    for (const shape of shapes.length === 1 ? shapes : shapes.filter((_, part) => done.includes(part))) {
      const known = recorded.get(shape);
      if (known === undefined) recorded.set(shape, { text, count: 1 });
      else known.count += 1;
    }
  }
  const found = compareCounts(before, counted, recorded);
  if (typeof found === 'string') {
    throw userError('conflict', `the counts cannot be compared: ${found}`, { fix: `remove '${file}' and begin again` });
  }
  const from = new Date(before.at).toISOString();
  const ok = found.length === 0;
  const said = {
    ok,
    gateways: sources.map(sourceItem),
    connections,
    incomplete: gaps.list,
    from,
    to: at,
    differences: found,
  };
  await context.print(said, () => {
    const lines = found.map((one) => `  target ${one.target}, record ${one.record}: ${oneLine(one.text, 160)}\n`);
    return `from ${from} to ${at}: ${ok ? 'both sides agree' : `${plural(found.length, 'statement')} counted differently`}\n${takenIn(reached)}${lines.join('')}${ok && !gaps.partial ? '' : gaps.words()}`;
  });
  return ok ? 0 : 1;
}

async function countsNow(
  context: Context,
  file: string,
  name: string,
): Promise<{ protocol: Protocol; counted: Counted }> {
  const { connections } = await needDocument(context, file);
  const connection = connections.get(name);
  if (connection === undefined) throw userError('no_such_connection', `'${file}' has no connection '${name}'`);
  const { protocol } = connection;
  if (protocol.counted === undefined || protocol.shapes === undefined) {
    throw userError('not_supported', `the target of '${name}' does not count what it runs`);
  }
  const directory = dirname(resolve(context.io.cwd, file));
  const resolver = new CredentialResolver({ environment: context.io.env, directory, log: silentLog });
  const { missingCredentials } = await import('../../gateway/credentials.ts');
  const [missing] = await missingCredentials({ connections: new Map([[name, connection]]) }, resolver);
  if (missing !== undefined) {
    const { path, reference, why } = missing;
    throw userError('credentials_unavailable', `${formatPath(path)} is ${reference}, which ${why} here`, {
      fix: "--counts logs in to the target from here: run it where the target's credentials are",
    });
  }
  const target = createTarget({
    address: { connection: name, ...connection.address },
    config: connection.config,
    credentials: connection.credentials,
    resolver,
    log: silentLog,
  });
  return { protocol, counted: await protocol.counted(target, AbortSignal.timeout(TARGET_MS)) };
}

/** Errors: usage. */
function readCounts(path: string, connection: string): Counted {
  try {
    const read = JSON.parse(readFileSync(path, 'utf8')) as Counted & { connection: string };
    if (read.connection === connection && Array.isArray(read.statements)) return read;
  } catch {
    // Told below.
  }
  throw userError('usage', `'${path}' has no counts of '${connection}'`, { fix: 'name another file with --counts' });
}
