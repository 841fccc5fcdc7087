// A small but complete record in a directory: a log of three bundles with rotated key and a witness, recordings plain and
// compressed, one purged, a proof, a receipt. And the means to forge it as somebody would who knows the formats.

import { hash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { writeBundle } from '../../../src/cli/audit/bundle.ts';
import { type Checked, checkPlace } from '../../../src/cli/audit/check.ts';
import { placeOf } from '../../../src/cli/audit/place.ts';
import { newSessionId } from '../../../src/core/ids.ts';
import { makeReport } from '../../../src/gateway/report/make.ts';
import type { Trust } from '../../../src/session/log/check/trust.ts';
import { checkpointText, parseCheckpoint } from '../../../src/session/log/checkpoint.ts';
import { Edge } from '../../../src/session/log/growth.ts';
import { COSIGNATURE, ED25519, formatVkey, type SignerKey, signerOf, signNote } from '../../../src/session/log/note.ts';
import { formatProof, inclusionPath } from '../../../src/session/log/proof.ts';
import { decodeBundle, encodeBundle } from '../../../src/session/log/tiles.ts';
import { cosign } from '../../../src/session/log/witness.ts';
import { Chain, encodeFields } from '../../../src/session/recorder/line.ts';
import { parseLine } from '../../../src/session/recorder/reader.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { exportFields } from '../../../src/session/report/bundle.ts';
import type { ReportRequest } from '../../../src/session/report/types.ts';
import { LogFolder } from '../../../src/store/log-directory.ts';
import { recordingStem, segmentsOf } from '../../../src/store/recording-files.ts';
import { logKeys, ORIGIN, oldSegment, openTestLog } from '../../support/log.ts';
import { filesUnder } from '../../support/process.ts';

const T0 = Date.UTC(2026, 10, 20, 7, 0, 0);

/** What the evidence in the world's `evidence` is about: two of its sessions. */
export const EVIDENCE: ReportRequest = {
  ...{ controls: ['CC6.1'], from: T0 - 1, to: T0 + 3_600_000, seed: 'of the world', sample: 2, rows: 10 },
};

export const WITNESS = signerOf('witness.example/w1', COSIGNATURE, Buffer.alloc(32, 7));
export const STRANGER = signerOf(ORIGIN, ED25519, Buffer.alloc(32, 9));

/** A recording's lines with their newlines. `text`: what was run, to tell one from another. */
export function recordingLines(session: string, text: string, operations = 3): string[] {
  const chain = new Chain();
  let at = T0;
  const line = (kind: string, fields: object) =>
    chain.next(at++, kind, encodeFields(fields as Record<string, unknown>));
  const lines = [line('open', { format: 1, session, principal: { subject: 'alice' }, connection: 'db', client: 'x' })];
  for (let op = 1; op <= operations; op++) {
    lines.push(line('intent', { op, how: 'query', text: `${text} ${op}`, parts: [], verdict: 'allow' }));
    lines.push(line('result', { op, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1 }));
  }
  lines.push(line('end', { code: 'client_closed', message: 'over', operations, denied: 0 }));
  return [...lines, chain.seal(at, '').line];
}

function digestOf(lines: readonly string[]): string {
  return /"digest":"([0-9a-f]{64})"/.exec(lines.at(-1)!)![1]!;
}

export class World {
  readonly data: string;
  readonly sessions: readonly string[];
  /** Pins the log's first key, and the witness. */
  readonly trust: Trust;
  readonly #kept = new Map<string, Buffer>();
  /** The log's, before it was rotated. */
  readonly firstKey: SignerKey;
  /** A checkpoint that was kept elsewhere. */
  since: string | undefined;

  constructor({
    data,
    sessions,
    trust,
    firstKey,
    since,
  }: Pick<World, 'data' | 'sessions' | 'trust' | 'firstKey' | 'since'>) {
    this.data = data;
    this.sessions = sessions;
    this.trust = trust;
    this.firstKey = firstKey;
    this.since = since;
  }

  /** Keeps what is there now, for `restore`. */
  keep(): void {
    for (const name of filesUnder(this.data)) this.#kept.set(name, readFileSync(this.path(name)));
  }

  restore(since: string | undefined): void {
    this.since = since;
    for (const name of filesUnder(this.data)) {
      const kept = this.#kept.get(name);
      if (kept === undefined) rmSync(this.path(name));
      else if (!kept.equals(readFileSync(this.path(name)))) writeFileSync(this.path(name), kept);
    }
    for (const [name, bytes] of this.#kept) {
      if (existsSync(this.path(name))) continue;
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), bytes);
    }
  }

  path(name: string): string {
    return join(this.data, name);
  }

  /** Below DATA/log. */
  log(name: string): string {
    return this.path(join('log', name));
  }

  recording(at: number): string {
    return `${this.path(join('recordings', recordingStem(this.sessions[at]!)))}.jsonl`;
  }

  /** Changes a text file's lines, newlines and all. */
  lines(path: string, change: (lines: string[]) => string[]): void {
    const lines = readFileSync(path, 'utf8').split(/(?<=\n)/);
    writeFileSync(path, change(lines).join(''));
  }

  /** Flips the lowest bit of a byte; a negative one counts from the end. */
  flip(path: string, at: number, bit = 1): void {
    const bytes = readFileSync(path);
    const where = at < 0 ? bytes.length + at : at;
    bytes[where] = bytes[where]! ^ bit;
    writeFileSync(path, bytes);
  }

  text(path: string, change: (text: string) => string): void {
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  /** The bundle that is `index`-th: its file and its entries. */
  bundle(index: number): { path: string; entries: Buffer[] } {
    const folder = this.log('tile/entries');
    const number = String(index).padStart(3, '0');
    const name = readdirSync(folder).includes(number) ? number : `${number}.p/${newest(join(folder, `${number}.p`))}`;
    const path = join(folder, name);
    return { path, entries: decodeBundle(readFileSync(path)).entries };
  }

  entries(index: number, change: (entries: Buffer[]) => Buffer[]): void {
    const { path, entries } = this.bundle(index);
    writeFileSync(path, encodeBundle(change(entries)));
  }

  get all(): Buffer[] {
    return [0, 1, 2].flatMap((index) => this.bundle(index).entries);
  }

  /** Writes tiles, bundles and a checkpoint of these entries, as the log would: `signer` undefined leaves the checkpoint. */
  forge(entries: readonly Buffer[], signer: SignerKey | undefined, origin = ORIGIN): void {
    rmSync(this.log('tile'), { recursive: true });
    rmSync(this.log('journal'), { recursive: true });
    const { edge, files } = new Edge().grow(entries);
    for (const { path, bytes } of files) {
      mkdirSync(dirname(this.log(path)), { recursive: true });
      writeFileSync(this.log(path), bytes);
    }
    if (signer !== undefined)
      writeFileSync(this.log('checkpoint'), signNote(checkpointText(origin, edge.head), [signer]));
    rmSync(this.log('witnessed'), { force: true });
  }

  async check(name = '', trust: Partial<Trust> = {}, recording?: string): Promise<Checked> {
    const since = this.since === undefined ? [] : [{ name: 'kept', text: this.since }];
    return checkPlace(placeOf(this.path(name)) as never, {
      trust: { ...this.trust, ...trust },
      since,
      recordings: true,
      recording,
      remote: () => Promise.reject(new Error('no URL here')),
    });
  }
}

function newest(folder: string): string {
  return readdirSync(folder)
    .sort((a, b) => Number(a) - Number(b))
    .at(-1)!;
}

/** Entries with their numbers and chain made anew, from the first on: what a forger who knows the format does. */
export function chained(entries: readonly Buffer[]): Buffer[] {
  const chain = new Chain();
  return entries.map((entry) => {
    const { seq: _, at, kind, prev: __, ...fields } = parseLine(entry)!;
    return Buffer.from(chain.next(Date.parse(at), kind, encodeFields(fields)).slice(0, -1));
  });
}

export function gatewayKey(world: World): SignerKey {
  return logKeys(world.data).signer;
}

export async function makeWorld(): Promise<World> {
  const data = mkdtempSync(join(tmpdir(), 'record-'));
  const sessions = Array.from({ length: 6 }, (_, i) => newSessionId(T0 + i));
  mkdirSync(join(data, 'log'));
  const old = oldSegment('0001', null, [{ kind: 'recording', session: sessions[0], digest: digestOf(lines(0)) }]);
  writeFileSync(join(data, 'log', '0001.jsonl'), old.text + old.seal);
  function lines(at: number): string[] {
    return recordingLines(sessions[at]!, `select ${at}`);
  }
  const firstKey = logKeys(data).signer;
  const { log } = await openTestLog(data);
  const seal = (at: number) => {
    const text = lines(at);
    log.append('access', { verdict: 'allow', session: sessions[at] });
    log.append('recording', { session: sessions[at], digest: digestOf(text), lines: text.length, connection: 'db' });
  };
  for (let i = 0; i < 270; i++) log.append('login', { ok: true, i });
  seal(1);
  seal(2);
  log.append('policy', { what: 'loaded', version: 'v1', document: 'x'.repeat(70_000) });
  await log.checkpoint();
  const kept = readFileSync(join(data, 'log', 'checkpoint'), 'utf8');
  await log.rotateKey();
  for (let i = 0; i < 260; i++) log.append('login', { ok: false, i });
  seal(3);
  await log.checkpoint();
  seal(4);
  seal(5);
  log.append('purge', { session: sessions[5], digest: digestOf(lines(5)), reason: 'ninety days', by: 'retention' });
  await log.close();
  for (let at = 0; at < 5; at++) {
    const path = join(data, 'recordings', `${recordingStem(sessions[at]!)}.jsonl`);
    mkdirSync(dirname(path), { recursive: true });
    if (at === 4) writeFileSync(`${path}.zst`, zstdCompressSync(lines(at).join('')));
    else writeFileSync(path, lines(at).join(''));
  }
  mkdirSync(join(data, 'recordings', 'open'));
  const keys = [firstKey.verifier];
  const source = new LogFolder(join(data, 'log'));
  const made = await makeReport(data, EVIDENCE, () => {});
  const again = await openTestLog(data, { now: () => T0 + 60_000 });
  again.log.append('export', { ...exportFields(EVIDENCE, made.digest), by: 'iris' });
  await again.log.close();
  const own = [logKeys(data).signer.verifier];
  const { note } = await cosign({ source, keys: own, last: () => undefined, signer: WITNESS, seconds: T0 / 1000 });
  writeFileSync(join(data, 'log', 'witnessed'), note);
  const trust = { keys, witnesses: [WITNESS.verifier] };
  const world = new World({ data, sessions, trust, firstKey, since: kept });
  await writeProofs(world);
  const files = (session: string) => segmentsOf(join(data, 'recordings', recordingStem(session)));
  await writeBundle(world.path('evidence'), {
    ...{ files: made.files, sessions: made.sessions, log: source },
    recording: (session) => readRecording({ files }, session),
  });
  world.keep();
  return world;
}

async function writeProofs(world: World): Promise<void> {
  const checkpoint = readFileSync(world.log('witnessed'), 'utf8');
  const { size } = parseCheckpoint(checkpoint)!;
  const { all } = world;
  const index = all.findIndex((entry) => entry.includes(`"recording","session":"${world.sessions[1]}"`));
  const source = new LogFolder(world.log(''));
  const proof = formatProof(all[index]!, index, await inclusionPath(source, index, size), checkpoint);
  writeFileSync(world.path('entry.tlog-proof'), proof);
  const vkey = formatVkey(gatewayKey(world).verifier);
  const { session, digest, lines } = parseLine(all[index]!)!;
  const receipt = { receipt: 1, session, digest, lines, origin: ORIGIN, vkey, index, proof };
  writeFileSync(world.path('receipt.json'), JSON.stringify(receipt));
}

/** What is wrong with DATA/log, by its own word for its key. */
export async function checkLogIn(data: string) {
  const trust = { keys: [], witnesses: [] };
  const place = { kind: 'log', path: data, log: join(data, 'log'), data: undefined } as const;
  const remote = () => Promise.reject(new Error('no URL here'));
  return (await checkPlace(place, { trust, since: [], recordings: true, recording: undefined, remote })).findings;
}

export function sha256(bytes: Uint8Array | string): string {
  return hash('sha256', bytes, 'hex');
}
