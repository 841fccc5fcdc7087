// `hoopctl audit export --since 7d --format csv --to FILE`: a copy of the record, from the gateway or from its data directory.

import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { userError } from '../../../core/errors.ts';
import { KIND } from '../../../session/export/select.ts';
import { COPY_FORMATS, type CopyFormat, type CopyOptions } from '../../../session/export/stream.ts';
import type { ObjectReader } from '../../../store/elsewhere.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { IDENTITY_OPTION, Openers, readerFrom } from '../../encrypted.ts';
import { parseMoment } from '../../moment.ts';
import { pour } from '../../pour.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { save } from '../../save.ts';
import { byteSize, plural } from '../../text.ts';

type Wanted = Pick<CopyOptions, 'span' | 'selection' | 'rows' | 'format'>;

export const command = define({
  options: {
    ...READING_OPTION,
    since: { value: 'MOMENT', help: 'from when on: 7d (ago), 2026-11-20, 2026-11-20T07:00:00Z' },
    until: { value: 'MOMENT', help: 'until when (default: now)' },
    format: { value: 'FORMAT', choices: COPY_FORMATS, default: 'jsonl', help: 'what one event is written as' },
    to: { value: 'FILE', trusted: true, help: 'where to, a new file (default: standard output)' },
    kind: { value: 'KIND', many: true, help: 'only these: log.login, session.intent, log.*, …' },
    label: { value: 'NAME=VALUE', many: true, help: 'only sessions whose connection has it' },
    connection: { value: 'NAME', help: 'only what names this connection' },
    session: { value: 'ID', help: 'only what names this session' },
    principal: { value: 'WHO', help: 'only what names this subject or e-mail' },
    withRows: { help: 'with rows of results and terminal output, as far as they are recorded' },
    ...IDENTITY_OPTION,
    data: { value: 'DIR', trusted: true, help: "read a gateway's data directory instead of asking the gateway" },
    config: {
      value: 'FILE',
      trusted: true,
      help: 'with --data: the configuration with the object storage of its recordings',
    },
  },
  notes: `For admins and auditors. Taking a copy is itself on record. Each event has an id that is the same in every copy and at every
destination; \`sequence\` counts the events of this copy. csv: RFC 4180; a text that a spreadsheet would run (= + - @) gets an
apostrophe in front, and so does one that begins with an apostrophe: take one away to have it back.
Of encrypted sessions there is what can be read without a key. With --identity the copy is made here, recording by recording,
with all that the identity opens: each that is somebody else's is on record as looked at.`,
  run: async (values, given) => {
    const context = reasoned(given, values.reason);
    const wanted = wish(values);
    const file = newFile(values.to, context);
    const { data, config } = values;
    const reader = readerFrom(values.identity, context);
    const objects = data === undefined || config === undefined ? undefined : await storedAt(context, config);
    const openers = reader && new Openers(reader, await keysOf(data, context, objects));
    const pieces =
      data !== undefined
        ? await read(data, wanted, context, { openers, objects })
        : openers === undefined
          ? await asked(wanted, context)
          : await readRemote(wanted, context, openers);
    await give(pieces, wanted, file, context);
    if (openers === undefined || openers.unread === 0) return;
    context.io.say(`${plural(openers.unread, 'recording')} stayed encrypted: for others, or the key was erased`);
  },
});

async function storedAt(context: Context, config: string): Promise<ObjectReader> {
  return (await import('../../audit/objects.ts')).objectsOf(context, config);
}

async function keysOf(data: string | undefined, context: Context, objects: ObjectReader | undefined) {
  if (data === undefined) return (await import('../../record-remote.ts')).remoteKeys(context);
  return (await import('../../record-local.ts')).localKeys(resolve(context.io.cwd, data), objects);
}

async function give(
  pieces: AsyncIterable<string | Buffer>,
  wanted: Wanted,
  file: string | undefined,
  context: Context,
): Promise<void> {
  if (file === undefined) return pour(context.io, pieces);
  const path = resolve(context.io.cwd, file);
  const bytes = await save(path, pieces);
  await context.print({ file: path, bytes, format: wanted.format }, () => `${file} (${byteSize(bytes)})\n`);
}

/** Undefined: standard output. Errors: conflict for a file that is there, which may be the copy of another time. */
function newFile(to: string | undefined, { io }: Context): string | undefined {
  if (to === undefined || to === '-') return undefined;
  if (statSync(resolve(io.cwd, to), { throwIfNoEntry: false })?.isFile() !== true) return to;
  throw userError('conflict', `'${to}' is there already`, { fix: 'name another file with --to' });
}

interface Given {
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly format: string;
  readonly kind: readonly string[];
  readonly label: readonly string[];
  readonly connection: string | undefined;
  readonly session: string | undefined;
  readonly principal: string | undefined;
  readonly withRows: boolean;
}

function wish({
  since,
  until,
  format,
  kind = [],
  label = [],
  connection,
  session,
  principal,
  withRows,
}: Given): Wanted {
  const now = Date.now();
  if (since === undefined) throw userError('usage', '--since is missing, e.g. --since 7d');
  const wrong = kind.find((one) => !KIND.test(one));
  if (wrong !== undefined)
    throw userError('usage', `--kind is '${wrong}', expected log.KIND, session.KIND, log.* or session.*`);
  const labels = label.map((one) => {
    const at = one.indexOf('=');
    if (at < 1) throw userError('usage', `--label is '${one}', expected NAME=VALUE`);
    return [one.slice(0, at), one.slice(at + 1)];
  });
  const span = {
    since: parseMoment(since, '--since', now),
    until: until === undefined ? now : parseMoment(until, '--until', now),
  };
  // An empty copy would say that nothing happened.
  if (span.since >= span.until) throw userError('usage', '--since is not before --until');
  return {
    span,
    selection: {
      ...{ kinds: kind, labels: Object.fromEntries(labels), session, principal },
      connections: connection === undefined ? [] : [connection],
    },
    rows: withRows,
    format: format as CopyFormat,
  };
}

async function asked({ span, selection, rows, format }: Wanted, context: Context): Promise<AsyncIterable<Buffer>> {
  const { kinds, labels, connections = [], session, principal } = selection;
  const iso = (ms: number) => new Date(ms).toISOString();
  const query = {
    ...{ since: iso(span.since), until: iso(span.until), format, rows: String(rows), session, principal },
    ...(connections.length === 0 ? {} : { connection: connections.join(',') }),
    ...(kinds.length === 0 ? {} : { kinds: kinds.join(',') }),
    ...(Object.keys(labels).length === 0
      ? {}
      : {
          labels: Object.entries(labels)
            .map((pair) => pair.join('='))
            .join(','),
        }),
  };
  return (await context.api()).bytes('audit/export', { query, signal: context.signal });
}

/** From the gateway, put together here: what the gateway cannot read. */
async function readRemote(wanted: Wanted, context: Context, openers: Openers): Promise<AsyncIterable<string>> {
  const { remoteRecord } = await import('../../record-remote.ts');
  const { copyOf } = await import('../../../session/export/stream.ts');
  const { source, product } = await remoteRecord(context, openers);
  return copyOf({ ...wanted, source, product, hostname: hostname() });
}

async function read(
  directory: string,
  wanted: Wanted,
  { io }: Context,
  from: { readonly openers: Openers | undefined; readonly objects: ObjectReader | undefined },
): Promise<AsyncIterable<string>> {
  const { localRecord } = await import('../../record-local.ts');
  const { copyOf } = await import('../../../session/export/stream.ts');
  const { connections = [], ...selection } = wanted.selection;
  const note = {
    what: 'copy taken',
    format: wanted.format,
    ...selection,
    ...(connections.length === 0 ? {} : { connection: connections.join(',') }),
    rows: wanted.rows,
    ...(from.openers === undefined ? {} : { decrypted: true }),
    since: new Date(wanted.span.since).toISOString(),
    until: new Date(wanted.span.until).toISOString(),
  };
  const { source, datastore } = await localRecord(resolve(io.cwd, directory), io, note, from);
  const product = { version: io.version, gateway: undefined, datastore };
  return copyOf({ ...wanted, source, product, hostname: hostname() });
}
