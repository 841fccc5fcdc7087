import { describe, expect, it } from 'vitest';
import { Chain, GENESIS } from '../../../../src/session/recorder/line.ts';
import { LineSplitter, sourceOf } from '../../../../src/session/recorder/reader.ts';
import { ChainChecker, type ProblemKind, verify } from '../../../../src/session/recorder/verify.ts';
import { header, makeRecording, sampleRecording, statement } from './fixtures.ts';

const linesOf = (bytes: Buffer): string[] => bytes.toString('utf8').split('\n').slice(0, -1);
const join = (lines: string[]): string => lines.map((line) => `${line}\n`).join('');

describe('verify', () => {
  it('accepts what was written, and says what it is', async () => {
    const bytes = await sampleRecording();
    const found = await verify(sourceOf(bytes), { session: header.session });
    expect(found).toMatchObject({
      ok: true,
      sealed: true,
      interrupted: undefined,
      session: header.session,
      problems: [],
    });
    expect(found.lines).toBe(linesOf(bytes).length);
    expect(found.bytes).toBe(bytes.length);
    expect(found.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it('accepts it in chunks of any size', async () => {
    const bytes = await sampleRecording();
    for (const size of [1, 2, 7, 64, 1000]) {
      async function* chunks() {
        // One buffer used again for each chunk, as a file reader may do.
        const shared = Buffer.alloc(size);
        for (let at = 0; at < bytes.length; at += size) {
          const count = bytes.copy(shared, 0, at);
          yield shared.subarray(0, count);
        }
      }
      expect((await verify(chunks())).problems).toEqual([]);
    }
  });

  it('finds every changed byte', async () => {
    const bytes = await sampleRecording();
    const missed: string[] = [];
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const changed = Buffer.from(bytes);
        changed[at] = changed[at]! ^ bit;
        if ((await verify(sourceOf(changed))).ok) missed.push(`byte ${at} bit ${bit}`);
      }
    }
    expect(missed).toEqual([]);
  });

  it('finds a cut at every byte', async () => {
    const bytes = await sampleRecording();
    for (let length = 0; length < bytes.length; length++) {
      const found = await verify(sourceOf(bytes.subarray(0, length)));
      expect(found.ok, `cut to ${length}`).toBe(false);
      expect(found.problems.some((problem) => problem.what === 'not_sealed')).toBe(true);
    }
  });

  it('finds every removed, repeated, swapped and inserted line', async () => {
    const lines = linesOf(await sampleRecording());
    for (let at = 0; at < lines.length; at++) {
      const removed = lines.toSpliced(at, 1);
      const repeated = lines.toSpliced(at, 0, lines[at]!);
      const inserted = lines.toSpliced(at, 0, '{"seq":1,"at":"2026-11-20T07:00:00.000Z","kind":"note"}');
      const swapped = at === 0 ? lines.toReversed() : lines.with(at - 1, lines[at]!).with(at, lines[at - 1]!);
      for (const [name, tampered] of Object.entries({ removed, repeated, inserted, swapped })) {
        expect((await verify(sourceOf(join(tampered)))).ok, `${name} ${at}`).toBe(false);
      }
    }
  });

  const cases: [string, ProblemKind, number, RegExp, (lines: string[]) => string][] = [
    ['a changed line', 'changed', 3, /line 2 was changed/, (l) => join(l.with(1, l[1]!.replace('select', 'SELECT')))],
    ['a missing line', 'missing', 3, /line with seq 2 is missing/, (l) => join(l.toSpliced(2, 1))],
    ['missing lines', 'missing', 3, /2 lines from seq 2 are missing/, (l) => join(l.toSpliced(2, 2))],
    ['a repeated line', 'repeated', 4, /repeated/, (l) => join(l.toSpliced(3, 0, l[2]!))],
    ['a line that is none', 'unreadable', 2, /no line of a recording/, (l) => join(l.with(1, 'hello'))],
    ['a missing beginning', 'missing', 1, /seq 0 is missing/, (l) => join(l.slice(1))],
    ['a missing seal', 'not_sealed', 7, /not sealed/, (l) => join(l.slice(0, -1))],
    ['a cut last line', 'cut', 7, /line 7 is cut/, (l) => join(l).slice(0, -5)],
    ['a line behind the seal', 'after_seal', 8, /after the seal/, (l) => join([...l, l[1]!])],
    ['an empty file', 'not_sealed', 1, /it is empty/, () => ''],
  ];
  it.each(cases)('names %s and its place', async (_name, what, line, words, tamper) => {
    const lines = linesOf(await sampleRecording());
    expect(lines.length).toBe(7);
    const [first] = (await verify(sourceOf(tamper(lines)))).problems;
    expect(first).toMatchObject({ what, line });
    expect(first?.message).toMatch(words);
    expect(first?.message).toMatch(/\(byte \d+\)$/);
  });

  it('finds a recording forged from the beginning by the digest in the log', async () => {
    const genuine = await verify(sourceOf(await sampleRecording()));
    const chain = new Chain();
    const forged = chain.next(0, 'open', `,"session":"${header.session}"`) + chain.seal(0, '').line;
    expect((await verify(sourceOf(forged))).ok).toBe(true);
    const found = await verify(sourceOf(forged), { session: header.session, digest: genuine.digest! });
    expect(found.problems[0]).toMatchObject({ what: 'other_recording' });
  });

  it('finds the recording of another session in its place', async () => {
    const found = await verify(sourceOf(await sampleRecording()), { session: 's-other' });
    expect(found.problems[0]).toMatchObject({ what: 'other_recording', message: expect.stringContaining('s-other') });
  });

  it('that was made a moment ago is not taken for that of another session', async () => {
    const found = await verify(sourceOf(''), { session: 's-new' });
    expect(found.problems.map(({ what }) => what)).toEqual(['not_sealed']);
  });

  it('takes a file still being written, its last line torn, when told so', async () => {
    const bytes = await sampleRecording();
    const lines = linesOf(bytes);
    const open = join(lines.slice(0, 3));
    const found = await verify(sourceOf(`${open}{"seq":3,"at`), { open: true });
    expect(found).toMatchObject({ ok: true, sealed: false, lines: 3, wholeBytes: Buffer.byteLength(open) });
    expect(found.state.seq).toBe(3);
  });

  it('counts the files that it is made of', async () => {
    const { recording, target } = makeRecording(undefined, { maxSegment: 2000 });
    recording.begin(header);
    for (let op = 1; op <= 40; op++) recording.intent(op, statement(`select ${op}`), { verdict: 'allow' });
    await recording.end({ code: 'client_closed', message: '' });
    const checker = new ChainChecker();
    for (const raw of new LineSplitter().push(target.bytes)) checker.line(raw);
    expect(checker.problems).toEqual([]);
    expect(checker.segments).toBe(target.segment);
    expect(target.segment).toBeGreaterThan(2);
  });

  it('does not take a line whose own prev hides before its end', async () => {
    const line = `{"seq":0,"at":"2026-11-20T07:00:00.000Z","kind":"open","prev":"${GENESIS}","x":1}`;
    expect((await verify(sourceOf(`${line}\n`), { open: true })).problems[0]).toMatchObject({ what: 'unreadable' });
  });

  it('tells when the clock went back, which is no tampering', async () => {
    const chain = new Chain();
    const text = chain.next(2000, 'open', '') + chain.next(1000, 'note', '') + chain.seal(3000, '').line;
    const found = await verify(sourceOf(text));
    expect(found.ok).toBe(true);
    expect(found.warnings).toEqual([expect.stringContaining('line 2: the clock went back')]);
  });

  it('reads what is long by its ends alone, and stops where too much is wrong', async () => {
    const deep = '['.repeat(20_000_000);
    const line = `{"seq":0,"at":"2026-11-20T07:00:00.000Z","kind":"open","x":${deep},"prev":"${GENESIS}"}`;
    const long = await verify(sourceOf(`${line}\n`), { open: true });
    expect([long.problems, long.opening]).toEqual([[], expect.not.objectContaining({ x: expect.anything() })]);
    let read = 0;
    async function* endless() {
      for (; read < 1000; read++) yield Buffer.from('x\n'.repeat(100));
    }
    const found = await verify(endless());
    expect([found.ok, read]).toEqual([false, 0]);
    expect(found.warnings).toEqual([expect.stringContaining('was not looked at')]);
  });

  it('stops at a line over the bound instead of keeping it', () => {
    const splitter = new LineSplitter(100);
    for (let i = 0; i < 5; i++) splitter.push(Buffer.alloc(40, 'x'));
    expect(splitter.tooLong).toMatchObject({ number: 1 });
    expect(splitter.finish()).toBeUndefined();
  });
});
