// The report of a data directory: everything that a bundle has beside the log and the recordings. By files alone, so on
// whatever thread or machine. Refuses to know: who asks, where it goes.

import { join } from 'node:path';
import { Findings } from '../../session/log/check/findings.ts';
import { Ledger } from '../../session/log/check/ledger.ts';
import { checkLog } from '../../session/log/check/log.ts';
import { readEntries } from '../../session/log/reader.ts';
import { followSource } from '../../session/recorder/follow-source.ts';
import { recordingBytes } from '../../session/recorder/stored.ts';
import { verify } from '../../session/recorder/verify.ts';
import { buildReport, type WantedRecording } from '../../session/report/build.ts';
import { type ReportFiles, reportFiles } from '../../session/report/bundle.ts';
import type { ReportRequest, Verified } from '../../session/report/types.ts';
import type { ObjectReader } from '../../store/elsewhere.ts';
import { LogFolder, SegmentDirectory } from '../../store/log-directory.ts';
import { recordingStem, segmentsOf } from '../../store/recording-files.ts';
import { allProtocols } from '../configuration.ts';
import { ownOpeners } from '../recording-identity.ts';
import { policyReader } from './policy-view.ts';

export interface MadeReport extends ReportFiles {
  /** Whose recordings belong into the bundle. */
  readonly sessions: readonly string[];
  /** What is wrong with the log: codes of `audit verify`. */
  readonly problems: readonly string[];
}

/** Without `objects`, recordings that are in object storage count as wrong. Errors: `recording_invalid`, those of the places. */
export async function makeReport(
  data: string,
  request: ReportRequest,
  progress: (sessions: number) => void,
  objects?: ObjectReader,
): Promise<MadeReport> {
  const folder = new LogFolder(join(data, 'log'));
  const files = (session: string) => segmentsOf(join(data, 'recordings', recordingStem(session)), objects);
  const source = followSource({
    log: { entries: (from) => readEntries(folder, from) },
    sink: { files },
    openerFor: ownOpeners(data, objects),
  });
  const built = await buildReport({
    ...{ source, request, progress },
    read: policyReader(await allProtocols()),
    verify: async (wanted) => ({ log: await problemsOf(data, folder), ...(await checkRecordings(wanted, files)) }),
  });
  const { report, recordings } = built;
  const sessions = recordings.map(({ session }) => session);
  return { ...reportFiles(built), sessions, problems: report.verification.log };
}

async function problemsOf(data: string, source: LogFolder): Promise<Verified['log']> {
  const findings = new Findings();
  const segments = new SegmentDirectory(join(data, 'log'));
  const trust = { keys: [], witnesses: [] };
  await checkLog({ source, segments, trust, since: [], ledger: new Ledger() }, findings);
  return [...new Set(findings.problems.map(({ code }) => code))].sort();
}

async function checkRecordings(
  wanted: readonly WantedRecording[],
  files: (session: string) => ReturnType<typeof segmentsOf>,
): Promise<Omit<Verified, 'log'>> {
  const [wrong, missing]: [string[], string[]] = [[], []];
  for (const { session, digest } of wanted) {
    if (files(session).next().done === true) {
      missing.push(session);
      continue;
    }
    const good = await verify(recordingBytes(files(session)), { session, digest }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (!good) wrong.push(session);
  }
  return { recordings: wanted.length - missing.length, wrong, missing };
}
