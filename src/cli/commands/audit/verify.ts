// `hoopctl audit verify PATH…`: offline, from files alone; says in words what was changed, is missing, added, out of order.

import { userError } from '../../../core/errors.ts';
import type { Verification } from '../../../session/recorder/verify.ts';
import type { FoundRecording } from '../../../store/recording-files.ts';
import { type Checked, checkPlace } from '../../audit/check.ts';
import { Contents, isEncrypted, openedNone } from '../../audit/contents.ts';
import { objectsOf } from '../../audit/objects.ts';
import { type Place, placeOf, textOrFile } from '../../audit/place.ts';
import { remoteLog } from '../../audit/remote.ts';
import { TRUST_OPTIONS, trustOf } from '../../audit/trust.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { IDENTITY_OPTION, readerFrom } from '../../encrypted.ts';
import { type Paint, painter } from '../../paint.ts';
import { byteSize, plural, printable } from '../../text.ts';

interface CheckedFile {
  readonly file: string;
  readonly result: Verification;
  /** Why an identity does not show what is in it although it is for that. */
  readonly content: string | undefined;
}

const isGood = ({ result, content }: CheckedFile): boolean => result.ok && content === undefined;

export const command = define({
  options: {
    ...TRUST_OPTIONS,
    ...IDENTITY_OPTION,
    since: { value: 'FILE', many: true, help: 'a checkpoint that you kept: the log has to continue it' },
    recording: { value: 'FILE', help: 'with a receipt: the recording that it is of' },
    recordings: { negated: true, help: 'check the log alone' },
    config: {
      value: 'FILE',
      trusted: true,
      help: "the gateway's configuration: recordings in its object storage are read from there, with its credentials",
    },
    open: { trusted: true, help: 'accept recordings that are still being written' },
    digest: { value: 'SHA256', help: 'the digest that the one recording is expected to have' },
  },
  arguments: [
    {
      name: 'path',
      many: true,
      help: "a gateway's data directory, a bundle, a log or its URL, a proof, a receipt, recordings, or - for a recording on standard input",
      complete: 'files',
    },
  ],
  notes: `Needs no gateway. Of a data directory (the gateway may be running) it checks the log: signature, tree, entries, their
order; every recording: chain, seal; and the two against each other: every sealed recording in the log with its digest,
none missing, none more. Pin the log's key with --key, keep checkpoints elsewhere ('hoopctl audit checkpoint') and give
them with --since: then nobody, not even who has the gateway, can rewrite what was signed before.
Encrypted recordings are checked as they are stored, without a key; with --identity also that each opens with the key beside it.
An identity that opens none of them is an error (2): what was asked for was not checked.
Recordings alone show neither that one is missing nor that one was forged from its first line on.
Exit code 0: all is as it should be. 1: something is wrong; each problem has a code, a place and words. 2: usage.`,
  run: async (values, context) => {
    const places = values.path.map(placeOf);
    const paint = await painter(context.io);
    const reader = readerFrom(values.identity, context);
    const files = places.filter((place) => place.kind === 'recordings').map(({ path }) => path);
    const others = places.filter((place) => place.kind !== 'recordings');
    const contents = reader && new Contents(reader, undefined);
    const checkedFiles = files.length === 0 ? [] : await checkFiles(files, { ...values, contents }, context, paint);
    const checked: { place: Place; result: Checked }[] = [];
    const objects = values.config === undefined ? undefined : await objectsOf(context, values.config);
    const since = (values.since ?? []).map((name) => ({ name, text: textOrFile(name, (one) => one.includes('\n')) }));
    for (const place of others) {
      const result = await checkPlace(place, {
        trust: trustOf(values),
        since,
        recordings: values.recordings,
        recording: values.recording,
        ...(reader === undefined ? {} : { reader }),
        objects,
        remote: (url) => remoteLog(context, url),
      });
      checked.push({ place, result });
      if (!context.json) await context.io.write(placeWords(place.path, result, paint));
    }
    const good = checkedFiles.every(isGood) && checked.every(({ result }) => result.findings.ok);
    const all = [
      ...(contents === undefined ? [] : [contents]),
      ...checked.flatMap(({ result }) => result.contents ?? []),
    ];
    const unopened = reader && openedNone(reader, all);
    if (context.json) {
      const form = {
        ok: good && unopened === undefined,
        ...(files.length === 0 ? {} : { files: checkedFiles.map(machineForm) }),
        ...(others.length === 0 ? {} : { places: checked.map(({ place, result }) => placeForm(place.path, result)) }),
      };
      await context.io.write(`${JSON.stringify(form)}\n`);
    }
    // What is wrong with the record is the greater matter.
    if (unopened !== undefined && good) throw unopened;
    if (unopened !== undefined) context.io.say(unopened.message);
    return good ? 0 : 1;
  },
});

interface FileOptions {
  readonly open: boolean;
  readonly digest: string | undefined;
  readonly contents: Contents | undefined;
}

async function checkFiles(
  paths: readonly string[],
  { open, digest, contents }: FileOptions,
  context: Context,
  paint: Paint,
): Promise<readonly CheckedFile[]> {
  const { verify } = await import('../../../session/recorder/verify.ts');
  const { findRecordings } = await import('../../../store/recording-files.ts');
  const { recordingBytes } = await import('../../../session/recorder/stored.ts');
  const stdin = { name: 'standard input', bytes: () => context.io.stdin as AsyncIterable<Uint8Array> };
  const found = paths.flatMap((path): Pick<FoundRecording, 'path' | 'files'>[] =>
    path === '-' ? [{ path, files: [stdin] }] : findRecordings(path),
  );
  if (found.length === 0) throw userError('usage', `no recording (*.jsonl, *.jsonl.zst) in '${paths.join("', '")}'`);
  const checked: CheckedFile[] = [];
  for (const { path, files } of found) {
    const result = await verify(recordingBytes(files), {
      open,
      ...(digest === undefined ? {} : { digest }),
    }).catch((error: Error) => {
      throw userError('config_unreadable', `cannot read '${path}': ${error.message}`, { cause: error });
    });
    // Standard input is read once.
    const content = path !== '-' && isEncrypted(result) ? await contents?.check({ path, files }) : undefined;
    const one = { file: path, result, content };
    checked.push(one);
    if (!context.json) await context.io.write(fileWords(one, paint));
  }
  if (!context.json && contents !== undefined) await context.io.write(`note: ${printable(contents.note())}\n`);
  const bad = checked.filter((one) => !isGood(one)).length;
  if (!context.json && checked.length > 1) {
    await context.io.write(`${plural(checked.length, 'recording')}, ${bad === 0 ? 'all good' : `${bad} not good`}\n`);
  }
  return checked;
}

function fileWords(one: CheckedFile, paint: Paint): string {
  const { file: path, result, content } = one;
  const seal = result.sealed ? `sealed, digest ${result.digest}` : 'not sealed';
  const interrupted = result.interrupted === undefined ? '' : `, interrupted: ${printable(result.interrupted)}`;
  const head = `${paint(isGood(one) ? 'ok' : 'failed')}  ${printable(path)}: ${plural(result.lines, 'line')}, ${seal}${interrupted}\n`;
  const problems = result.problems.map((problem) => `    ${problem.what}: ${printable(problem.message)}\n`);
  const warnings = result.warnings.map((warning) => `    note: ${printable(warning)}\n`);
  const unread = content === undefined ? '' : `    content_unreadable: ${printable(content)}\n`;
  return head + problems.join('') + unread + warnings.join('');
}

function machineForm(one: CheckedFile): object {
  const { file, result, content } = one;
  const { sealed, interrupted, lines, bytes, session, digest, warnings } = result;
  const unread = content === undefined ? [] : [{ what: 'content_unreadable', message: content }];
  const problems = [...result.problems, ...unread];
  return { file, ok: isGood(one), sealed, interrupted, lines, bytes, session, digest, problems, warnings };
}

function placeWords(path: string, { findings, log, recordings }: Checked, paint: Paint): string {
  const facts: string[] = [];
  if (log !== undefined) {
    const { origin, size } = log.checkpoint;
    facts.push(`log ${printable(origin)}, ${plural(size, 'entry', 'entries')} signed`);
  }
  if (recordings !== undefined) {
    const { count, bytes, ms } = recordings;
    const rate = ms < 1000 ? '' : ` at ${byteSize((bytes * 1000) / ms)}/s`;
    facts.push(`${plural(count, 'recording')}, ${byteSize(bytes)}${rate}`);
  }
  const head = `${paint(findings.ok ? 'ok' : 'failed')}  ${printable(path)}${facts.length === 0 ? '' : `: ${facts.join('; ')}`}\n`;
  const problems = findings.problems.map(({ code, message }) => `    ${code}: ${printable(message)}\n`);
  const more = findings.more === 0 ? '' : `    and ${plural(findings.more, 'more problem')}\n`;
  const notes = findings.notes.map((note) => `    note: ${printable(note)}\n`);
  return head + problems.join('') + more + notes.join('');
}

function placeForm(path: string, { findings, log, recordings }: Checked): object {
  const { ok, problems, more, notes } = findings;
  const head = log?.checkpoint;
  return {
    path,
    ok,
    ...(head === undefined
      ? {}
      : { log: { origin: head.origin, size: head.size, root: head.root.toString('base64'), waiting: log!.waiting } }),
    ...(recordings === undefined ? {} : { recordings }),
    problems,
    ...(more === 0 ? {} : { more }),
    notes,
  };
}
