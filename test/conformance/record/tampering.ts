// The ways to tamper with a record, each with the names that it has to be called by. What a forger can do without the log's
// key, with another one, and (only against what somebody kept elsewhere) with it.

import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newSessionId } from '../../../src/core/ids.ts';
import type { Code } from '../../../src/session/log/check/findings.ts';
import { formatVkey, signNote } from '../../../src/session/log/note.ts';
import { endorsementText } from '../../../src/session/log/rotation.ts';
import { recordingStem } from '../../../src/store/recording-files.ts';
import { chained, gatewayKey, recordingLines, STRANGER, sha256, type World } from './world.ts';

export interface Tampering {
  readonly name: string;
  readonly do: (world: World) => void;
  /** All of these are reported. */
  readonly is: readonly Code[];
  /** And no others but these. */
  readonly also?: readonly Code[];
  /** The place that one of the problems names. */
  readonly where?: RegExp;
  /** What is looked at, below the world; all of it by default. */
  readonly at?: string;
}

const swap = <T>(list: readonly T[], a: number, b: number): T[] => list.with(a, list[b]!).with(b, list[a]!);

function forgedRecording(world: World, session: string): string {
  const path = `${join(world.data, 'recordings', recordingStem(session))}.jsonl`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, recordingLines(session, 'select forged').join(''));
  return path;
}

function movedElsewhere(world: World, which: number, files: (session: string) => unknown): void {
  const path = world.recording(which);
  const session = world.sessions[which]!;
  const list = { session, endpoint: 'https://s3.example.com', bucket: 'b', at: 'x', files: files(session) };
  writeFileSync(path.replace(/\.jsonl$/, '.objects.json'), JSON.stringify(list));
  rmSync(path);
}

export const RECORDINGS: readonly Tampering[] = [
  { name: 'a bit of a statement', do: (w) => w.flip(w.recording(1), 300), is: ['recording_changed'], where: /:\d$/ },
  {
    name: 'a statement',
    do: (w) => w.text(w.recording(1), (text) => text.replace('select 1 2', 'select 9 9')),
    is: ['recording_changed'],
  },
  {
    name: 'a time',
    do: (w) => w.text(w.recording(1), (text) => text.replace('07:00:00.002', '07:00:00.001')),
    is: ['recording_changed'],
  },
  {
    name: 'a line taken out',
    do: (w) => w.lines(w.recording(1), (lines) => lines.toSpliced(3, 1)),
    is: ['recording_changed'],
  },
  {
    name: 'the first line taken out',
    do: (w) => w.lines(w.recording(1), (lines) => lines.slice(1)),
    is: ['recording_changed'],
  },
  {
    name: 'a line repeated',
    do: (w) => w.lines(w.recording(1), (lines) => lines.toSpliced(3, 0, lines[2]!)),
    is: ['recording_changed'],
  },
  {
    name: 'a line put in',
    do: (w) => w.lines(w.recording(1), (lines) => lines.toSpliced(3, 0, '{"kind":"note"}\n')),
    is: ['recording_changed'],
  },
  {
    name: 'a line of another recording put in',
    do: (w) => w.lines(w.recording(1), (lines) => lines.with(3, recordingLines(w.sessions[2]!, 'x')[3]!)),
    is: ['recording_changed'],
  },
  {
    name: 'two lines exchanged',
    do: (w) => w.lines(w.recording(1), (lines) => swap(lines, 2, 3)),
    is: ['recording_changed'],
  },
  {
    name: 'the end cut inside a line',
    do: (w) => truncateSync(w.recording(1), readFileSync(w.recording(1)).length - 40),
    is: ['recording_changed'],
  },
  {
    name: 'the seal cut off',
    do: (w) => w.lines(w.recording(1), (lines) => lines.slice(0, -1)),
    is: ['recording_changed'],
  },
  { name: 'everything cut off', do: (w) => writeFileSync(w.recording(1), ''), is: ['recording_changed'] },
  {
    name: 'a line added after the seal',
    do: (w) => w.lines(w.recording(1), (lines) => [...lines, lines[2]!]),
    is: ['recording_changed'],
  },
  {
    name: "the seal's digest",
    do: (w) => w.text(w.recording(1), (text) => text.replace(/"digest":"../, '"digest":"00')),
    is: ['recording_changed'],
    also: ['recording_replaced'],
  },
  {
    name: "the seal's number of lines",
    do: (w) => w.text(w.recording(1), (text) => text.replace('"lines":9', '"lines":8')),
    is: ['recording_changed'],
  },
  {
    name: 'forged from its first line on',
    do: (w) => void forgedRecording(w, w.sessions[1]!),
    is: ['recording_replaced'],
  },
  {
    name: 'shortened and sealed again',
    do: (w) => writeFileSync(w.recording(1), recordingLines(w.sessions[1]!, 'select 1', 1).join('')),
    is: ['recording_replaced'],
  },
  { name: 'removed', do: (w) => rmSync(w.recording(1)), is: ['recording_missing'] },
  { name: 'one of an old segment removed', do: (w) => rmSync(w.recording(0)), is: ['recording_missing'] },
  { name: 'a compressed one removed', do: (w) => rmSync(`${w.recording(4)}.zst`), is: ['recording_missing'] },
  {
    name: 'removed, and purged by entries that nobody signed',
    do: (w) => {
      rmSync(w.recording(1));
      const fields = { session: w.sessions[1], reason: 'ninety days', by: 'retention' };
      let [seq, prev] = [w.all.length, sha256(w.all.at(-1)!)];
      for (const kind of ['purging', 'purge']) {
        const line = JSON.stringify({ seq, at: '2026-11-20T07:00:00.000Z', kind, ...fields, prev });
        writeFileSync(w.log('journal/000000000000.jsonl'), `${line}\n`, { flag: 'a' });
        [seq, prev] = [seq + 1, sha256(line)];
      }
    },
    is: ['recording_missing'],
  },
  {
    name: 'a compressed one changed',
    do: (w) => w.flip(`${w.recording(4)}.zst`, 60),
    is: ['recording_changed'],
    also: ['recording_unreadable', 'recording_replaced'],
  },
  { name: 'a compressed one cut', do: (w) => truncateSync(`${w.recording(4)}.zst`, 100), is: ['recording_changed'] },
  {
    name: 'one put in',
    do: (w) => void forgedRecording(w, newSessionId(Date.UTC(2026, 10, 20))),
    is: ['recording_extra'],
  },
  {
    name: 'one without a seal put in',
    do: (w) => {
      const path = forgedRecording(w, newSessionId(Date.UTC(2026, 10, 20)));
      w.lines(path, (lines) => lines.slice(0, -1));
    },
    is: ['recording_unsealed'],
  },
  {
    name: 'two exchanged',
    do: (w) => {
      const [a, b] = [readFileSync(w.recording(1)), readFileSync(w.recording(2))];
      writeFileSync(w.recording(1), b);
      writeFileSync(w.recording(2), a);
    },
    is: ['recording_changed', 'recording_replaced'],
  },
  {
    name: 'one in the place of another',
    do: (w) => copyFileSync(w.recording(1), w.recording(2)),
    is: ['recording_changed', 'recording_replaced'],
  },
  {
    name: 'one there twice',
    do: (w) => {
      mkdirSync(w.path('recordings/2020'));
      copyFileSync(w.recording(1), w.path(`recordings/2020/${w.sessions[1]}.jsonl`));
    },
    is: ['recording_repeated'],
  },
  {
    name: 'a purged one that came back',
    do: (w) => writeFileSync(w.recording(5), recordingLines(w.sessions[5]!, 'select 5').join('')),
    is: ['recording_not_purged'],
  },
  {
    name: 'one that was taken away, with a list that says that it is elsewhere',
    do: (w) => movedElsewhere(w, 1, (session) => [{ name: `${session}.jsonl`, key: 'k', bytes: 1, sha256: 'x' }]),
    is: ['recording_elsewhere'],
  },
  {
    name: 'one that was taken away, with a list that is none',
    do: (w) => movedElsewhere(w, 1, () => 'nothing'),
    is: ['recording_unreadable'],
  },
];

export const LOG: readonly Tampering[] = [
  {
    name: 'a bit of an entry',
    do: (w) => w.flip(w.log('tile/entries/000'), 5000),
    is: ['entry_changed'],
    where: /^entry \d+$/,
  },
  {
    name: 'a bit of an entry of the last bundle',
    do: (w) => w.flip(w.bundle(2).path, 100),
    is: ['entry_changed'],
    where: /^entry 512$/,
    also: [],
  },
  {
    name: 'who logged in',
    do: (w) => w.entries(0, (entries) => entries.with(40, changed(entries[40]!))),
    is: ['entry_changed'],
  },
  {
    name: 'an entry taken out',
    do: (w) => w.entries(0, (entries) => entries.toSpliced(40, 1)),
    is: ['entry_moved', 'entry_missing'],
  },
  {
    name: 'the last entry taken out',
    do: (w) => w.entries(2, (entries) => entries.slice(0, -1)),
    is: ['entry_missing'],
    also: ['recording_missing'],
  },
  { name: 'an entry put in', do: (w) => w.entries(2, (entries) => [...entries, entries[0]!]), is: ['entry_changed'] },
  {
    name: 'an entry repeated',
    do: (w) => w.entries(0, (entries) => entries.with(41, entries[40]!)),
    is: ['entry_repeated'],
    where: /^entry 41$/,
  },
  {
    name: 'two entries exchanged',
    do: (w) => w.entries(0, (entries) => swap(entries, 40, 41)),
    is: ['entry_moved', 'entry_repeated'],
  },
  {
    name: 'the entry of a sealed recording replaced by a login',
    do: (w) => w.entries(1, (entries) => entries.with(16, entries[3]!)),
    is: ['entry_repeated'],
    also: ['recording_extra'],
  },
  {
    name: 'a bundle cut',
    do: (w) => truncateSync(w.log('tile/entries/000'), 9000),
    is: ['entry_missing'],
    also: ['entry_changed'],
  },
  {
    name: 'a bundle removed',
    do: (w) => rmSync(w.log('tile/entries/001')),
    is: ['entries_missing'],
    also: [
      'entry_missing',
      'recording_extra',
      'key_not_vouched',
      'checkpoint_unsigned',
      'since_signature',
      'recording_missing',
    ],
  },
  {
    name: 'two bundles exchanged',
    do: (w) => exchange(w.log('tile/entries/000'), w.log('tile/entries/001')),
    is: ['entry_moved', 'entry_repeated'],
    also: ['entry_changed', 'segment_changed', 'checkpoint_unsigned', 'key_not_vouched', 'checkpoint_origin'],
  },
  {
    name: 'a hash of a full tile',
    do: (w) => w.flip(w.log('tile/0/000'), 64),
    is: ['tile_changed'],
    where: /tile\/0\/000/,
  },
  {
    name: 'a hash of a partial tile',
    do: (w) => w.flip(newestTile(w, 0), 64),
    is: ['tile_changed'],
    where: /tile\/0\/002/,
  },
  {
    name: 'a hash of an upper tile',
    do: (w) => w.flip(newestTile(w, 1), 40),
    is: ['tile_changed'],
    where: /tile\/1\/000/,
  },
  { name: 'a tile cut', do: (w) => truncateSync(w.log('tile/0/000'), 8000), is: ['tile_changed'] },
  {
    name: 'a tile added to',
    do: (w) => writeFileSync(w.log('tile/0/001'), Buffer.alloc(32), { flag: 'a' }),
    is: ['tile_changed'],
  },
  { name: 'a tile removed', do: (w) => rmSync(w.log('tile/0/001')), is: ['tile_missing'] },
  { name: 'an upper tile removed', do: (w) => rmSync(newestTile(w, 1)), is: ['tile_missing'] },
  { name: 'two tiles exchanged', do: (w) => exchange(w.log('tile/0/000'), w.log('tile/0/001')), is: ['tile_changed'] },
  {
    name: 'an entry and its hash',
    do: (w) => {
      w.entries(0, (entries) => entries.with(40, changed(entries[40]!)));
      w.flip(w.log('tile/0/000'), 40 * 32);
    },
    is: ['log_rewritten'],
    also: ['entry_changed', 'tile_changed'],
  },
  {
    name: 'an entry, its hash and all above, without the key',
    do: (w) => w.forge(w.all.with(40, changed(w.all[40]!)), undefined),
    is: ['log_rewritten'],
    also: ['entry_changed', 'forked', 'cosignature_missing'],
  },
  {
    name: 'an entry taken out, the chain and all above made anew, without the key',
    do: (w) => w.forge(chained(w.all.toSpliced(40, 1)), undefined),
    is: ['entries_missing', 'tile_missing'],
    also: ['entry_missing', 'entry_changed', 'log_rewritten', 'tile_changed', 'recording_extra', 'cosignature_missing'],
  },
  { name: 'the content of a long entry', do: (w) => w.flip(blob(w), 5000), is: ['blob_changed'] },
  { name: 'the content of a long entry removed', do: (w) => rmSync(blob(w)), is: ['blob_missing'] },
  {
    name: 'a line of the journal',
    do: (w) => w.flip(w.log('journal/000000000000.jsonl'), 900),
    is: ['journal_changed'],
  },
  {
    name: 'lines added to the journal',
    do: (w) =>
      writeFileSync(
        w.log('journal/000000000000.jsonl'),
        `${JSON.stringify({ seq: 545, at: '2026-11-20T07:00:00.000Z', kind: 'login', prev: '0'.repeat(64) })}\n`,
        { flag: 'a' },
      ),
    is: ['journal_changed'],
  },
  {
    name: 'an entry added to the journal that leaves one out',
    do: (w) =>
      writeFileSync(
        w.log('journal/000000000000.jsonl'),
        `${JSON.stringify({ seq: 546, at: '2026-11-20T07:00:00.000Z', kind: 'login', prev: sha256(w.all.at(-1)!) })}\n`,
        { flag: 'a' },
      ),
    is: ['journal_changed'],
  },
  {
    name: 'an old segment',
    do: (w) => w.flip(w.log('0001.jsonl'), 150),
    is: ['segment_changed'],
    also: ['recording_extra', 'recording_replaced'],
  },
  {
    name: 'an old segment removed',
    do: (w) => rmSync(w.log('0001.jsonl')),
    is: ['segment_missing'],
    also: ['recording_extra'],
  },
  {
    name: 'an old segment put in',
    do: (w) => copyFileSync(w.log('0001.jsonl'), w.log('0002.jsonl')),
    is: ['segment_changed'],
  },
];

function exchange(a: string, b: string): void {
  renameSync(a, `${a}.x`);
  renameSync(b, a);
  renameSync(`${a}.x`, b);
}

function changed(entry: Buffer): Buffer {
  return Buffer.from(entry.toString().replace('"ok":true', '"ok":null'));
}

function newestTile(world: World, level: number): string {
  const size = world.all.length;
  return world.log(`tile/${level}/${level === 0 ? `002.p/${size - 512}` : '000.p/2'}`);
}

function blob(world: World): string {
  const name = /"blob":\{"sha256":"([0-9a-f]{64})"/.exec(Buffer.concat(world.all).toString())![1]!;
  return world.log(`blob/sha256/${name}`);
}

const text = (world: World): string => readFileSync(world.log('checkpoint'), 'utf8');

/** Another character of base64 at that place, from the end where it is negative. */
function another(one: string, at: number): string {
  const where = at < 0 ? one.length + at : at;
  return one.slice(0, where) + (one[where] === 'A' ? 'B' : 'A') + one.slice(where + 1);
}

export const CHECKPOINTS: readonly Tampering[] = [
  {
    name: 'the size',
    do: (w) => w.text(w.log('checkpoint'), (one) => one.replace(/\n54\d\n/, '\n540\n')),
    is: ['checkpoint_signature'],
    also: ['rolled_back'],
  },
  {
    name: 'a smaller size',
    do: (w) => w.text(w.log('checkpoint'), (one) => one.replace(/\n54\d\n/, '\n276\n')),
    is: ['checkpoint_unsigned'],
    also: ['rolled_back'],
  },
  {
    name: 'the root',
    do: (w) => w.text(w.log('checkpoint'), (one) => one.replace(/(\n54\d\n)../, '$1AA')),
    is: ['checkpoint_signature'],
  },
  {
    name: 'the origin',
    do: (w) =>
      w.text(w.log('checkpoint'), (one) =>
        one.replace('gateway.example.com/log/gw-test00\n', 'gateway.example.com/log/gw-test01\n'),
      ),
    is: ['checkpoint_signature', 'checkpoint_origin'],
    also: ['since_other_log'],
  },
  {
    name: 'the signature',
    do: (w) => w.text(w.log('checkpoint'), (one) => another(one, -30)),
    is: ['checkpoint_signature'],
  },
  {
    name: 'no signature',
    do: (w) => w.text(w.log('checkpoint'), (one) => one.replace(/\n— [^\n]*\n$/, '\n')),
    is: ['checkpoint_unreadable'],
  },
  { name: 'removed', do: (w) => rmSync(w.log('checkpoint')), is: ['checkpoint_missing'], also: ['recording_extra'] },
  {
    name: 'something else',
    do: (w) => writeFileSync(w.log('checkpoint'), 'hello\n'),
    is: ['checkpoint_unreadable'],
    also: ['recording_extra'],
  },
  {
    name: 'an extension line',
    do: (w) => w.text(w.log('checkpoint'), (one) => one.replace('\n\n', '\nmore\n\n')),
    is: ['checkpoint_signature'],
  },
  {
    name: 'the key replaced',
    do: (w) => w.forge(w.all, STRANGER),
    is: ['checkpoint_unsigned'],
    also: ['cosignature_missing'],
  },
  {
    name: 'an older one put back',
    do: (w) => writeFileSync(w.log('checkpoint'), w.since!),
    is: ['rolled_back'],
    // What was purged since was so by entries that nobody signed.
    also: ['forked', 'recording_missing'],
  },
  {
    name: 'the whole log set back to an older state',
    do: (w) => {
      w.since = text(w);
      w.forge(w.all.slice(0, 276), w.firstKey);
    },
    is: ['rolled_back'],
    also: ['recording_extra', 'cosignature_missing'],
  },
  {
    name: 'the whole log made anew under another key',
    do: (w) => w.forge(renamed(w), STRANGER),
    is: ['key_unknown', 'since_signature'],
    also: ['recording_extra', 'cosignature_missing', 'key_not_vouched'],
  },
  {
    name: 'a fork signed by the right key',
    do: (w) => w.forge(chained([...w.all.slice(0, 100), changed(w.all[100]!), ...w.all.slice(101)]), gatewayKey(w)),
    is: ['forked'],
    also: ['cosignature_missing'],
  },
  {
    name: 'an entry put in and signed by the right key',
    do: (w) => w.forge(chained(w.all.toSpliced(50, 0, w.all[50]!)), gatewayKey(w)),
    is: ['forked'],
    also: ['cosignature_missing'],
  },
  {
    name: 'a key that nobody vouched for',
    do: (w) => w.forge(chained([...w.all.slice(0, 276), strangersKey()]), STRANGER),
    is: ['key_not_vouched', 'checkpoint_unsigned'],
    also: ['recording_extra', 'cosignature_missing', 'rolled_back'],
  },
  { name: 'the cosigned checkpoint removed', do: (w) => rmSync(w.log('witnessed')), is: ['cosignature_missing'] },
  {
    name: 'the cosignature',
    do: (w) => w.text(w.log('witnessed'), (one) => another(one, -30)),
    is: ['cosignature_broken'],
  },
  {
    name: "the cosignature's time",
    do: (w) => w.text(w.log('witnessed'), (one) => another(one, one.indexOf('/w1 ') + 18)),
    is: ['cosignature_broken'],
  },
  {
    name: 'a cosigned checkpoint of another tree',
    do: (w) => w.text(w.log('witnessed'), (one) => one.replace(/\n54\d\n/, '\n276\n')),
    is: ['forked'],
    also: ['cosignature_missing', 'cosignature_broken'],
  },
  {
    name: 'the kept one',
    do: (w) => {
      w.since = w.since!.replace('\n276\n', '\n275\n');
    },
    is: ['since_signature'],
  },
  {
    name: 'the kept one is something else',
    do: (w) => {
      w.since = 'hello\n';
    },
    is: ['since_unreadable'],
  },
  {
    name: 'the kept one is of another log',
    do: (w) => {
      w.since = w.since!.replace('gw-test00', 'gw-test01');
    },
    is: ['since_other_log'],
  },
];

/** The log as its first entry would be under the stranger's key. */
function renamed(world: World): Buffer[] {
  const [first, ...rest] = world.all;
  const began = first!.toString().replace(/"vkey":"[^"]*"/, `"vkey":"${formatVkey(STRANGER.verifier)}"`);
  return chained([Buffer.from(began), ...rest.filter((entry) => !entry.includes('"what":"key"'))]);
}

function strangersKey(): Buffer {
  const { verifier } = STRANGER;
  const endorsement = signNote(endorsementText(verifier.name, formatVkey(verifier)), [STRANGER]);
  const at = '2026-11-20T07:00:00.300Z';
  return Buffer.from(JSON.stringify({ seq: 0, at, kind: 'log', what: 'key', endorsement, prev: '0'.repeat(64) }));
}

const PROOF = 'entry.tlog-proof';
const RECEIPT = 'receipt.json';

const proof = (
  name: string,
  change: (lines: string[]) => string[],
  is: Tampering['is'],
  also: Tampering['also'] = [],
): Tampering => ({
  name,
  at: PROOF,
  do: (w) => w.lines(w.path(PROOF), change),
  is,
  also,
});

export const PROOFS: readonly Tampering[] = [
  proof('the index', (lines) => lines.with(2, 'index 271\n'), ['proof_entry']),
  proof(
    'the entry',
    (lines) => lines.with(1, `extra ${changedBase64(lines[1]!.slice(6, -1))}\n`),
    ['proof_inclusion'],
    ['proof_entry'],
  ),
  proof('no entry', (lines) => lines.toSpliced(1, 1), ['proof_entry']),
  proof('a hash of the path', (lines) => lines.with(4, `${Buffer.alloc(32, 3).toString('base64')}\n`), [
    'proof_inclusion',
  ]),
  proof('a hash taken out', (lines) => lines.toSpliced(4, 1), ['proof_inclusion']),
  proof('a hash put in', (lines) => lines.toSpliced(4, 0, lines[4]!), ['proof_inclusion']),
  proof('two hashes exchanged', (lines) => swap(lines, 4, 5), ['proof_inclusion']),
  proof(
    'the size of its checkpoint',
    (lines) => lines.map((line) => line.replace(/^54\d$/m, '540')),
    ['checkpoint_signature'],
    ['cosignature_broken'],
  ),
  proof(
    'the root of its checkpoint',
    (lines) => {
      const at = lines.findIndex((line) => /^54\d\n$/.test(line));
      return lines.with(at + 1, `${Buffer.alloc(32, 5).toString('base64')}\n`);
    },
    ['checkpoint_signature'],
    ['cosignature_broken'],
  ),
  proof('its signature taken out', (lines) => lines.filter((line) => !line.startsWith('— gateway')), [
    'checkpoint_unsigned',
  ]),
  proof('its cosignature taken out', (lines) => lines.filter((line) => !line.startsWith('— witness')), [
    'cosignature_missing',
  ]),
  proof('cut', (lines) => lines.slice(0, 5), ['proof_unreadable']),
  proof('something else', () => ['hello\n'], ['proof_unreadable']),
];

function changedBase64(text: string): string {
  return Buffer.from(Buffer.from(text, 'base64').toString().replace('"lines":9', '"lines":7')).toString('base64');
}

const receipt = (
  name: string,
  change: Record<string, unknown>,
  is: Tampering['is'],
  also: Tampering['also'] = [],
): Tampering => ({
  name,
  at: RECEIPT,
  do: (w) => w.text(w.path(RECEIPT), (one) => JSON.stringify({ ...(JSON.parse(one) as object), ...change })),
  is,
  also,
});

export const RECEIPTS: readonly Tampering[] = [
  receipt('the digest', { digest: 'a'.repeat(64) }, ['receipt_entry'], ['receipt_recording']),
  receipt('the session', { session: 's-1m7vw2gc00f93hf0afb' }, ['receipt_entry']),
  receipt('the number of lines', { lines: 3 }, ['receipt_entry']),
  receipt('the index', { index: 3 }, ['receipt_entry']),
  receipt('the log', { origin: 'example.com' }, ['receipt_entry']),
  receipt('its proof is none', { proof: 'hello' }, ['proof_unreadable']),
  {
    name: 'a proof of another entry',
    at: RECEIPT,
    do: (w) =>
      w.text(w.path(RECEIPT), (one) => JSON.stringify({ ...(JSON.parse(one) as object), session: w.sessions[2] })),
    is: ['receipt_entry'],
  },
  {
    name: 'the recording is another one',
    at: RECEIPT,
    do: (w) => copyFileSync(w.recording(2), w.recording(1)),
    is: ['receipt_recording'],
  },
  {
    name: 'the recording was changed',
    at: RECEIPT,
    do: (w) => w.text(w.recording(1), (one) => one.replace('select 1 2', 'select 9 9')),
    is: ['recording_changed'],
  },
  {
    name: 'the recording was forged whole',
    at: RECEIPT,
    do: (w) => void forgedRecording(w, w.sessions[1]!),
    is: ['receipt_recording'],
  },
];

/** What somebody made of a data directory: the log and the recordings, without what else is the gateway's. */
const bundle = (w: World): void => {
  rmSync(w.path('keys'), { recursive: true });
  writeFileSync(w.path('bundle.json'), JSON.stringify({ sessions: w.sessions.slice(1, 3) }));
};

export const BUNDLES: readonly Tampering[] = [
  {
    name: 'a recording that it lists is missing',
    do: (w) => {
      bundle(w);
      rmSync(w.recording(1));
    },
    is: ['recording_missing'],
  },
  {
    name: 'a recording of it was changed',
    do: (w) => {
      bundle(w);
      w.flip(w.recording(1), 300);
    },
    is: ['recording_changed'],
  },
  {
    name: 'a recording of it was forged',
    do: (w) => {
      bundle(w);
      forgedRecording(w, w.sessions[1]!);
    },
    is: ['recording_replaced'],
  },
  {
    name: 'one was put in',
    do: (w) => {
      bundle(w);
      forgedRecording(w, newSessionId(Date.UTC(2026, 10, 20)));
    },
    is: ['recording_extra'],
  },
  {
    name: 'that is a gateway’s own directory, so that none is missed',
    do: (w) => {
      rmSync(w.recording(1));
      writeFileSync(w.path('bundle.json'), JSON.stringify({ sessions: [] }));
    },
    is: ['bundle_extra', 'recording_missing'],
  },
  {
    name: 'its log was changed',
    do: (w) => {
      bundle(w);
      w.flip(w.log('tile/entries/000'), 5000);
    },
    is: ['entry_changed'],
  },
];
