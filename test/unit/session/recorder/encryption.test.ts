import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newIdentity, parseIdentities, parseRecipient } from '../../../../src/session/recorder/age/keys.ts';
import { newKey, openerOf } from '../../../../src/session/recorder/encryption.ts';
import { type Line, LineSplitter, parseLine, readLines, sourceOf } from '../../../../src/session/recorder/reader.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { describeWith, SYSTEM_PYTHON } from '../../../support/needs.ts';
import { failure, header, type Made, makeRecording, statement, T0 } from './fixtures.ts';

const { file: identityFile, recipient } = newIdentity(new Date(T0));
const identities = parseIdentities(identityFile, 'key.txt');
const recipients = [parseRecipient(recipient)];

/** A word that stands in everything that has to be hidden, and in nothing else. */
const CANARY = 'kanarienvogel';

/** Every kind of line, with the canary wherever somebody's words may be. */
async function say({ recording }: Made, encryption?: ReturnType<typeof newKey>['fields']): Promise<void> {
  recording.begin({
    ...header,
    labels: { env: 'prod', enc: 'x' },
    ...(encryption === undefined ? {} : { encryption }),
  });
  const operation = { ...statement(`select '${CANARY}'`, [CANARY, null]), executes: [`prepare ${CANARY}`] };
  const relations = [{ schema: 'public', name: CANARY, read: true, written: false }];
  const parts = [{ ...operation.parts[0]!, relations, functions: [CANARY] }];
  recording.intent(1, { ...operation, parts: [...parts, ...parts] } as never, { verdict: 'allow' });
  recording.columns(1, 0, [CANARY]);
  recording.masks(1, 0, [{ name: CANARY } as never], [{ name: 'pii', by: 'column' } as never]);
  recording.row(1, 0, [`${CANARY} ü😀\u0000`, null]);
  recording.rest(1, 0, Buffer.from(CANARY), 1);
  recording.result(1, { part: 0, status: 'ok', tag: `SELECT ${CANARY}`, rows: 1, bytes: 20 });
  recording.row(1, 1, ['z'.repeat(9000)]);
  recording.result(1, { part: 1, status: 'error', error: { code: '42P01', message: `no ${CANARY}` } } as never);
  const refusal = { code: 'denied', message: `not ${CANARY}` };
  recording.intent(2, statement(`drop table ${CANARY}`), { verdict: 'deny', rule: 'no-drop', ...refusal });
  recording.intent(3, statement(`select ${CANARY}`), { verdict: 'review', review: 'r-1' });
  recording.review(3, { review: 'r-1', state: 'used', by: ['bob'], message: CANARY });
  recording.data(3, 'out', Buffer.from(CANARY));
  recording.note(`note ${CANARY}`, { value: CANARY });
  recording.policy('b'.repeat(64));
  await recording.end({ code: 'client_closed', message: `bye ${CANARY}`, operations: 3 });
}

async function encrypted(how: Parameters<typeof makeRecording>[1] = {}) {
  const key = newKey(header.session, recipients);
  const made = makeRecording(undefined, { ...how, cipher: key.cipher });
  await say(made, key.fields);
  return { key, bytes: made.target.bytes, text: made.target.text };
}

/** Every line put together again. */
function open(bytes: Buffer, keyFile: Uint8Array, session = header.session): Line[] {
  const opener = openerOf(session, keyFile, identities)!;
  return new LineSplitter().push(bytes).map((raw) => opener.open(raw.bytes, parseLine(raw.bytes)!));
}

async function collect(bytes: Buffer): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readLines(sourceOf(bytes))) lines.push(line);
  return lines;
}

const withoutChain = ({ prev: _, digest: __, encryption: ___, ...line }: Line) => line;

describe('an encrypted recording', () => {
  it('has nothing of what was said in it, and all of it for who has an identity', async () => {
    const plain = makeRecording();
    await say(plain);
    expect(plain.target.text.split(CANARY).length).toBeGreaterThan(15);
    const { bytes, text, key } = await encrypted();
    expect(text).not.toContain(CANARY);
    expect(text).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 12));
    expect(open(bytes, key.file).map(withoutChain)).toEqual((await collect(plain.target.bytes)).map(withoutChain));
  });

  it('tells without a key who, when, how much, and what was decided', async () => {
    const { bytes, key } = await encrypted();
    const lines = await collect(bytes);
    expect(lines[0]).toMatchObject({ kind: 'open', connection: 'prod-db', principal: header.principal });
    expect(lines[0]!.encryption).toEqual({ cipher: 'aes-256-gcm', recipients: [recipient], key: key.fields.key });
    const of = (kind: string) => lines.filter((line) => line.kind === kind);
    expect(of('intent')[0]).toMatchObject({ op: 1, how: 'query', verdict: 'allow', outcomes: 2 });
    expect(of('intent')[1]).toMatchObject({ op: 2, verdict: 'deny', rule: 'no-drop', code: 'denied' });
    expect(of('result')[0]).toMatchObject({ op: 1, part: 0, status: 'ok', rows: 1, bytes: 20 });
    expect(of('review')[0]).toMatchObject({ op: 3, review: 'r-1', state: 'used', by: ['bob'] });
    expect(of('end')[0]).toMatchObject({ code: 'client_closed', operations: 3 });
  });

  it('verifies without a key, in segments too', async () => {
    for (const how of [{}, { maxSegment: 400 }, { durability: 'synced' as const }]) {
      const { bytes, text, key } = await encrypted(how);
      expect(await verify(sourceOf(bytes))).toMatchObject({ ok: true, sealed: true, session: header.session });
      if ('maxSegment' in how) expect(text).toContain('"kind":"segment"');
      expect(open(bytes, key.file).find((line) => line.kind === 'intent')!.text).toBe(`select '${CANARY}'`);
    }
  });

  it('is for its recipients alone', async () => {
    const { key } = await encrypted();
    const stranger = parseIdentities(newIdentity(new Date(T0)).file, 'other.txt');
    expect(openerOf(header.session, key.file, stranger)).toBeUndefined();
  });

  it('is not read with the key of another, nor is a line in another place or with another face', async () => {
    const { bytes, key } = await encrypted();
    const other = newKey('s-01gxv8hr0other000000', recipients);
    expect(() => openerOf(header.session, other.file, identities)).toThrow(
      'it holds the key of s-01gxv8hr0other000000',
    );
    const again = newKey(header.session, recipients);
    expect(() => open(bytes, again.file)).toThrow('it holds another key');
    const opener = openerOf(header.session, key.file, identities)!;
    const raws = new LineSplitter().push(bytes).map((raw) => raw.bytes);
    const intents = raws.filter((raw) => raw.includes('"kind":"intent"'));
    const swap = (raw: Buffer, from: RegExp, to: string) => Buffer.from(raw.toString().replace(from, to));
    const enc = (raw: Buffer) => /"enc":"([^"]*)"/.exec(raw.toString())![1]!;
    const changed = [
      swap(intents[0]!, /"enc":"[^"]*"/, `"enc":"${enc(intents[1]!)}"`),
      swap(intents[0]!, /"seq":1,/, '"seq":9,'),
      swap(intents[1]!, /"verdict":"deny"/, '"verdict":"allow"'),
      swap(intents[1]!, /"rule":"no-drop",/, ''),
      // Not '-': Node reads it as '+', which may be there.
      swap(intents[0]!, /"enc":"./, `"enc":"${enc(intents[0]!).startsWith('A') ? 'B' : 'A'}`),
      swap(intents[0]!, /"enc":"[^"]*"/, '"enc":""'),
      swap(intents[0]!, /"at":"2026/, '"at":"2027'),
    ];
    for (const raw of changed) {
      expect(() => opener.open(raw, parseLine(raw)!), raw.toString()).toThrow('cannot be decrypted: it was changed');
    }
    expect(opener.open(intents[0]!, parseLine(intents[0]!)!).text).toBe(`select '${CANARY}'`);
  });

  it('hides the same line differently each time', async () => {
    const [one, other] = [await encrypted(), await encrypted()];
    const hidden = (text: string) => [...text.matchAll(/"enc":"([^"]{9,})"/g)].map((match) => match[1]);
    const all = [...hidden(one.text), ...hidden(other.text)];
    expect(all.length).toBeGreaterThan(20);
    expect(new Set(all).size).toBe(all.length);
  });

  it('ends after a failed write with lines that nobody needs a key for', async () => {
    const key = newKey(header.session, recipients);
    const made = makeRecording(undefined, { cipher: key.cipher });
    made.recording.begin({ ...header, encryption: key.fields });
    made.recording.intent(1, statement(CANARY), { verdict: 'allow' });
    made.recording.recorded(() => {});
    made.target.failure = failure('ENOSPC');
    made.recording.intent(2, statement(CANARY), { verdict: 'allow' });
    made.recording.recorded(() => {});
    expect(made.failures).toHaveLength(1);
    made.target.failure = undefined;
    await made.recording.end({ code: 'recording_failed', message: CANARY });
    expect(await verify(sourceOf(made.target.bytes))).toMatchObject({ ok: true, sealed: true });
    expect(made.target.lines.map(({ kind }) => kind)).toEqual(['open', 'intent', 'seal']);
    expect(made.target.text).not.toContain(CANARY);
  });
});

describeWith(['age', 'python3-cryptography'], 'the reader of encrypted recordings printed in FORMAT.md', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'encrypted-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads with age and Python what we wrote, without our code, and refuses what was changed', async () => {
    const document = readFileSync(new URL('../../../../src/session/recorder/FORMAT.md', import.meta.url), 'utf8');
    const program = [...document.matchAll(/```python\n(.*?)```/gs)][1]![1]!;
    const { bytes, key } = await encrypted();
    const write = (name: string, content: Uint8Array | string) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const identity = write('identity.txt', identityFile);
    const said = execFileSync('age', ['-d', '-i', identity, write('x.key.age', key.file)]);
    const secret = write('key.json', said);
    const run = (input: Uint8Array) =>
      execFileSync(SYSTEM_PYTHON, ['-c', program, secret], { input, stdio: 'pipe', encoding: 'utf8' });
    const lines = run(bytes).split('\n').slice(0, -1);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(open(bytes, key.file));
    const at = bytes.lastIndexOf('"enc":"') + 20;
    const changed = Buffer.from(bytes);
    changed[at] = changed[at] === 65 ? 66 : 65;
    expect(() => run(changed)).toThrow('InvalidTag');
    expect(() => run(Buffer.from(bytes.toString().replace('"verdict":"deny"', '"verdict":"allow"')))).toThrow();
  });
});
