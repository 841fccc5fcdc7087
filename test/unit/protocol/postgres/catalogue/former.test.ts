import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Catalogues } from '../../../../../src/protocol/postgres/masking/catalogues.ts';
import { TypeRegistry } from '../../../../../src/protocol/postgres/masking/types.ts';
import { type Postgres, startPostgres } from '../../../../support/postgres.ts';
import { eventually } from '../../../../support/process.ts';
import { type Bench, openBench } from '../masking/schema.ts';

let server: Postgres;
let bench: Bench;
beforeAll(async () => {
  server = await startPostgres();
  bench = await openBench(server, 'former');
  await run(`create table a (id int, ssn text); create table b (id int, ssn text);
    create table parent (id int, what text) partition by list (id); create table piece partition of parent for values in (1)`);
});
afterAll(async () => {
  await bench?.close();
  await server?.stop();
});

const run = (sql: string) => server.query(sql, 'former');
const PINNED = { namesPinned: true, ddlPending: false };

class Store {
  readonly texts = new Map<string, string>();
  broken = false;
  async get(key: string): Promise<string | undefined> {
    if (this.broken) throw new Error('the store is away');
    return this.texts.get(key);
  }
  async set(key: string, value: string): Promise<void> {
    this.texts.set(key, value);
  }
}

/** A gateway that has just been started: what it says that a statement touches. */
function gateway(memory: Store) {
  const planner = new Catalogues(new TypeRegistry()).planner({ ...bench.source(), place: 'here', memory });
  return {
    planner,
    async touches(sql: string): Promise<string[]> {
      const analysis = bench.analyser.analyse(Buffer.from(sql));
      const parts = await planner.reached!(analysis.facts, analysis, undefined, PINNED);
      return parts.flatMap((part) => part.relations.map(({ name, columns }) => `${name}(${columns?.join()})`));
    },
  };
}

const kept = (memory: Store, before = '') =>
  eventually('the names are kept', () => {
    const [text] = memory.texts.values();
    return text !== undefined && text !== before ? text : undefined;
  });

describe('former names', () => {
  test('outlive the gateway that saw the rename', async () => {
    const memory = new Store();
    const first = gateway(memory);
    expect(await first.touches('select ssn from a')).toEqual(['a(ssn)']);
    const before = await kept(memory);
    await run('alter table a rename to a2; alter table a2 rename ssn to number');
    first.planner.invalidate();
    expect(await first.touches('select number from a2')).toEqual(['a2(number,ssn)', 'a(number,ssn)']);
    await kept(memory, before);
    expect(await gateway(memory).touches('select number from a2')).toEqual(['a2(number,ssn)', 'a(number,ssn)']);
    expect(await gateway(new Store()).touches('select number from a2')).toEqual(['a2(number)']);
  });

  test('are known of what was renamed while no gateway ran, and of a partition that was detached', async () => {
    const memory = new Store();
    await gateway(memory).touches('select 1 from b');
    await kept(memory);
    await run('alter table b rename ssn to other; alter table parent detach partition piece');
    const next = gateway(memory);
    expect(await next.touches('select other from b')).toEqual(['b(other,ssn)']);
    expect(await next.touches('select what from piece')).toEqual(['piece(what)', 'parent(what)']);
  });

  test('of another database mean nothing here', async () => {
    const memory = new Store();
    await gateway(memory).touches('select 1 from b');
    const text = await kept(memory);
    memory.texts.clear();
    await server.query('create database elsewhere');
    await server.query('create table x (id int)', 'elsewhere');
    memory.texts.set('former names here', text);
    const other = await openBench(server, 'elsewhere2');
    const planner = new Catalogues(new TypeRegistry()).planner({ ...other.source(), place: 'here', memory });
    const analysis = other.analyser.analyse(Buffer.from('select name from customers'));
    const parts = await planner.reached!(analysis.facts, analysis, undefined, PINNED);
    expect(parts[0]!.relations.map(({ name }) => name)).toEqual(['customers']);
    await other.close();
  });

  test('that cannot be read let nothing be proven', async () => {
    const memory = new Store();
    memory.broken = true;
    await expect(gateway(memory).touches('select 1 from b')).rejects.toThrow('the store is away');
  });
});
