// `hoopctl audit report --control CC6.1 --from 2026-11-01 --to 2026-12-01`: a bundle of evidence for an auditor, from the
// gateway or from its data directory.

import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { peerError, userError } from '../../../core/errors.ts';
import { readRecording } from '../../../session/recorder/stored.ts';
import { exportFields } from '../../../session/report/bundle.ts';
import { CONTROL_IDS } from '../../../session/report/controls.ts';
import type { ControlId, ReportRequest } from '../../../session/report/types.ts';
import { LogFolder } from '../../../store/log-directory.ts';
import { recordingStem, segmentsOf } from '../../../store/recording-files.ts';
import { route } from '../../api.ts';
import { assertNew, type BundlePieces, writeBundle } from '../../audit/bundle.ts';
import { objectsOf } from '../../audit/objects.ts';
import { remoteLog } from '../../audit/remote.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { parseMoment } from '../../moment.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { plural } from '../../text.ts';

export const command = define({
  options: {
    ...READING_OPTION,
    control: { value: 'CONTROL', many: true, help: `one or more of ${CONTROL_IDS.join(', ')} (default: all)` },
    from: { value: 'MOMENT', default: '90d', help: 'from when on: 90d (ago), 2026-11-01, 2026-11-01T00:00:00Z; UTC' },
    to: { value: 'MOMENT', help: 'until when, not included (default: now)' },
    seed: { value: 'TEXT', help: 'decides which sessions are sampled (default: random, and told)' },
    sample: { value: 'COUNT', default: '25', help: 'how many sessions are sampled' },
    rows: { value: 'COUNT', default: '200', help: 'how many rows a table lists at most; the rest is counted' },
    output: { value: 'DIR', short: 'o', trusted: true, help: 'where to; made new (default: evidence-CONTROL-FROM-TO)' },
    config: {
      value: 'FILE',
      trusted: true,
      help: 'with --data: the configuration with the object storage of its recordings',
    },
    data: { value: 'DIR', trusted: true, help: "read a gateway's data directory instead of asking the gateway" },
  },
  notes: `For admins and auditors. Writes report.html (to read and to print), report.json, the gateway's log, the recordings of the
sampled sessions and of those that tables name, and README.txt, which says how to verify all of it offline:
'hoopctl audit verify DIR --key VKEY'. The report is put on record when it is made: an entry of the log has its digest.
The same span, controls, seed and sizes give the same report. CC6.1, CC6.6, CC7.2, CC7.3, CC8.1 and C1.1 are controls of SOC 2;
for each the report says what the record shows and what it cannot.`,
  run: async (values, given) => {
    const context = reasoned(given, values.reason);
    const request = requestOf(values, Date.now());
    const named = values.output ?? nameOf(request);
    const directory = resolve(context.io.cwd, named);
    assertNew(directory);
    const from =
      values.data === undefined
        ? await asked(request, context)
        : await read(values.data, request, context, values.config);
    await writeBundle(directory, from.pieces);
    const { sessions } = from.pieces;
    const { controls, seed } = request;
    const span = { from: new Date(request.from).toISOString(), to: new Date(request.to).toISOString() };
    await context.print(
      {
        directory,
        controls,
        ...span,
        seed,
        recordings: sessions.length,
        bundle: from.digest,
        onRecord: from.unsigned === undefined,
      },
      () =>
        `${named}: ${controls.join(', ')} from ${span.from} to ${span.to}, seed ${seed}, ${plural(sessions.length, 'recording')}\n`,
    );
    if (from.unsigned === undefined) return 0;
    context.io.say(`nothing vouches for this report: ${from.unsigned}`);
    return 1;
  },
});

interface Given {
  readonly control: readonly string[] | undefined;
  readonly from: string;
  readonly to: string | undefined;
  readonly seed: string | undefined;
  readonly sample: string;
  readonly rows: string;
}

function requestOf({ control = [], from, to, seed, sample, rows }: Given, now: number): ReportRequest {
  const wrong = control.find((one) => !CONTROL_IDS.includes(one as ControlId));
  if (wrong !== undefined) {
    throw userError('usage', `--control is '${wrong}', expected one of ${CONTROL_IDS.join(', ')}`);
  }
  const span = {
    from: parseMoment(from, '--from', now),
    to: to === undefined ? now : parseMoment(to, '--to', now),
  };
  if (span.from >= span.to) throw userError('usage', '--from is not before --to');
  if (seed === '' || (seed?.length ?? 0) > 200) throw userError('usage', '--seed has to have 1 to 200 characters');
  return {
    // In the order of the table, each once: the same controls are the same report.
    controls: CONTROL_IDS.filter((id) => control.length === 0 || control.includes(id)),
    ...span,
    seed: seed ?? randomBytes(8).toString('hex'),
    sample: countOf(sample, '--sample', 0, 1000),
    rows: countOf(rows, '--rows', 1, 10_000),
  };
}

function countOf(text: string, option: string, least: number, most: number): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return count;
  throw userError('usage', `${option} is '${text}', expected ${least} to ${most}`);
}

function nameOf({ controls, from, to }: ReportRequest): string {
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const what = controls.length === CONTROL_IDS.length ? 'all' : controls.join('-');
  return `evidence-${what}-${day(from)}-${day(to)}`;
}

interface From {
  readonly pieces: BundlePieces;
  readonly digest: string;
  /** Why nothing vouches for it. */
  readonly unsigned?: string | undefined;
}

type Told =
  | { readonly sessions: number }
  | { readonly file: string; readonly text: string }
  | { readonly entry: number; readonly bundle: string; readonly recordings: readonly string[] };

async function asked(request: ReportRequest, context: Context): Promise<From> {
  const api = await context.api();
  const iso = (ms: number) => new Date(ms).toISOString();
  const body = { ...request, from: iso(request.from), to: iso(request.to) };
  const files = new Map<string, string>();
  for await (const told of api.lines<Told>('audit/report', { method: 'POST', body, signal: context.signal })) {
    if ('file' in told) files.set(told.file, told.text);
    else if ('sessions' in told) context.io.say(`${plural(told.sessions, 'session')} read`);
    else {
      const log = await remoteLog(context, new URL('/log/', api.access.url));
      const recording = (session: string) =>
        api.bytes(route`sessions/${session}/recording`, { signal: context.signal });
      return { pieces: { files, sessions: told.recordings, log, recording }, digest: told.bundle };
    }
  }
  throw peerError('gateway_error', 'the gateway broke off before the report was made', {
    fix: "look at the gateway's log, and try again",
  });
}

async function read(data: string, request: ReportRequest, context: Context, config: string | undefined): Promise<From> {
  const { io } = context;
  const objects = config === undefined ? undefined : await objectsOf(context, config);
  const directory = resolve(io.cwd, data);
  const { makeReport } = await import('../../../gateway/report/make.ts');
  const { vouch } = await import('../../audit/vouch.ts');
  let told = Date.now();
  const progress = (sessions: number) => {
    if (Date.now() - told < 1000) return;
    told = Date.now();
    io.say(`${plural(sessions, 'session')} read`);
  };
  const made = await makeReport(directory, request, progress, objects);
  const whole = made.problems.length === 0;
  const unsigned = await vouch({ directory, fields: exportFields(request, made.digest), whole }, io);
  const files = (session: string) => segmentsOf(join(directory, 'recordings', recordingStem(session)), objects);
  const recording = (session: string) => readRecording({ files }, session);
  const log = new LogFolder(join(directory, 'log'));
  return { pieces: { files: made.files, sessions: made.sessions, log, recording }, digest: made.digest, unsigned };
}
