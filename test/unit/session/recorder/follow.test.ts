import { appendFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newSessionId } from '../../../../src/core/ids.ts';
import { BEGINNING, type Cursor, Follower, type RecordEvent } from '../../../../src/session/recorder/follow.ts';
import type { LogFollowing } from '../../../../src/session/recorder/follow-source.ts';
import { seeded } from '../../../support/random.ts';
import { RECORD_TIME, type RecordedSession, type Written, writeRecord } from '../../../support/record.ts';

let record: Written;
let source: LogFollowing;

beforeEach(async () => {
  record = await writeRecord();
  source = record.source();
});
afterEach(() => record.close());

async function all(follower: Follower): Promise<RecordEvent[]> {
  const events: RecordEvent[] = [];
  do for await (const event of follower.events()) events.push(event);
  while (follower.more);
  return events;
}

const ids = (events: readonly RecordEvent[]) => events.map(({ id }) => id);
const again = (cursor: Cursor) => JSON.parse(JSON.stringify(cursor)) as Cursor;

describe('the follower', () => {
  it('gives the log and what is being recorded, each once, with what it says', async () => {
    record.log.append('login', { ok: true });
    const one = record.session();
    one.say('select 1');
    await one.written();
    const follower = new Follower(source);
    const first = await all(follower);
    expect(ids(first)).toEqual(['log:0', 'log:1', 'log:2', `${one.id}:0`, `${one.id}:1`]);
    expect(first[4]).toMatchObject({ kind: 'intent', session: one.id, number: 1, fields: { op: 1, text: 'select 1' } });
    expect(first[4]!.fields).not.toHaveProperty('prev');
    expect(await all(follower)).toEqual([]);
    one.say('select 2');
    await one.written();
    expect(ids(await all(follower))).toEqual([`${one.id}:2`]);
    await one.end();
    const last = await all(follower);
    expect(last.map(({ kind }) => kind)).toEqual(['end', 'seal', 'recording']);
    expect(follower.cursor).toEqual({ index: 4, open: {} });
  });

  it('takes no torn line of a recording that is being written', async () => {
    const one = record.session();
    one.say('select 1');
    await one.written();
    appendFileSync(record.sink.path(one.id), '{"seq":2,"at":"2026');
    const follower = new Follower(source);
    expect(ids(await all(follower)).at(-1)).toBe(`${one.id}:1`);
    expect(follower.cursor.open[one.id]?.seq).toBe(2);
  });

  it('goes by the numbers of the lines where the bytes are not what the cursor says', async () => {
    const one = record.session();
    for (let op = 1; op < 5; op++) one.say(`select ${op}`);
    await one.written();
    for (const byte of [0, 7, 700]) {
      const follower = new Follower(source, { index: 2, open: { [one.id]: { seq: 3, byte } } });
      expect(ids(await all(follower))).toEqual([`${one.id}:3`, `${one.id}:4`]);
    }
  });

  it('says what is missing of a sealed recording, and goes on', async () => {
    const one = record.session();
    one.say('select 1');
    await one.written();
    await one.end();
    renameSync(record.sink.path(one.id), join(record.root, 'elsewhere'));
    record.log.append('login', { ok: true });
    const events = await all(new Follower(source));
    expect(events.map(({ kind }) => kind)).toEqual(['log', 'access', 'missing', 'recording', 'login']);
    expect(events[2]).toMatchObject({ id: `${one.id}:0-missing`, fields: { lines: 4, have: 0 } });
  });

  it('forgets what no process will ever finish at the next start', async () => {
    const id = newSessionId(RECORD_TIME);
    record.log.append('access', { verdict: 'allow', session: id });
    const follower = new Follower(source);
    await all(follower);
    expect(Object.keys(follower.cursor.open)).toEqual([id]);
    record.log.append('start', {});
    await all(follower);
    expect(follower.cursor.open).toEqual({});
  });

  it('misses nothing wherever it is stopped, and keeps the order of each recording and of the log', async () => {
    const random = seeded(20261120);
    const pick = (n: number) => random.below(n);
    const live: RecordedSession[] = [];
    let cursor = BEGINNING;
    const got: RecordEvent[] = [];
    const follow = async (most: number) => {
      // A process of its own each time: only the cursor is left of the one before.
      const follower = new Follower(record.source(), again(cursor));
      let left = most;
      for await (const event of follower.events()) {
        got.push(event);
        // Sometimes it is killed before it has kept the cursor.
        if (pick(10) > 0) cursor = follower.cursor;
        if (--left <= 0) break;
      }
      return most - left;
    };
    for (let step = 0; step < 250; step++) {
      const what = pick(20);
      if (what < 3) live.push(record.session());
      else if (what < 5) record.log.append('login', { step });
      else if (what < 7 && live.length > 0) await live.splice(pick(live.length), 1)[0]!.end();
      else if (what < 9) await follow(1 + pick(12));
      else if (live.length > 0) live[pick(live.length)]!.say(`select ${'x'.repeat(pick(400))}`);
    }
    for (const one of live) await one.end();
    while ((await follow(1000)) > 0);
    const truth = ids(await all(new Follower(source)));
    const firsts = [...new Set(ids(got))];
    expect(firsts.length).toBeGreaterThan(150);
    expect(new Set(firsts)).toEqual(new Set(truth));
    const streams = Map.groupBy(firsts, (id) => id.split(':')[0]!);
    for (const stream of streams.values()) {
      expect(stream.map((id) => Number(id.split(':')[1]))).toEqual(stream.map((_, i) => i));
    }
    expect(cursor.open).toEqual({});
  });
});
