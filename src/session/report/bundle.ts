// What a bundle of evidence consists of beside the log and the recordings: the report as JSON and as a page, how to verify it,
// a reader, and bundle.json, which binds them all. The SHA-256 of bundle.json is what an entry of the log vouches for.
// Refuses to know: where it is written, how the log is copied.

import { hash } from 'node:crypto';
import type { Built } from './build.ts';
import { page } from './page.ts';
import { READER } from './reader.ts';
import type { Report, ReportRequest } from './types.ts';

export interface ReportFiles {
  /** By name; `bundle.json` is one of them. */
  readonly files: ReadonlyMap<string, string>;
  /** SHA-256 of bundle.json, lower-case hex. */
  readonly digest: string;
}

/** What an entry says that has a report put on record. */
export function exportFields(request: ReportRequest, digest: string): Readonly<Record<string, unknown>> {
  const { controls, from, to, seed, sample, rows } = request;
  return {
    ...{ what: 'report', bundle: digest, controls },
    ...{ from: new Date(from).toISOString(), to: new Date(to).toISOString(), seed, sample, rows },
  };
}

export function reportFiles({ report, recordings }: Built): ReportFiles {
  const parts = new Map([
    ['report.json', `${JSON.stringify(report, null, 1)}\n`],
    ['report.html', page(report)],
    ['README.txt', readme(report)],
    ['reader.py', READER],
  ]);
  const { from, to, seed, sample, rowsListed } = report;
  const bundle = {
    bundle: 1,
    log: report.log.origin,
    report: { controls: report.controls.map(({ id }) => id), from, to, seed, sample, rows: rowsListed },
    sessions: recordings.map(({ session }) => session),
    files: Object.fromEntries([...parts].map(([name, text]) => [name, hash('sha256', text, 'hex')])),
  };
  const text = `${JSON.stringify(bundle, null, 1)}\n`;
  return { files: new Map([...parts, ['bundle.json', text]]), digest: hash('sha256', text, 'hex') };
}

function readme({ controls, from, to, seed, log }: Report): string {
  return `Evidence for ${controls.map(({ id }) => id).join(', ')}
${from} up to, not including, ${to} (UTC)
Log: ${JSON.stringify(log.origin).slice(1, -1)}

  report.html    to read and to print; report.json: the same for programs
  bundle.json    the SHA-256 of these files, and the sessions whose recordings are here
  log/           the whole log of the gateway up to its checkpoint (C2SP tlog-tiles)
  recordings/    recordings of sampled sessions, and of sessions that tables name
  reader.py      checks one recording with nothing but Python 3

Verify all of it, without network or gateway:

  hoopctl audit verify . --key VKEY

VKEY is the key of the log, which you should have from elsewhere than from whoever gave you this
(hoopctl audit checkpoint --key). Checkpoints that you kept earlier go with --since FILE, keys of witnesses
with --witness VKEY. It says that the log's tree, entries and signature are whole; that each recording is the
one that the log names; and that this report is the one that the gateway put on record when it was made.

By other means:

1. One recording: python3 reader.py recordings/YYYY/MM/DD/SESSION.jsonl
   prints its digest, which has to be the one of the sample's table, of report.json, and of the log's entry.
2. These files: sha256sum report.html report.json README.txt reader.py
   has to give what bundle.json says, and 'sha256sum bundle.json' what an entry of the log says:
   grep -a -o '"what":"report","bundle":"[0-9a-f]*"' log/tile/entries/* -r
3. The log: any implementation of https://c2sp.org/tlog-tiles and https://c2sp.org/tlog-checkpoint.
4. The sample, seed ${JSON.stringify(seed)}: of all sealed sessions those with the smallest
   printf '%s\\n%s' SEED SESSION | sha256sum

The same span, controls, seed and sizes give the same bundle.json, byte for byte, from the same record.
How many reports were made, with which seeds and by whom, is in the log too: entries of kind export.
`;
}
