import { appendFileSync, readdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/clock.ts';
import type { Limit } from '../../../../src/core/limits.ts';
import { DeliveryError, type Destination } from '../../../../src/gateway/exports/destination.ts';
import { Exporter, type ExporterOptions, type Kept } from '../../../../src/gateway/exports/exporter.ts';
import { FileDestination } from '../../../../src/gateway/exports/file.ts';
import type { ExportEvent } from '../../../../src/session/export/event.ts';
import { writerOf } from '../../../../src/session/export/formats.ts';
import { Follower } from '../../../../src/session/recorder/follow.ts';
import { until } from '../../../support/gateway-house.ts';
import { seeded } from '../../../support/random.ts';
import { type Written, writeRecord } from '../../../support/record.ts';

let record: Written;
beforeEach(async () => {
  record = await writeRecord();
});
afterEach(() => record.close());

const BEGINNING: Kept = { cursor: { index: 0, open: {} }, sequence: 0 };
const FAST: Record<string, number> = { export_poll_ms: 2, export_retry_ms: 1, export_confirm_ms: 5, export_batch: 7 };
const product = { version: '0', gateway: undefined, datastore: () => true };

/** What a store keeps, through JSON as a store does. */
class Keeper {
  text = JSON.stringify(BEGINNING);
  writes = 0;
  load = async () => JSON.parse(this.text) as Kept;
  keep = async (kept: Kept) => {
    this.text = JSON.stringify(kept);
    this.writes += 1;
  };
}

function exporter(keeper: Keeper, open: ExporterOptions['open'], more: Partial<ExporterOptions> = {}): Exporter {
  return new Exporter({
    name: 'test',
    selection: { kinds: ['*'], labels: {} },
    rows: false,
    source: record.source(),
    open,
    load: keeper.load,
    keep: keeper.keep,
    clock: systemClock,
    limit: (bound: Limit) => ({ ...bound, value: FAST[bound.name] ?? bound.value }),
    refused: () => {},
    failing: () => {},
    recovered: () => {},
    ...more,
  });
}

const taking = (got: ExportEvent[], fails: () => DeliveryError | undefined = () => undefined): Destination => ({
  async send(events) {
    const failure = fails();
    // Some of it may have got there, as with any receiver.
    got.push(
      ...(failure === undefined || failure.refused
        ? events.slice(0, failure ? 0 : undefined)
        : events.slice(0, events.length >> 1)),
    );
    if (failure !== undefined) throw failure;
  },
  close: async () => {},
});

async function truth(): Promise<string[]> {
  const ids: string[] = [];
  const follower = new Follower(record.source());
  for await (const event of follower.events()) if (event.kind !== 'rows') ids.push(event.id);
  return ids;
}

/** Every event is there, in the order of its stream, and no sequence number is missing. */
async function expectAll(got: readonly ExportEvent[]): Promise<void> {
  const firsts = [...new Set(got.map(({ id }) => id))];
  const due = await truth();
  expect(new Set(firsts)).toEqual(new Set(due));
  for (const stream of Map.groupBy(firsts, (id) => id.split(':')[0]!).values()) {
    expect(stream.map((id) => Number(id.split(':')[1]))).toEqual(stream.map((_, i) => i));
  }
  const numbers = [...new Set(got.map(({ sequence }) => sequence))].sort((a, b) => a - b);
  expect(numbers).toEqual(due.map((_, i) => i + 1));
}

describe('an exporter', () => {
  it('delivers everything though the receiver fails and the process is killed at any moment', async () => {
    const random = seeded(4);
    const keeper = new Keeper();
    const got: ExportEvent[] = [];
    const writing = (async () => {
      for (let round = 0; round < 12; round++) {
        const session = record.session();
        for (let op = 1; op < 10; op++) session.answer(session.say(`select ${round}, ${op}`), {}, [['x', null]]);
        record.log.append('login', { round });
        await session.end();
      }
    })();
    for (let process = 0; process < 25; process++) {
      // What the killed one would have kept after its death is lost.
      let dead = false;
      const keep = async (kept: Kept) => {
        if (dead) throw new Error('killed');
        await keeper.keep(kept);
      };
      const fails = () => (dead || random.below(4) === 0 ? new DeliveryError('no') : undefined);
      const one = exporter(keeper, () => taking(got, fails), { keep });
      one.start();
      await new Promise((resolve) => setTimeout(resolve, random.below(15)));
      dead = true;
      await one.stop();
    }
    await writing;
    const last = exporter(keeper, () => taking(got));
    last.start();
    await until(async () => last.state.state === 'idle' && last.state.sequence === (await truth()).length);
    await last.stop();
    await expectAll(got);
    expect(JSON.parse(keeper.text).cursor.open).toEqual({});
    expect(got.length).toBeGreaterThan((await truth()).length);
  });

  it('keeps the cursor of a receiver that acknowledges nothing only when it has confirmed', async () => {
    const keeper = new Keeper();
    const got: ExportEvent[] = [];
    let confirmed = 0;
    let broken = true;
    const open = (): Destination => ({
      ...taking(got),
      async confirm() {
        if (broken) throw new DeliveryError('the connection broke');
        confirmed += 1;
      },
    });
    const session = record.session();
    session.say('select 1');
    const one = exporter(keeper, open);
    one.start();
    await until(() => got.length > 8);
    expect(JSON.parse(keeper.text)).toEqual(BEGINNING);
    expect(one.state.lagMs).toBeGreaterThan(0);
    broken = false;
    await until(() => one.state.state === 'idle');
    expect(JSON.parse(keeper.text)).toMatchObject({ sequence: 4, cursor: { index: 2 } });
    expect(confirmed).toBe(1);
    await one.stop();
    await session.end();
    expect(new Set(got.map(({ id }) => id)).size).toBe(4);
  });

  it('leaves out, on record, an event that will never be taken, and nothing else', async () => {
    const keeper = new Keeper();
    const got: ExportEvent[] = [];
    const refused: string[] = [];
    const session = record.session();
    for (const text of ['select 1', 'poison', 'select 3', 'select 4']) session.say(text);
    const open = (): Destination => ({
      async send(events) {
        if (events.some(({ fields }) => fields.text === 'poison')) throw new DeliveryError('400', { refused: true });
        got.push(...events);
      },
      close: async () => {},
    });
    const one = exporter(keeper, open, { refused: ({ id }) => void refused.push(id) });
    one.start();
    await until(() => one.state.sequence === 7);
    await one.stop();
    await session.end();
    expect(refused).toEqual([`${session.id}:2`]);
    expect(got.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 6, 7]);
    expect(one.state.refused).toBe(1);
  });

  it.each([
    [0, 0],
    [2, 10],
  ])('waits where the receiver refuses everything, having taken %i', async (taken, lost) => {
    const keeper = new Keeper();
    keeper.text = JSON.stringify({ ...BEGINNING, sequence: taken });
    const session = record.session();
    for (let op = 0; op < 30; op++) session.say('select 1');
    let attempts = 0;
    const open = (): Destination => ({
      async send() {
        attempts += 1;
        throw new DeliveryError('400', { refused: true });
      },
      close: async () => {},
    });
    let refused = 0;
    const count = () => {
      refused += 1;
    };
    const one = exporter(keeper, open, { refused: count });
    one.start();
    await until(() => attempts > (taken === 0 ? 10 : 40));
    expect(one.state).toMatchObject({ state: 'failing', error: '400' });
    expect(refused).toBe(lost);
    if (taken === 0) expect(JSON.parse(keeper.text)).toMatchObject({ sequence: 0 });
    await one.stop();
    await session.end();
  });

  it('sends only what is selected, and counts only that', async () => {
    const keeper = new Keeper();
    const got: ExportEvent[] = [];
    const [prod, test] = [record.session(), record.session({ env: 'test' })];
    prod.say('select 1');
    test.say('select 2');
    record.log.append('login', {});
    const selection = { kinds: ['session.intent', 'log.*'], labels: { env: 'prod' } };
    const one = exporter(keeper, () => taking(got), { selection });
    one.start();
    await until(() => got.length >= 5);
    await one.stop();
    await Promise.all([prod.end(), test.end()]);
    expect(got.map(({ name }) => name)).toEqual(['log.log', 'log.access', 'log.access', 'log.login', 'session.intent']);
    expect(got.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    expect(got[4]!.fields.text).toBe('select 1');
  });
});

describe('a file as destination', () => {
  const path = () => join(record.root, 'events.jsonl');
  const file =
    (more: object = {}) =>
    (mark: Destination['mark']) =>
      new FileDestination({ path: path(), keep: 3, ...more }, writerOf('json', product), mark);
  const lines = (name = path()) =>
    readFileSync(name, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; sequence: number });

  /** An exporter that is killed when its next events are in the file, and the store does not know it yet. */
  async function killed(keeper: Keeper, more: object = {}): Promise<void> {
    const { sequence } = await keeper.load();
    let dead = false;
    const keep = async (kept: Kept) => {
      dead ||= kept.sequence > sequence;
      if (dead) throw new Error('killed');
      await keeper.keep(kept);
    };
    const one = exporter(keeper, file(more), {
      keep,
      load: () => (dead ? Promise.reject(new Error('killed')) : keeper.load()),
    });
    one.start();
    await until(() => dead);
    await one.stop();
  }
  async function upTo(keeper: Keeper, sequence: number, more: object = {}): Promise<void> {
    const one = exporter(keeper, file(more));
    one.start();
    await until(() => one.state.sequence === sequence);
    await one.stop();
  }
  const sequences = (name?: string) => lines(name).map(({ sequence }) => sequence);

  it('has every event once, also after a kill in the middle of writing, of its first event and of any', async () => {
    const keeper = new Keeper();
    const session = record.session();
    session.say('select 1');
    for (const [before, after] of [
      [0, 4],
      [4, 5],
    ] as const) {
      await killed(keeper);
      expect((await keeper.load()).sequence).toBe(before);
      expect(sequences()).toHaveLength(after);
      // All of it, some of the last line, and none of it.
      const whole = statSync(path()).size;
      for (const left of [whole, whole - 30, Number((await keeper.load()).mark!.bytes)]) {
        truncateSync(path(), left);
        await killed(keeper);
        expect(sequences()).toEqual(Array.from({ length: after }, (_, i) => i + 1));
      }
      await upTo(keeper, after);
      session.say('select 2');
      await session.written();
    }
    await upTo(keeper, 6);
    await session.end();
    expect(sequences()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('has every event once over a kill between a new file and the first that is in it', async () => {
    const keeper = new Keeper();
    const session = record.session();
    session.say('x'.repeat(5000));
    await session.written();
    const one = exporter(keeper, file({ rotate: 4096 }));
    one.start();
    await until(() => one.state.sequence === 4);
    // The same exporter goes on to the next file, and dies of a full disk in its first line.
    let full = true;
    const two = exporter(keeper, (mark) => {
      const real = file({ rotate: 4096 })(mark);
      return {
        intend: async (events) => real.intend?.(events),
        get mark() {
          return real.mark;
        },
        async send() {
          if (!full) return real.send();
          full = false;
          appendFileSync(path(), '{"id":"to');
          throw new DeliveryError('ENOSPC');
        },
        close: () => real.close(),
      };
    });
    await one.stop();
    renameSync(path(), `${path()}.1`);
    session.say('select 2');
    two.start();
    await until(() => two.state.sequence === 5);
    await two.stop();
    await session.end();
    expect([sequences(`${path()}.1`), sequences()]).toEqual([[1, 2, 3, 4], [5]]);
  });

  it('never cuts what somebody else wrote, and says that it is written by two', async () => {
    const keeper = new Keeper();
    const session = record.session();
    await session.written();
    await upTo(keeper, 3);
    const before = readFileSync(path(), 'utf8');
    appendFileSync(path(), '{"id":"theirs","sequence":9}\n');
    session.say('select 1');
    let why = '';
    const failing = (error: string) => {
      why = error;
    };
    const one = exporter(keeper, file(), { failing });
    one.start();
    await until(() => why !== '');
    expect(why).toMatch(/grown by what this destination did not write: give each .* a file of its own/);
    expect(readFileSync(path(), 'utf8')).toBe(`${before}{"id":"theirs","sequence":9}\n`);
    // Moved away, as it says.
    renameSync(path(), `${path()}.theirs`);
    await until(() => one.state.sequence === 4);
    // Also while it runs.
    why = '';
    appendFileSync(path(), 'theirs\n');
    session.say('select 2');
    await until(() => why !== '');
    await one.stop();
    await session.end();
    expect(readFileSync(path(), 'utf8')).toMatch(/^\{.*"sequence":4,.*\}\ntheirs\n$/);
  });

  it('begins on a line of its own in a file that is there, and after it was emptied in its place', async () => {
    const keeper = new Keeper();
    const session = record.session();
    await session.written();
    writeFileSync(path(), '{"id":"of before","sequence":0}');
    await upTo(keeper, 3);
    expect(sequences()).toEqual([0, 1, 2, 3]);
    truncateSync(path(), 0);
    session.say('select 1');
    await session.written();
    await upTo(keeper, 4);
    await session.end();
    expect(sequences()).toEqual([4]);
  });

  it('goes on under its name when it was moved away, and rotates by size', async () => {
    const keeper = new Keeper();
    const session = record.session();
    const one = exporter(keeper, file({ rotate: 4096 }));
    one.start();
    await until(() => one.state.sequence === 3);
    renameSync(path(), join(record.root, 'moved'));
    session.say('select 1');
    await until(() => one.state.sequence === 4);
    expect(lines().map(({ sequence }) => sequence)).toEqual([4]);
    for (let op = 0; op < 60; op++) session.say('x'.repeat(200));
    await until(() => one.state.sequence === 64);
    await one.stop();
    await session.end();
    const names = readdirSync(record.root).filter((name) => name.startsWith('events.jsonl.'));
    expect(names.sort()).toEqual(['events.jsonl.1', 'events.jsonl.2', 'events.jsonl.3']);
    expect(lines().at(-1)?.sequence).toBe(64);
    expect(lines(`${path()}.1`).at(-1)!.sequence + 1).toBe(lines()[0]!.sequence);
  });
});
