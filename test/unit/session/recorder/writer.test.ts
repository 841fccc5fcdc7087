import { describe, expect, it } from 'vitest';
import { sourceOf } from '../../../../src/session/recorder/reader.ts';
import { FlushScheduler } from '../../../../src/session/recorder/scheduler.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { failure, header, type Made, makeRecording, statement, turn } from './fixtures.ts';

const recordedOnce = (recording: { recorded(then: () => void): void }) =>
  new Promise<void>((resolve) => recording.recorded(resolve));

describe('segments', () => {
  it('are one chain over all files, each further one beginning with its number', async () => {
    const { recording, target } = makeRecording(undefined, { maxSegment: 2000 });
    recording.begin(header);
    for (let op = 1; op <= 40; op++) {
      recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
      await recordedOnce(recording);
      recording.result(op, { part: 0, status: 'ok', rows: 1 });
    }
    const seal = await recording.end({ code: 'client_closed', message: '' });
    expect(target.cuts.length).toBeGreaterThan(4);
    expect(seal).toMatchObject({ segments: target.segment });
    expect(target.lines.at(-1)).toMatchObject({ kind: 'seal', segments: target.segment });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true, digest: seal?.digest, lines: seal?.lines });
    for (const [i, cut] of target.cuts.entries()) {
      const [first] = target.bytes.subarray(cut).toString().split('\n', 1) as [string];
      expect(JSON.parse(first)).toMatchObject({ kind: 'segment', segment: i + 2, session: header.session });
      const size = cut - (target.cuts[i - 1] ?? 0);
      expect(size).toBeGreaterThan(1500);
      expect(size).toBeLessThan(3000);
    }
  });

  it('are cut also while a commit is under way, and by lines longer than one', async () => {
    const { recording, target } = makeRecording(undefined, { maxSegment: 1500, durability: 'synced' });
    recording.begin(header);
    const done: number[] = [];
    for (let op = 1; op <= 30; op++) {
      recording.intent(op, statement(`select ${'ü'.repeat(op % 7 === 0 ? 2000 : 10)}`), { verdict: 'allow' });
      recording.recorded(() => done.push(op));
    }
    await recordedOnce(recording);
    expect(done).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    const seal = await recording.end({ code: 'client_closed', message: '' });
    expect(target.cuts.length).toBeGreaterThan(5);
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true, digest: seal?.digest });
  });

  it('that cannot be begun end the recording, sealed as far as it came', async () => {
    const { recording, target, failures } = makeRecording(undefined, { maxSegment: 1500 });
    recording.begin(header);
    target.next = () => {
      throw failure('ENOSPC');
    };
    let forwarded = 0;
    for (let op = 1; op <= 20; op++) {
      recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
      recording.recorded(() => {
        forwarded = op;
      });
    }
    expect(failures).toHaveLength(1);
    const intents = target.lines.filter(({ kind }) => kind === 'intent').length;
    expect(intents).toBeGreaterThanOrEqual(forwarded);
    expect(forwarded).toBeGreaterThan(0);
    expect(await recording.end({ code: 'recording_failed', message: '' })).toMatchObject({
      interrupted: expect.stringContaining('ENOSPC'),
    });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true });
  });
});

describe('a recording that has to survive a loss of power', () => {
  it('calls back only when what it waited for is durable; what nobody waits for goes with the next', async () => {
    const { recording, target } = makeRecording(undefined, { durability: 'synced' });
    recording.begin(header);
    let called = false;
    const open = Promise.withResolvers<void>();
    target.gate = open.promise;
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.recorded(() => {
      called = true;
    });
    await turn();
    expect(called).toBe(false);
    // More comes meanwhile: it is one further commit.
    recording.intent(2, statement('select 2'), { verdict: 'allow' });
    const both = [recordedOnce(recording), recordedOnce(recording)];
    open.resolve();
    await Promise.all(both);
    expect(called).toBe(true);
    expect(target.appended.map(({ durable }) => durable)).toEqual([true, true]);
    recording.note('nobody waits', {});
    await expect.poll(() => target.appended.length).toBe(3);
    expect(target.appended[2]?.durable).toBe(false);
    await recordedOnce(recording);
    // What was written before is asked to be durable as well.
    expect(target.appended.at(-1)).toEqual({ bytes: 0, durable: true });
    await recording.end({ code: 'client_closed', message: '' });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true, sealed: true });
  });

  it('calls nothing back when the commit fails', async () => {
    const { recording, target, failures } = makeRecording(undefined, { durability: 'synced' });
    recording.begin(header);
    await recordedOnce(recording);
    target.failure = failure('EIO');
    let called = false;
    recording.intent(1, statement('select 1'), { verdict: 'allow' });
    recording.recorded(() => {
      called = true;
    });
    await expect.poll(() => failures.length).toBe(1);
    target.failure = undefined;
    expect(await recording.end({ code: 'recording_failed', message: '' })).toMatchObject({ lines: 2 });
    expect(called).toBe(false);
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true });
  });
});

describe('a slow disk', () => {
  it('is waited for elsewhere, in order, and back again', async () => {
    const { recording, target } = makeRecording();
    const done: string[] = [];
    recording.begin(header);
    const ask = (name: string) => {
      recording.note(name, {});
      recording.recorded(() => done.push(name));
    };
    ask('quick');
    expect(done).toEqual(['quick']);
    target.slow = true;
    ask('slow 1');
    target.slow = false;
    ask('slow 2');
    expect(done).toEqual(['quick']);
    await recordedOnce(recording);
    ask('quick again');
    expect(done).toEqual(['quick', 'slow 1', 'slow 2', 'quick again']);
    expect(target.appended.every(({ durable }) => durable === undefined)).toBe(true);
    await recording.end({ code: 'client_closed', message: '' });
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true });
  });

  it('does not fill the memory: past the backlog the session ends', async () => {
    const { recording, target, failures } = makeRecording();
    recording.begin(header);
    target.slow = true;
    target.gate = new Promise(() => {});
    for (let i = 0; i < 400 && failures.length === 0; i++) recording.note('n', { text: 'x'.repeat(60_000) });
    expect(failures).toEqual([expect.objectContaining({ message: expect.stringContaining('recording_backlog') })]);
  });
});

describe('best effort', () => {
  it('goes on without a record, and seals what there is', async () => {
    const { recording, target, failures } = makeRecording(undefined, { bestEffort: true });
    const done: number[] = [];
    recording.begin(header);
    recording.recorded(() => done.push(1));
    target.failure = failure('ENOSPC');
    recording.note('lost', {});
    recording.recorded(() => done.push(2));
    recording.recorded(() => done.push(3));
    expect(done).toEqual([1, 2, 3]);
    expect(failures).toHaveLength(1);
    target.failure = undefined;
    expect(await recording.end({ code: 'client_closed', message: '' })).toMatchObject({ lines: 2 });
    recording.recorded(() => done.push(4));
    expect(done).toEqual([1, 2, 3]);
    expect(await verify(sourceOf(target.bytes))).toMatchObject({ ok: true });
  });
});

it('a file that is gone ends the recording though nothing is written', async () => {
  const { recording, target, failures } = makeRecording();
  recording.begin(header);
  await recordedOnce(recording);
  target.onLost?.(new Error('removed'));
  expect(failures).toEqual([expect.objectContaining({ code: 'recording_failed' })]);
  expect(recording.open).toBe(false);
});

describe('statements of several sessions', () => {
  /** So many that write at the moment. */
  function busy(count: number): Made[] {
    const scheduler = new FlushScheduler();
    return Array.from({ length: count }, () => {
      const made = makeRecording(undefined, { scheduler });
      made.recording.begin(header);
      return made;
    });
  }

  const ask = ({ recording }: Made, op: number, then: () => void) => {
    recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
    recording.recorded(then, true);
  };

  it('are recorded together at the end of the turn, each before it is forwarded, in the order of asking', async () => {
    const all = busy(3);
    const seen: string[] = [];
    for (const op of [1, 2]) {
      for (const [who, made] of all.entries()) {
        ask(made, op, () => {
          const intents = made.target.lines.filter(({ kind, op: of }) => kind === 'intent' && of === op);
          seen.push(`${who}.${op} after ${intents.length}`);
        });
      }
    }
    expect(seen).toEqual([]);
    for (const { target } of all) expect(target.writes).toEqual([]);
    await turn();
    const both = (who: number) => [`${who}.1 after 1`, `${who}.2 after 1`];
    expect(seen).toEqual([...both(0), ...both(1), ...both(2)]);
    for (const { target } of all) expect(target.writes).toHaveLength(1);
  });

  it('are recorded at once where few write, or who asks does not want to wait', () => {
    let done = 0;
    const [one] = busy(1);
    ask(one!, 1, () => done++);
    expect(done).toBe(1);
    const [other] = busy(5);
    other!.recording.intent(1, statement('select 1'), { verdict: 'allow' });
    other!.recording.recorded(() => done++);
    expect(done).toBe(2);
  });

  it('keep the order where somebody asks for the next at once', () => {
    const [one] = busy(5);
    const seen: number[] = [];
    ask(one!, 1, () => seen.push(1));
    one!.recording.intent(2, statement('select 2'), { verdict: 'allow' });
    one!.recording.recorded(() => seen.push(2));
    expect(seen).toEqual([1, 2]);
  });

  it('are not forwarded when their session is halted in between, or its record cannot be written; others are', async () => {
    const [halted, failing, fine] = busy(3);
    const seen: string[] = [];
    failing!.target.failure = failure('ENOSPC');
    ask(halted!, 1, () => seen.push('halted'));
    ask(failing!, 1, () => seen.push('failing'));
    ask(fine!, 1, () => seen.push('fine'));
    halted!.recording.halt();
    await turn();
    expect(seen).toEqual(['fine']);
    expect(failing!.failures).toHaveLength(1);
    const seal = await fine!.recording.end({ code: 'client_closed', message: '' });
    expect(await verify(sourceOf(fine!.target.bytes))).toMatchObject({ ok: true, digest: seal?.digest });
  });

  it('that wait when the session ends are on record, and not forwarded', async () => {
    const [one] = busy(3);
    let done = 0;
    ask(one!, 1, () => done++);
    const seal = await one!.recording.end({ code: 'killed', message: '' });
    await turn();
    expect(done).toBe(0);
    expect(one!.target.lines.map(({ kind }) => kind)).toEqual(['open', 'intent', 'end', 'seal']);
    expect(await verify(sourceOf(one!.target.bytes))).toMatchObject({ ok: true, digest: seal?.digest });
  });
});
