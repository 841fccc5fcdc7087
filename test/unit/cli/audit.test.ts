// `audit verify` and `sessions replay` on recordings: good ones, and what people do to them.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/run.ts';
import { Chain, encodeFields } from '../../../src/session/recorder/line.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { fakeGateway } from './fake-gateway.ts';
import { hoopctl, memoryIo } from './memory-io.ts';

function recording(session = 's-1'): string[] {
  const chain = new Chain();
  const line = (kind: string, fields: object) => chain.next(0, kind, encodeFields(fields as Record<string, unknown>));
  const lines = [
    line('open', { format: 1, session, principal: { subject: 'alice' }, connection: 'db', client: 'x' }),
    line('intent', { op: 1, how: 'query', text: 'select 1', parts: [], verdict: 'allow' }),
    line('result', { op: 1, part: 0, status: 'ok', tag: 'SELECT 1', rows: 1 }),
    line('end', { code: 'client_closed', message: 'over', operations: 1, denied: 0 }),
  ];
  return [...lines, chain.seal(0, '').line];
}

const folder = temporaryDirectory('audit');
function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join(''));
  return path;
}

describe('audit verify', () => {
  it('says that a good recording is good, with its digest', async () => {
    const path = file('good.jsonl', recording());
    const { code, out } = await hoopctl(['audit', 'verify', path]);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^ok  ${path}: 5 lines, sealed, digest [0-9a-f]{64}\n$`));
    const digest = /digest (\S+)/.exec(out)![1]!;
    expect((await hoopctl(['audit', 'verify', path, '--digest', digest])).code).toBe(0);
    expect(
      (await hoopctl(['audit', 'verify', path, '--digest', createHash('sha256').update('').digest('hex')])).code,
    ).toBe(1);
  });

  it.each([
    ['a changed line', (lines: string[]) => lines.map((line) => line.replace('select 1', 'select 2')), 'changed'],
    ['a missing line', (lines: string[]) => lines.toSpliced(2, 1), 'missing'],
    ['a repeated line', (lines: string[]) => lines.toSpliced(2, 0, lines[1]!), 'repeated'],
    ['a cut end', (lines: string[]) => [lines.join('').slice(0, -80)], 'cut'],
    ['no seal', (lines: string[]) => lines.slice(0, -1), 'not_sealed'],
    ['a line after the seal', (lines: string[]) => [...lines, lines[1]!], 'after_seal'],
  ])('finds %s', async (_, tamper, what) => {
    const path = file(`${what}.jsonl`, tamper(recording()));
    const text = await hoopctl(['audit', 'verify', path]);
    expect(text.code).toBe(1);
    expect(text.out).toMatch(
      new RegExp(`^failed  .*\n    (.*\n)*    ${what}: `.replace('    (.*\n)*', '(?:    .*\n)*')),
    );
    const json = await hoopctl(['audit', 'verify', path, '--json']);
    expect([json.code, JSON.parse(json.out)]).toMatchObject([1, { ok: false, files: [{ file: path, ok: false }] }]);
  });

  it('takes folders, several files and standard input', async () => {
    const inner = join(folder, 'days/2026/01');
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, 's-1.jsonl'), recording().join(''));
    writeFileSync(join(inner, 's-2.jsonl'), recording('s-2').join(''));
    writeFileSync(join(inner, 'notes.txt'), 'no recording');
    const { code, out } = await hoopctl(['audit', 'verify', join(folder, 'days')]);
    expect([code, out.trimEnd().split('\n').at(-1)]).toEqual([0, '2 recordings, all good']);
    const io = memoryIo();
    io.typed.end(recording().join(''));
    expect([await run(io, ['audit', 'verify', '-']), io.out()]).toEqual([0, expect.stringContaining('ok  -: 5 lines')]);
  });

  it('refuses what is not there, and a folder without recordings', async () => {
    expect((await hoopctl(['audit', 'verify', join(folder, 'none')])).err).toContain('there is no');
    const empty = temporaryDirectory('empty');
    expect((await hoopctl(['audit', 'verify', empty])).code).toBe(2);
  });

  it('accepts a recording that is still written only where that is said', async () => {
    const path = file('open.jsonl', recording().slice(0, 2));
    expect((await hoopctl(['audit', 'verify', path])).code).toBe(1);
    expect((await hoopctl(['audit', 'verify', path, '--open'])).code).toBe(0);
  });
});

/** A gateway that has these lines, and in its store that it was sealed with that digest. */
function gatewayWith(lines: readonly string[], digest: unknown = JSON.parse(recording().at(-1)!).digest) {
  return fakeGateway({
    'GET sessions/s-1': { id: 's-1', recording: { bytes: 1, sealed: digest !== undefined, digest } },
    'GET sessions/s-1/recording': lines.join(''),
  });
}

describe('sessions replay', () => {
  it('shows the recording and checks its chain on the way', async () => {
    await using gateway = await gatewayWith(recording());
    const { code, out, err } = await gateway.run(['sessions', 'replay', 's-1']);
    expect(code).toBe(0);
    expect(out).toContain('    select 1\n');
    expect(err).toMatch(/^5 lines, the chain holds, sealed as [0-9a-f]{64}\n$/);
    const json = await gateway.run(['sessions', 'replay', 's-1', '--json']);
    expect(
      json.out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).kind),
    ).toEqual(['open', 'intent', 'result', 'end', 'seal']);
  });

  it('says that a recording was changed', async () => {
    const changed = recording().map((line) => line.replace('select 1', 'select 2'));
    await using gateway = await gatewayWith(changed);
    const { code, err } = await gateway.run(['sessions', 'replay', 's-1']);
    expect(code).toBe(1);
    expect(err).toMatch(/^the recording was changed: line 3 does not follow the line before it/);
  });

  it.each([
    ['its end', recording().slice(0, 3), /it ends after 3 lines without its seal: .* sealed with [0-9a-f]{64}\n$/],
    ['all of it', [], /it ends after 0 lines without its seal/],
    [
      'every line',
      recording('s-2'),
      /its seal's digest is [0-9a-f]{64}, the gateway .* [0-9a-f]{64}: it was replaced\n$/,
    ],
    ['a line for what steers a terminal', ['\u001b]52;c;eA==\u0007\n'], /line 1 was changed: .*\\x1b\]52/],
  ])('says that somebody took, or made anew, %s', async (_, lines, told) => {
    await using gateway = await gatewayWith(lines);
    for (const argv of [
      ['replay', 's-1'],
      ['replay', 's-1', '--json'],
      ['diff', 's-1', 's-1'],
    ]) {
      const { code, out, err } = await gateway.run(['sessions', ...argv]);
      expect([code, err]).toEqual([1, expect.stringMatching(told)]);
      expect(out + err).not.toMatch(/(?!\n)\p{Cc}/u);
    }
  });

  it('misses no end of one that is still written', async () => {
    await using gateway = await fakeGateway({
      'GET sessions/s-1': { id: 's-1', recording: { bytes: 1, sealed: false } },
      'GET sessions/s-1/recording': recording().slice(0, 3).join(''),
    });
    const { code, err } = await gateway.run(['sessions', 'replay', 's-1']);
    expect([code, err]).toEqual([0, '3 lines, the chain holds, not sealed yet\n']);
  });
});

describe('a secret in place of what is asked for', () => {
  const secret = 'AGE-SECRET-KEY-1DQAQ7U4P07WGQVAK23AYND4JPDKRPNER0C93ZCPP3NUZ4FZ92P9S2WNGPF';

  it.each([
    ['an identity file as the key of the log', () => ['--key', file('auditor.key', ['# created\n', `${secret}\n`])]],
    ['an identity as the name of its file', () => ['--identity', secret]],
  ])('is not shown: %s', async (_, argv) => {
    const data = join(folder, 'data');
    mkdirSync(join(data, 'recordings'), { recursive: true });
    const { code, out, err } = await hoopctl(['audit', 'verify', data, ...argv()]);
    expect([code, err]).toEqual([2, expect.stringContaining('(not shown)')]);
    expect(out + err).not.toContain('DQAQ7U4P07W');
  });
});

describe('audit export', () => {
  it('does not take the place of a file that is there, before it asks for anything', async () => {
    await using gateway = await fakeGateway({ 'GET audit/export': 'new' });
    const path = file('copy.csv', ['old']);
    const argv = ['audit', 'export', '--since', '1h', '--to'];
    const refused = await gateway.run([...argv, path]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(`'${path}' is there already`)]);
    expect([readFileSync(path, 'utf8'), gateway.asked]).toEqual(['old', []]);
    expect(await gateway.run([...argv, join(folder, 'new.csv')])).toMatchObject({ code: 0 });
  });

  it('gives a copy as it is, but never to a terminal what would steer it', async () => {
    const copy = '"at","text"\r\n"x","\u001b]52;c;eA==\u0007\u009b2J\u202e"\r\n';
    await using gateway = await fakeGateway({ 'GET audit/export': copy });
    const argv = ['audit', 'export', '--since', '1h', '--format', 'csv'];
    expect(await gateway.run(argv)).toMatchObject({ code: 0, out: copy });
    const shown = await gateway.run(argv, { terminal: true });
    expect(shown.out).toBe('"at","text"\n"x","\\x1b]52;c;eA==\\x07\\x9b2J\\u202e"\n');
  });
});
