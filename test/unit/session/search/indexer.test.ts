import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recordBetween } from '../../../../src/session/export/between.ts';
import { Follower } from '../../../../src/session/recorder/follow.ts';
import { followSource } from '../../../../src/session/recorder/follow-source.ts';
import { Indexer } from '../../../../src/session/search/indexer.ts';
import type { SearchBatch, SearchedOperation, SearchIndex } from '../../../../src/session/search/operation.ts';
import { openTestLog } from '../../../support/log.ts';
import { type Written, writeRecord } from '../../../support/record.ts';

/** Keeps what it was given; one write can be made to fail. */
class MemoryIndex implements SearchIndex {
  readonly operations = new Map<string, SearchedOperation>();
  kept: string | undefined;
  failing = 0;

  async state() {
    return this.kept;
  }
  async write({ operations, state }: SearchBatch) {
    if (this.failing > 0) {
      this.failing -= 1;
      throw new Error('the disk is full');
    }
    for (const one of operations) this.operations.set(`${one.session} ${one.op}`, one);
    this.kept = state;
  }
  async search() {
    return { operations: [] };
  }
  async forget(session: string) {
    const known = [...this.operations.keys()].filter((key) => key.startsWith(`${session} `));
    for (const key of known) this.operations.delete(key);
    return known.length;
  }
  async scrub() {}
  async count() {
    return this.operations.size;
  }
  async close() {}
  statuses(): string[] {
    return [...this.operations.values()].map(({ op, text, status }) => `${op} ${text} ${status}`);
  }
}

const onwards = async () => true;

describe('an index that follows the record', () => {
  let written: Written;
  let index: MemoryIndex;
  beforeEach(async () => {
    written = await writeRecord();
    index = new MemoryIndex();
  });
  afterEach(() => written.close());

  it('has an operation when its outcome is there, also after a restart in between', async () => {
    const session = written.session();
    const [first, second, third] = ['a', 'b', 'c'].map((text) => session.say(text)) as [number, number, number];
    session.answer(second);
    await session.written();
    await new Indexer(index, written.source()).catchUp(onwards);
    expect(index.statuses()).toEqual(['2 b ok']);

    session.answer(third, { part: 0, status: 'error', error: { code: '42P01', message: 'no such table' } });
    session.answer(first);
    await session.end();
    await new Indexer(index, written.source()).catchUp(onwards);
    expect(index.statuses().sort()).toEqual(['1 a ok', '2 b ok', '3 c error']);
  });

  it('remembers where to go on, not what waits: 20,000 statements without an answer are a short state', async () => {
    const session = written.session();
    for (let i = 0; i < 20_000; i++) session.say(`select ${i} from somewhere where nothing comes back`);
    await session.written();
    const indexer = new Indexer(index, written.source());
    await indexer.catchUp(onwards);
    expect(index.kept?.length).toBeLessThan(1000);
    session.answer(20_000);
    await session.end();
    await indexer.catchUp(onwards);
    expect(index.operations.size).toBe(20_000);
    const statuses = [...index.operations.values()].map(({ status }) => status);
    expect(statuses.filter((status) => status === 'ok')).toHaveLength(1);
    expect(statuses.filter((status) => status === 'unknown')).toHaveLength(19_999);
  });

  it('misses nothing when a batch could not be kept', async () => {
    const session = written.session();
    for (const text of ['a', 'b']) session.answer(session.say(text));
    await session.end();
    index.failing = 1;
    const indexer = new Indexer(index, written.source());
    await expect(indexer.catchUp(onwards)).rejects.toThrow('the disk is full');
    expect(index.operations.size).toBe(0);
    await indexer.catchUp(onwards);
    expect(index.statuses()).toEqual(['1 a ok', '2 b ok']);
  });

  it('has nothing of what was purged while it was behind, however much it reads at once', async () => {
    const [gone, kept] = [written.session(), written.session()];
    gone.answer(gone.say('a secret'));
    gone.say('one without an answer');
    kept.answer(kept.say('b'));
    await gone.end();
    // Read, and removed before the index has it.
    for (const kind of ['purging', 'purge'] as const) written.log.append(kind, { session: gone.id });
    await kept.end();
    const indexer = new Indexer(index, written.source());
    await indexer.catchUp(onwards);
    expect(index.statuses()).toEqual(['1 b ok']);
    expect(index.kept).not.toContain(gone.id);
  });

  it('has what was to be purged and was held in time', async () => {
    const session = written.session();
    session.answer(session.say('held'));
    await session.end();
    const indexer = new Indexer(index, written.source());
    for (const what of ['purging', 'admin'] as const) {
      written.log.append(what, { session: session.id, ...(what === 'admin' && { what: 'purge cancelled' }) });
      await indexer.catchUp(onwards);
      expect(index.statuses()).toEqual(what === 'admin' ? ['1 held ok'] : []);
    }
    // And so has one that is made anew, and nothing waits to be read for ever.
    index.operations.clear();
    index.kept = undefined;
    await new Indexer(index, written.source()).catchUp(onwards);
    expect(index.statuses()).toEqual(['1 held ok']);
    expect(JSON.parse(index.kept!).cursor.open).toEqual({});
  });

  it('follows the log that took the place of a damaged one from its first entry', async () => {
    const [before, after] = [written.session(), written.session()];
    before.answer(before.say('a'));
    await before.written();
    for (let entry = 0; entry < 20; entry++) written.log.append('login', { entry });
    await new Indexer(index, written.source()).catchUp(onwards);
    before.answer(before.say('b'));
    for (const session of [before, after]) await session.end();
    await written.log.close();
    writeFileSync(join(written.root, 'log', 'checkpoint'), 'none');
    const { log } = await openTestLog(written.root);
    log.append('recording', { session: before.id, salvaged: 'sealed' });
    log.append('start', {});
    log.append('access', { verdict: 'allow', session: after.id });
    const source = () => followSource({ log, sink: written.sink });
    for (const known of [index.kept, index.kept!.replace(/,"log":"[^"]*"/, '')]) {
      index.operations.clear();
      index.kept = known;
      await new Indexer(index, source()).catchUp(onwards);
      expect(index.statuses()).toEqual(['2 b ok']);
    }
    // Its entries have names of their own.
    const ids = [];
    for await (const { id } of recordBetween(source(), { since: 0, until: Number.MAX_SAFE_INTEGER })) ids.push(id);
    expect(ids.filter((id) => id.startsWith('log'))).toEqual([0, 1, 2, 3, 4].map((at) => `log-again-1:${at}`));
    const followed = [];
    for await (const { id } of new Follower(source(), { index: 3, open: {} }).events()) followed.push(id);
    expect(followed[0]).toBe('log-again-1:3');
    await log.close();
  });

  it('reads everything again where the state is that of an earlier version', async () => {
    const session = written.session();
    session.answer(session.say('a'));
    await session.end();
    index.kept = JSON.stringify({ cursor: { index: 99, open: {} }, collector: { sessions: [], pending: [] } });
    await new Indexer(index, written.source()).catchUp(onwards);
    expect(index.statuses()).toEqual(['1 a ok']);
  });
});
