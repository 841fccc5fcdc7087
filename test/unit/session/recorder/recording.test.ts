import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sourceOf } from '../../../../src/session/recorder/reader.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { facts, failure, header, makeRecording, statement, turn } from './fixtures.ts';

describe('recorded before it happens', () => {
  it('calls back once the line is written, and not before', () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    const calls: string[] = [];
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.intent(2, statement('select 2'), { verdict: 'allow' });
    expect(target.writes.length).toBe(0);
    recording.recorded(() => calls.push(`2 after ${target.lines.length}`));
    recording.intent(3, statement('select 3'), { verdict: 'allow' });
    recording.recorded(() => calls.push(`3 after ${target.lines.length}`));
    expect(calls).toEqual(['2 after 3', '3 after 4']);
    expect(target.writes.length).toBe(2);
  });

  it('calls back at once when nothing waits to be written', async () => {
    const { recording } = makeRecording();
    recording.begin(header);
    await new Promise<void>((resolve) => recording.recorded(resolve));
    let called = false;
    recording.recorded(() => {
      called = true;
    });
    expect(called).toBe(true);
  });

  it('keeps the order when a callback asks again', () => {
    const { recording } = makeRecording();
    const calls: string[] = [];
    recording.begin(header);
    recording.recorded(() => {
      recording.recorded(() => {
        recording.recorded(() => calls.push('c'));
        calls.push('b');
      });
      calls.push('a');
    });
    expect(calls).toEqual(['a', 'b', 'c']);
  });

  it.each(['ENOSPC', 'EIO', 'EROFS'])(
    'calls nothing back after %s, tells once, takes no further line',
    async (code) => {
      const { recording, target, failures } = makeRecording();
      const forwarded: number[] = [];
      recording.begin(header);
      await new Promise<void>((resolve) => recording.recorded(resolve));
      target.failure = failure(code);
      recording.intent(1, statement('select 1'), { verdict: 'allow' });
      recording.recorded(() => forwarded.push(1));
      await turn();
      recording.intent(2, statement('select 2'), { verdict: 'allow' });
      recording.recorded(() => forwarded.push(1));
      await turn();
      expect(forwarded).toEqual([]);
      expect(failures).toEqual([
        expect.objectContaining({ code: 'recording_failed', message: expect.stringContaining(code) }),
      ]);
      expect(target.lines.length).toBe(1);
    },
  );

  it('seals what was written before a failure, when the disk allows that again', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    await new Promise<void>((resolve) => recording.recorded(resolve));
    target.failure = failure('ENOSPC');
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.recorded(() => {});
    await turn();
    target.failure = undefined;
    const seal = await recording.end({ code: 'recording_failed', message: 'x' });
    expect(seal).toMatchObject({ interrupted: expect.stringContaining('ENOSPC'), lines: 2 });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true, digest: seal?.digest });
    expect(target.state).toBe('finished');
  });

  it('leaves the file to the next start when it cannot be sealed either', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    target.failure = failure('EIO');
    expect(await recording.end({ code: 'client_closed', message: 'x' })).toBeUndefined();
    expect(target.state).toBe('abandoned');
  });

  it('runs no callback after halt, not even one that is due in the same flush', async () => {
    const { recording, target } = makeRecording();
    const called: string[] = [];
    recording.begin(header);
    recording.recorded(() => {
      called.push('first');
      recording.halt();
    });
    recording.recorded(() => called.push('behind the one that halted'));
    await turn();
    recording.note('still taken', {});
    recording.recorded(() => called.push('after the halt'));
    await recording.end({ code: 'session_killed', message: 'x' });
    expect(called).toEqual(['first']);
    expect(target.lines.map((line) => line.kind)).toEqual(['open', 'note', 'end', 'seal']);
  });

  it('tells of a callback that throws', async () => {
    const { recording, faults } = makeRecording();
    recording.begin(header);
    recording.recorded(() => {
      throw new Error('boom');
    });
    await turn();
    expect(faults).toEqual([expect.objectContaining({ code: 'internal', message: 'boom' })]);
  });

  it('writes outcomes soon though nothing waits for them, and at the end at the latest', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    await expect.poll(() => target.lines.length).toBe(1);
    recording.note('late', {});
    await recording.end({ code: 'client_closed', message: 'bye' });
    expect(target.lines.map((line) => line.kind)).toEqual(['open', 'note', 'end', 'seal']);
  });

  it('writes without being asked when much waits', () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    for (let i = 0; i < 3000; i++) recording.note('n', { i });
    expect(target.writes.length).toBeGreaterThan(5);
    expect(Math.max(...target.writes.map((write) => write.length))).toBeLessThan(70_000);
  });
});

describe('what a recording says', () => {
  it('pairs intent and outcome, with what was decided', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    const parts = [
      {
        does: ['update'],
        relations: [{ schema: 'public', name: 't', read: true, written: true }],
        functions: ['now'],
        unbounded: true,
      },
    ];
    const operation = { kind: 'execute', text: 'update t set "a\n" = $1', params: [null, '\\x00ff'], exact: '', parts };
    recording.intent(1, operation, { verdict: 'review', rule: 'r1', matched: ['r1', 'r2'], review: 'r-abc' });
    recording.review(1, { review: 'r-abc', state: 'used', by: ['bob'] });
    recording.result(1, {
      part: 0,
      status: 'error',
      error: { code: '23505', message: 'duplicate' },
    });
    await recording.end({ code: 'client_closed', message: 'bye' });
    const [open, intent, review, result, end, seal] = target.lines;
    expect(open).toMatchObject({ kind: 'open', format: 1, session: header.session, principal: { subject: 'alice' } });
    expect(intent).toMatchObject({
      kind: 'intent',
      op: 1,
      how: 'execute',
      text: operation.text,
      params: operation.params,
      parts: [{ does: ['update'], read: ['public.t'], written: ['public.t'], functions: ['now'], unbounded: true }],
      verdict: 'review',
      rule: 'r1',
      matched: ['r1', 'r2'],
      review: 'r-abc',
    });
    expect(review).toMatchObject({ kind: 'review', op: 1, state: 'used', by: ['bob'] });
    expect(result).toMatchObject({ kind: 'result', op: 1, part: 0, status: 'error', error: { code: '23505' } });
    expect(result?.us).toBeGreaterThanOrEqual(0);
    expect(end).toMatchObject({ kind: 'end', code: 'client_closed', message: 'bye' });
    expect(end).not.toHaveProperty('unfinished');
    expect(seal).toMatchObject({ kind: 'seal', lines: 6 });
  });

  it('names operations without an outcome at the end, with the rows that came', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.row(1, 0, ['1']);
    recording.intent(2, statement('drop'), { verdict: 'deny', code: 'denied', message: 'no' });
    await recording.end({ code: 'session_killed', message: 'by admin' });
    expect(target.lines.find((line) => line.kind === 'rows')).toMatchObject({ op: 1, values: [['1']] });
    expect(target.lines.find((line) => line.kind === 'end')).toMatchObject({ unfinished: [1] });
  });

  it('keeps rows up to the limit of rows, and counts the rest', async () => {
    const { recording, target } = makeRecording({ rows: 2, bytes: 1000 });
    recording.begin(header);
    recording.intent(1, statement('select'), { verdict: 'allow' });
    recording.columns(1, 0, ['a']);
    for (const value of ['1', '2', '3']) {
      expect(recording.wantsRows(1)).toBe(value !== '3');
      recording.row(1, 0, [value]);
    }
    recording.result(1, { part: 0, status: 'ok', rows: 3, bytes: 30 });
    await recording.end({ code: 'client_closed', message: '' });
    const result = target.lines.find((line) => line.kind === 'result');
    expect(result).toMatchObject({ columns: ['a'], rows: 3, kept: 2, values: [['1'], ['2']] });
  });

  it('counts and digests what was sent and is not kept, however it comes', async () => {
    const { recording, target } = makeRecording({ rows: 1000, bytes: 20 });
    recording.begin(header);
    recording.intent(1, statement('select'), { verdict: 'allow' });
    const sent = Array.from({ length: 3000 }, (_, i) => Buffer.from(`row ${i} ${'x'.repeat((i * 7919) % 9000)}`));
    expect(recording.row(1, 0, ['kept'])).toBe(true);
    expect(recording.row(1, 0, ['too long to be kept, it is'])).toBe(false);
    recording.rest(1, 0, sent[1]!, 1);
    expect(recording.wantsRows(1)).toBe(false);
    for (const row of sent.slice(2)) recording.rest(1, 0, row, 1);
    recording.result(1, { part: 0, status: 'ok', rows: 3000 });
    await recording.end({ code: 'client_closed', message: '' });
    const rest = Buffer.concat(sent.slice(1));
    expect(target.lines.find((line) => line.kind === 'result')).toMatchObject({
      kept: 1,
      rest: { rows: 2999, bytes: rest.length, sha256: createHash('sha256').update(rest).digest('hex') },
    });
  });

  it('keeps a beginning of the result within the limit of bytes', async () => {
    const { recording, target } = makeRecording({ rows: 100, bytes: 20 });
    recording.begin(header);
    recording.intent(1, statement('select'), { verdict: 'allow' });
    recording.row(1, 0, ['aaaaaaaa']);
    recording.row(1, 0, ['b'.repeat(100)]);
    recording.row(1, 0, ['c']);
    recording.result(1, { part: 0, status: 'ok', rows: 3 });
    await recording.end({ code: 'client_closed', message: '' });
    expect(target.lines.find((line) => line.kind === 'result')).toMatchObject({ kept: 1, values: [['aaaaaaaa']] });
  });

  it('spreads many rows over lines that can be read one by one', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    recording.intent(1, statement('select'), { verdict: 'allow' });
    for (let i = 0; i < 900; i++) recording.row(1, 0, [`row ${i} ${'x'.repeat(30)}`]);
    recording.result(1, { part: 0, status: 'ok', rows: 900 });
    await recording.end({ code: 'client_closed', message: '' });
    const rows = target.lines.filter((line) => line.kind === 'rows' || line.kind === 'result');
    expect(rows.length).toBeGreaterThan(3);
    const values = rows.flatMap((line) => (line.values as string[][] | undefined) ?? []);
    expect(values.map(([value]) => value?.split(' ')[1])).toEqual(Array.from({ length: 900 }, (_, i) => String(i)));
  });

  it('records which columns are masked by what, and nothing where none is', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    const columns = ['id', 'ssn'].map((name) => ({ name, origins: [], textual: true }));
    const mask = { name: 'pii', by: 'column' as const, text: () => '***' };
    recording.masks(1, 0, columns, [null, null]);
    recording.masks(2, 0, columns, [null, mask]);
    await recording.end({ code: 'client_closed', message: '' });
    expect(target.lines.filter((line) => line.kind === 'masks')).toEqual([
      expect.objectContaining({ op: 2, columns: [{ index: 1, column: 'ssn', mask: 'pii', by: 'column' }] }),
    ]);
  });

  it('survives any text: quotes, control characters, lone surrogates, line separators', async () => {
    const { recording, target } = makeRecording();
    const text = 'a"\\\n\r\u0000\u2028\ud800 ü 😀';
    recording.begin({ ...header, reason: text });
    recording.intent(1, statement(text, [text]), { verdict: 'deny', rule: text, code: 'denied', message: text });
    recording.note('n', { text, '"': text });
    await recording.end({ code: 'client_closed', message: text });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true });
    expect(target.lines[1]).toMatchObject({ text, params: [text], rule: text, message: text });
  });

  it('encodes shared facts once and the same', async () => {
    const { recording, target } = makeRecording();
    recording.begin(header);
    const shared = facts('select');
    for (const op of [1, 2]) {
      recording.intent(op, { kind: 'query', text: 'x', exact: '', parts: [shared, shared] }, { verdict: 'allow' });
    }
    await recording.end({ code: 'client_closed', message: '' });
    const intents = target.lines.filter((line) => line.kind === 'intent');
    expect(intents.map((line) => line.parts)).toEqual(Array(2).fill([{ does: ['select'] }, { does: ['select'] }]));
  });
});
