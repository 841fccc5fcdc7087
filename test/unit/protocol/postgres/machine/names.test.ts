import { describe, expect, it } from 'vitest';
import { limit } from '../../../../../src/core/limits.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/postgres/limits.ts';
import { back, front, MASKED, Talk } from '../../../../conformance/postgres/kit.ts';

const parse = (name: string, text: string) => [front.parse(name, text), front.sync()];
const run = (statement: string) => [front.bind('', statement), front.execute(''), front.sync()];

const LIMITS = { ...DEFAULT_LIMITS, preparedBytes: limit('prepared_bytes', 'bytes', 1024 * 1024) };
/** The text of a FETCH is short, what the server says of it is not: 5 KiB. */
const wide = back.rows(...Array.from({ length: 64 }, (_, at) => String(at).padEnd(62, 'x')));

describe('prepared statements', () => {
  it('are known by name from when the server has confirmed them', () => {
    const talk = new Talk();
    talk.client(...parse('s', 'select 1'));
    talk.target(back.parsed(), back.ready());
    talk.client(...run('s'));
    expect(talk.session.operations.map(({ text }) => text)).toEqual(['select 1']);
  });

  it('keep their meaning when a second Parse of the name fails', () => {
    const talk = new Talk();
    talk.client(...parse('s', 'select 1'));
    talk.target(back.parsed(), back.ready());
    talk.client(...parse('s', 'select 2'));
    talk.target(back.error('42P05', 'exists'), back.ready());
    talk.client(...run('s'));
    expect(talk.session.operations.map(({ text }) => text)).toEqual(['select 1']);
  });

  it('are waited for when their definition of another batch is not answered yet', () => {
    const talk = new Talk();
    expect(talk.client(...parse('s', 'select 1'), ...run('s'))).toEqual(['Parse s select 1', 'Sync', 'Flush']);
    talk.target(back.error('42P05', 'exists'), back.ready());
    expect(talk.toTarget()).toEqual(['Bind', 'Execute', 'Sync']);
    expect(talk.session.operations[0]?.parts[0]?.opaque).toMatch(/did not see made/);
  });

  it('are gone when the server has closed them', () => {
    const talk = new Talk();
    talk.client(...parse('s', 'select 1'));
    talk.target(back.parsed(), back.ready());
    talk.client(front.close('S', 's'), front.sync());
    talk.target(back.closed(), back.ready());
    talk.client(...run('s'));
    expect(talk.session.operations[0]?.text).toBe('');
  });

  it('that are unnamed are gone after a Parse that failed', () => {
    const talk = new Talk();
    talk.client(...parse('', 'select 1'));
    talk.target(back.parsed(), back.ready());
    talk.client(...parse('', 'select 2'));
    talk.target(back.error('42601', 'syntax'), back.ready());
    talk.client(...run(''));
    expect(talk.session.operations[0]?.text).toBe('');
  });

  it('may be pipelined over several batches when unnamed', () => {
    const talk = new Talk();
    expect(talk.client(front.extended('select 1'), front.extended('select 2'))).toHaveLength(10);
    expect(talk.session.operations.map(({ text }) => text)).toEqual(['select 1', 'select 2']);
  });

  it('are bounded in number', () => {
    const talk = new Talk();
    const many = Array.from({ length: 20_001 }, (_, i) => front.parse(`s${i}`, 'select 1'));
    talk.client(...many);
    expect(talk.machine.ended).toMatchObject({ code: 'limit_exceeded' });
  });

  it.each([
    ['statements', {}, 200],
    ['portals', {}, 200],
    ['portals', MASKED, 66],
  ] as const)('are bounded by the descriptions of their rows: %s %j', (kind, session, fit) => {
    const talk = new Talk({ limits: LIMITS, session });
    talk.client(...parse('s', 'fetch c'));
    talk.target(back.parsed(), back.ready());
    let described = 0;
    for (; talk.machine.ended === undefined && described < 500; described++) {
      const name = `n${described}`;
      const define = kind === 'statements' ? front.parse(name, 'fetch c') : front.bind(name, 's');
      talk.client(define, front.describe(kind === 'statements' ? 'S' : 'P', name), front.sync());
      if (kind === 'statements') talk.target(back.parsed(), back.parameters(), wide, back.ready('T'));
      else talk.target(back.bound(), wide, back.ready('T'));
    }
    expect(talk.machine.ended).toMatchObject({ code: 'limit_exceeded' });
    expect(described).toBeGreaterThan(fit * 0.8);
    expect(described).toBeLessThan(fit * 1.2);
  });

  it('count no more when they are closed', () => {
    const talk = new Talk({ limits: LIMITS });
    for (let at = 0; at < 500; at++) {
      talk.client(front.parse('s', 'fetch c'), front.describe('S', 's'), front.describe('S', 's'), front.sync());
      talk.target(back.parsed(), back.parameters(), wide, back.parameters(), wide, back.ready());
      talk.client(front.close('S', 's'), front.sync());
      talk.target(back.closed(), back.ready());
    }
    expect(talk.machine.ended).toBeUndefined();
  });
});

describe('PREPARE and EXECUTE', () => {
  it('decide an EXECUTE by what it executes', () => {
    const talk = new Talk();
    talk.client(front.query('prepare p as delete t'));
    talk.target(back.complete('PREPARE'), back.ready());
    talk.client(front.query('execute p'));
    expect(talk.session.operations[1]?.parts[0]?.does).toEqual(['execute', 'delete']);
  });

  it('are told apart within one message, in order', () => {
    const talk = new Talk();
    talk.client(front.query('prepare p as delete t; execute p'));
    expect(talk.session.operations[0]?.parts.map(({ does }) => does)).toEqual([['prepare'], ['execute', 'delete']]);
  });

  it('make an EXECUTE of something unknown opaque', () => {
    const talk = new Talk();
    talk.client(front.query('execute q'));
    expect(talk.session.operations[0]?.parts[0]?.opaque).toBe('the prepared statement "q" is not known to the gateway');
  });

  it('are waited for while a PREPARE is not answered, because it may fail', () => {
    const talk = new Talk();
    talk.client(front.query('prepare p as select 1'));
    talk.target(back.complete('PREPARE'), back.ready());
    expect(talk.client(front.query('prepare p as delete t'), front.query('execute p'))).toEqual([
      'Query prepare p as delete t',
      'Flush',
    ]);
    talk.target(back.error('42P05', 'exists'), back.ready());
    expect(talk.toTarget()).toEqual(['Query execute p']);
    expect(talk.session.operations.at(-1)?.parts[0]?.does).toEqual(['execute', 'select']);
  });

  it('share their names with the statements of the protocol', () => {
    const talk = new Talk();
    talk.client(front.query('prepare p as delete t'));
    talk.target(back.complete('PREPARE'), back.ready());
    talk.client(...run('p'));
    expect(talk.session.operations[1]).toMatchObject({ kind: 'execute', parts: [{ does: ['delete'] }] });
  });

  it('are forgotten by DEALLOCATE, one and all', () => {
    for (const text of ['deallocate p', 'deallocate all']) {
      const talk = new Talk();
      talk.client(front.query('prepare p as delete t'));
      talk.target(back.complete('PREPARE'), back.ready());
      talk.client(front.query(text));
      talk.target(back.complete('DEALLOCATE'), back.ready());
      talk.client(front.query('execute p'));
      expect(talk.session.operations.at(-1)?.parts[0]?.opaque).toMatch(/not known/);
    }
  });
});

describe('portals', () => {
  it('keep their meaning when a second Bind of the name fails, also after a rollback to before it', () => {
    const talk = new Talk();
    talk.client(front.query('begin'));
    talk.target(back.complete('BEGIN'), back.ready('T'));
    talk.client(front.parse('a', 'select 1'), front.bind('p', 'a'), front.sync());
    talk.target(back.parsed(), back.bound(), back.ready('T'));
    talk.client(front.parse('b', 'delete t'), front.bind('p', 'b'), front.sync());
    talk.target(back.parsed(), back.error('42P03', 'exists'), back.ready('E'));
    talk.client(front.query('rollback_to s'));
    talk.target(back.complete('ROLLBACK'), back.ready('T'));
    talk.client(front.execute('p'), front.sync());
    expect(talk.session.operations.at(-1)?.text).toBe('select 1');
  });

  it('are gone with their transaction', () => {
    const talk = new Talk();
    talk.client(front.parse('a', 'select 1'), front.bind('p', 'a'), front.sync());
    talk.target(back.parsed(), back.bound(), back.ready('I'));
    talk.client(front.execute('p'), front.sync());
    expect(talk.session.operations[0]?.parts[0]?.opaque).toMatch(/a portal "p" that the gateway did not see made/);
  });

  it('that were skipped are decided again when they are executed again', () => {
    const talk = new Talk();
    talk.client(front.query('begin'));
    talk.target(back.complete('BEGIN'), back.ready('T'));
    talk.client(front.parse('a', 'select 1'), front.bind('p', 'a'), front.sync());
    talk.target(back.parsed(), back.bound(), back.ready('T'));
    talk.client(front.parse('x', 'oops'), front.execute('p'), front.sync());
    talk.target(back.error('42601', 'oops'), back.ready('E'));
    talk.client(front.execute('p'), front.sync());
    expect(talk.session.operations.filter(({ text }) => text === 'select 1')).toHaveLength(2);
  });

  it('may be made by DECLARE', () => {
    const talk = new Talk();
    talk.client(front.query('begin; declare c cursor for delete t'));
    talk.target(back.complete('BEGIN'), back.complete('DECLARE CURSOR'), back.ready('T'));
    talk.client(front.execute('c'), front.sync());
    expect(talk.session.operations.at(-1)?.parts[0]?.does).toEqual(['delete']);
  });
});
