// The ways to tamper with a bundle of evidence, each with the names that it has to be called by.

import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordingStem } from '../../../src/store/recording-files.ts';
import type { Tampering } from './tampering.ts';
import { chained, gatewayKey, recordingLines, STRANGER, sha256, type World } from './world.ts';

/** Of a bundle with a report, made by the gateway: the world's `evidence`. */
const evidence = (w: World, name: string) => join(w.path('evidence'), name);
const sampled = (w: World) => JSON.parse(readFileSync(evidence(w, 'bundle.json'), 'utf8')).sessions as string[];
const sampledFile = (w: World) => evidence(w, `recordings/${recordingStem(sampled(w)[0]!)}.jsonl`);
const fitted = (w: World, name: string) =>
  w.text(evidence(w, 'bundle.json'), (text) =>
    text.replace(new RegExp(`("${name}": ")[0-9a-f]{64}`), `$1${sha256(readFileSync(evidence(w, name)))}`),
  );

const ALL: readonly Tampering[] = [
  ...['report.html', 'report.json', 'README.txt', 'reader.py'].map(
    (name): Tampering => ({
      name: `a bit of ${name}`,
      do: (w) => w.flip(evidence(w, name), 100),
      is: ['bundle_changed'],
      where: new RegExp(`^${name}$`),
    }),
  ),
  {
    name: 'a number in report.json, and bundle.json made to fit',
    do: (w) => {
      w.text(evidence(w, 'report.json'), (text) => text.replace('"exceptions": ', '"exceptions": 9'));
      fitted(w, 'report.json');
    },
    is: ['bundle_unsigned'],
  },
  { name: 'the page removed', do: (w) => rmSync(evidence(w, 'report.html')), is: ['bundle_missing'] },
  {
    name: 'the page removed from bundle.json too',
    do: (w) => {
      rmSync(evidence(w, 'report.html'));
      w.text(evidence(w, 'bundle.json'), (text) => text.replace(/ *"report.html": "[0-9a-f]{64}",\n/, ''));
    },
    is: ['bundle_unsigned'],
  },
  {
    name: 'another page put in',
    do: (w) => writeFileSync(evidence(w, 'summary.html'), 'all is well'),
    is: ['bundle_extra'],
  },
  {
    name: 'bundle.json removed',
    do: (w) => rmSync(evidence(w, 'bundle.json')),
    is: ['bundle_unsigned'],
    // Without it the directory is held for a gateway's own.
    also: ['recording_missing', 'segment_missing'],
  },
  {
    name: 'bundle.json cut',
    do: (w) => truncateSync(evidence(w, 'bundle.json'), 40),
    is: ['bundle_unreadable'],
    also: ['segment_missing'],
  },
  {
    name: 'bundle.json without the report',
    do: (w) => writeFileSync(evidence(w, 'bundle.json'), JSON.stringify({ sessions: sampled(w) })),
    is: ['bundle_extra'],
    also: ['segment_missing'],
  },
  {
    name: 'another seed in bundle.json',
    do: (w) => w.text(evidence(w, 'bundle.json'), (text) => text.replace('of the world', 'of my choice')),
    is: ['bundle_unsigned'],
  },
  {
    name: 'a sampled recording removed',
    do: (w) => rmSync(sampledFile(w)),
    is: ['recording_missing'],
  },
  {
    name: 'a sampled recording removed, and from bundle.json',
    do: (w) => {
      const [first] = sampled(w);
      rmSync(sampledFile(w));
      const bundle = JSON.parse(readFileSync(evidence(w, 'bundle.json'), 'utf8'));
      bundle.sessions = bundle.sessions.filter((one: string) => one !== first);
      writeFileSync(evidence(w, 'bundle.json'), `${JSON.stringify(bundle, null, 1)}\n`);
    },
    is: ['bundle_unsigned'],
  },
  { name: 'a sampled recording changed', do: (w) => w.flip(sampledFile(w), 300), is: ['recording_changed'] },
  {
    name: 'a sampled recording forged',
    do: (w) => writeFileSync(sampledFile(w), recordingLines(sampled(w)[0]!, 'select forged').join('')),
    is: ['recording_replaced'],
  },
  {
    name: 'a genuine recording that is not of it put in',
    do: (w) => {
      const other = [1, 2, 3].find((at) => !sampled(w).includes(w.sessions[at]!))!;
      const path = evidence(w, `recordings/${recordingStem(w.sessions[other]!)}.jsonl`);
      copyFileSync(w.recording(other), path);
    },
    is: ['bundle_extra'],
  },
  {
    name: 'the entry that vouches for it changed',
    do: (w) => {
      const folder = evidence(w, 'log/tile/entries/002.p');
      const [name] = readdirSync(folder);
      w.flip(join(folder, name!), readFileSync(join(folder, name!)).indexOf('of the world'));
    },
    is: ['entry_changed'],
    // What it says is taken as it stands: only the chain tells that it was changed.
    also: ['bundle_unsigned', 'entry_unreadable'],
  },
  {
    name: 'its log as it was before it was made',
    do: (w) => {
      w.forge(w.all.slice(0, -1), gatewayKey(w));
      rmSync(evidence(w, 'log'), { recursive: true });
      cpSync(w.log(''), evidence(w, 'log'), { recursive: true });
    },
    is: ['bundle_unsigned'],
    also: ['cosignature_missing'],
  },
  {
    name: 'its log by another key',
    do: (w) => {
      w.forge(chained(w.all), STRANGER);
      rmSync(evidence(w, 'log'), { recursive: true });
      cpSync(w.log(''), evidence(w, 'log'), { recursive: true });
    },
    is: ['checkpoint_unsigned'],
    also: ['cosignature_missing'],
  },
];

export const EVIDENCE_KINDS = ALL.map((one) => ({ at: 'evidence', ...one }));
