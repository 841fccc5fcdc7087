import { describe, expect, it } from 'vitest';
import { Findings } from '../../../../src/session/log/check/findings.ts';
import { Ledger } from '../../../../src/session/log/check/ledger.ts';
import { sourceOf } from '../../../../src/session/recorder/reader.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { header, sampleRecording } from '../recorder/fixtures.ts';

const { session } = header;
const AT = '2026-11-20T08:00:00.000Z';

async function found(
  key: boolean | undefined,
  { purge, named = 'all', open = false }: { purge?: object; named?: 'all' | 'some'; open?: boolean } = {},
) {
  const bytes = await sampleRecording();
  const result = await verify(sourceOf(open ? bytes.subarray(0, bytes.indexOf('{"seq":2')) : bytes));
  const ledger = new Ledger();
  if (!open) ledger.entry({ at: AT, kind: 'recording', fields: { session, digest: result.digest } }, 'entry 1');
  if (purge !== undefined) ledger.entry({ at: AT, kind: 'purge', fields: { session, ...purge } }, 'entry 2');
  const findings = new Findings();
  const here = { open: new Set(open ? [session] : []), has: () => false, named };
  const one = { path: 'a.jsonl', session, result, ...(key === undefined ? {} : { key }) };
  ledger.checkItself(findings);
  ledger.compare([one], here, findings);
  return { codes: findings.problems.map(({ code }) => code), notes: findings.notes.join('\n') };
}

describe('the key of an encrypted recording, against the log', () => {
  const purge = { what: 'key', reason: 'ninety days', by: 'retention' };

  it('may be gone by the log’s word, which is a note; the recording is to stay', async () => {
    const { codes, notes } = await found(false, { purge });
    const told = `the key of ${session} was erased at ${AT} (entry 2): ninety days, by retention`;
    expect([codes, notes]).toEqual([[], told]);
  });

  it('may not be gone without it, nor be there in spite of it', async () => {
    expect(await found(false)).toMatchObject({ codes: ['key_missing'] });
    expect(await found(true, { purge })).toMatchObject({ codes: ['recording_not_purged'] });
    expect(await found(true)).toEqual({ codes: [], notes: '' });
  });

  it('is no matter of recordings that are not encrypted, are being written, or were handed over without', async () => {
    expect(await found(undefined)).toEqual({ codes: [], notes: '' });
    expect(await found(false, { open: true })).toMatchObject({ codes: [] });
    expect(await found(false, { named: 'some' })).toEqual({ codes: [], notes: '' });
  });

  it('does not stand for the whole: that was purged, and is here', async () => {
    expect(await found(true, { purge: { ...purge, what: undefined } })).toMatchObject({
      codes: ['recording_not_purged'],
    });
  });
});

it('an entry under no checkpoint excuses what is missing for a moment only', () => {
  const now = Date.parse(AT);
  const codes = (at: string, kind: string, fields: object) => {
    const [ledger, findings] = [new Ledger(), new Findings()];
    ledger.entry({ at: AT, kind: 'recording', fields: { session, digest: 'd' } }, 'entry 1');
    ledger.waiting({ at, kind, fields: { session, ...fields } }, 'entry 2', now);
    ledger.compare([], { open: new Set(), has: () => false, named: 'all' }, findings);
    return findings.problems.map(({ message }) => message.replace(/^.*; /, ''));
  };
  const purge = ['purge', { reason: 'r', by: 'b' }] as const;
  const moved = ['failure', { salvaged: 'quarantined' }] as const;
  const none = ['entry 2 says that it is gone, and is under no checkpoint'];
  for (const [kind, fields] of [purge, moved, ['purging', {}] as const]) {
    expect(codes(new Date(now - 5000).toISOString(), kind, fields)).toEqual([]);
    for (const at of [new Date(now - 90_000).toISOString(), new Date(now + 90_000).toISOString(), 'no time']) {
      expect(codes(at, kind, fields)).toEqual(none);
    }
  }
});

it('a recording whose purge was taken back is checked as any other', async () => {
  const bytes = Buffer.from(await sampleRecording());
  const digest = (await verify(sourceOf(bytes))).digest;
  const changed = Buffer.from(bytes);
  changed[bytes.indexOf('"seq":2') + 40]! ^= 1;
  const ledger = new Ledger();
  const purging = { session, digest, reason: 'r', by: 'root' };
  ledger.entry({ at: AT, kind: 'recording', fields: { session, digest } }, 'entry 1');
  for (const what of [undefined, 'key']) ledger.entry({ at: AT, kind: 'purging', fields: { what, ...purging } }, '2');
  ledger.entry({ at: AT, kind: 'admin', fields: { what: 'purge cancelled', session, hold: 'h-1' } }, 'entry 3');
  const findings = new Findings();
  const one = { path: 'a.jsonl', session, result: await verify(sourceOf(changed)), key: false };
  ledger.compare([one], { open: new Set(), has: () => false, named: 'all' }, findings);
  expect(findings.problems.map(({ code }) => code)).toEqual(
    expect.arrayContaining(['recording_changed', 'key_missing']),
  );
});

it('a session that was let in and left neither a seal nor a recording is told of, with what the log says of it', () => {
  const notes = (
    more: readonly (readonly [string, object])[],
    has: boolean | 'no file' = false,
    named: 'all' | 'some' = 'all',
  ) => {
    const [ledger, findings] = [new Ledger(), new Findings()];
    const all = [['access', { verdict: 'allow' }], ...more] as const;
    for (const [at, [kind, fields]] of all.entries())
      ledger.entry({ at: AT, kind: kind as 'access', fields: { session, ...fields } }, `entry ${at}`);
    ledger.compare([], { open: new Set(), has: () => has, named }, findings);
    return findings.notes;
  };
  const told = `session ${session} was let in (entry 0) and has neither a seal nor a recording here`;
  expect(notes([])).toEqual([`${told} (nothing says why: it ended before it was recorded, or that was removed)`]);
  expect(notes([], 'no file')).toHaveLength(1);
  const missing = { what: 'recording missing at start' };
  expect(notes([['failure', missing]])).toEqual([`${told} (entry 1: recording missing at start)`]);
  expect([notes([], true), notes([], false, 'some')]).toEqual([[], []]);
  expect(notes([['access', { verdict: 'deny' }]])).toHaveLength(1);
  expect(notes([['failure', { salvaged: 'quarantined' }]])).toEqual([]);
});
