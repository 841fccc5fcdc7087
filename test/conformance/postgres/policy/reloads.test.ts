// The policy changes while something is under way: a result that has not come, a portal at rest, a cursor that is open. Nothing
// is judged by half of one version and half of another. Through the wire.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { sleep } from '../../../support/process.ts';
import {
  bind,
  describePortal,
  execute,
  type Frame,
  fields,
  message,
  parse,
  query,
  sync,
  type WireClient,
} from '../../../support/wire.ts';
import { type Guarded, openGuarded } from '../guarded.ts';

const SSN = '536-22-8726';
const OTHER = { name: 'other', columns: ['other.x'] };
/** The column is masked; nothing is; nobody may read the table, so that there is nothing to mask. */
const MASKED = { masks: [{ name: 'pii', columns: ['people.ssn'] }, OTHER] };
const OPEN = { masks: [OTHER] };
const DENIED = { masks: [OTHER], rules: [{ name: 'no-people', when: { relations: ['people'] }, then: 'deny' }] };

let guarded: Guarded;

beforeAll(async () => {
  guarded = await openGuarded({
    setup: `create table people (id int, ssn text); create table other (x text);
      insert into people select i, '${SSN}' from generate_series(1, 9) i`,
    policy: MASKED,
  });
});
afterAll(() => guarded?.close());

async function under(policy: object): Promise<WireClient> {
  await guarded.reload(policy as Record<string, unknown>);
  return guarded.connect();
}

/** Values and lines of COPY as text, the SQLSTATE of an error with the name in its text. */
function said(frames: readonly Frame[]): string[] {
  return frames.flatMap(({ type, body }) => {
    if (type === 'd') return [body.toString().trim()];
    if (type === 'D') return [body.subarray(body.lastIndexOf(0) + 2).toString()];
    return type === 'E' ? [`${fields(body).C} ${/"([^"]+)"/.exec(fields(body).M ?? '')?.[1]}`] : [];
  });
}

async function ask(client: WireClient, ...messages: Buffer[]): Promise<string[]> {
  client.send(...messages);
  return said(await client.until('Z'));
}

it.each([
  ['rows', 'select pg_sleep(1), ssn from people limit 1', '***'],
  ['a COPY', 'copy (select ssn from people, pg_sleep(1) limit 1) to stdout', '\\N'],
])('%s that come after the mask became a rule are masked as they were decided', async (_, text, masked) => {
  const client = await under(MASKED);
  client.send(query(text));
  await sleep(300);
  await guarded.reload(DENIED);
  expect(said(await client.until('Z'))).toEqual([masked]);
  expect(await ask(client, query('select ssn from people limit 1'))).toEqual(['42501 no-people']);
  client.close();
});

it('rows that come after a mask was added are masked', async () => {
  const client = await under(OPEN);
  client.send(query('select pg_sleep(1), ssn from people limit 1'));
  await sleep(300);
  await guarded.reload(MASKED);
  expect(said(await client.until('Z'))).toEqual(['***']);
  client.close();
});

it.each([
  ['a mask', MASKED, ['***', '***']],
  ['a rule', DENIED, ['42501 no-people']],
])('the rest of a portal, and a cursor, are judged by %s of now', async (_, policy, rest) => {
  for (const kind of ['portal', 'cursor']) {
    const client = await under(OPEN);
    await ask(client, query('begin'));
    const first =
      kind === 'cursor'
        ? [query('declare p cursor for select ssn from people; fetch 1 from p')]
        : [parse('', 'select ssn from people'), bind('p', ''), describePortal('p'), execute('p', 1), message('H')];
    client.send(...first);
    expect(said(await client.until(kind === 'cursor' ? 'Z' : 's'))).toEqual([SSN]);
    await guarded.reload(policy);
    const more = kind === 'cursor' ? [query('fetch 2 from p')] : [execute('p', 2), sync()];
    expect([kind, await ask(client, ...more)]).toEqual([kind, rest]);
    client.close();
  }
});

it('the rest of a portal of a session without masks is refused where there are some now', async () => {
  const client = await under({});
  await ask(client, query('begin'));
  client.send(parse('', 'select ssn from people'), bind('p', ''), execute('p', 1), message('H'));
  expect(said(await client.until('s'))).toEqual([SSN]);
  await guarded.reload(MASKED);
  expect((await ask(client, execute('p', 2), sync()))[0]).toMatch(/^42501/);
  client.close();
});

it('what does not change goes on: a portal under a document that says the same, but as another operation', async () => {
  const client = await under(OPEN);
  await ask(client, query('begin'));
  client.send(parse('', 'select ssn from people'), bind('p', ''), describePortal('p'), execute('p', 1), message('H'));
  await client.until('s');
  await guarded.reload({ masks: [OTHER, { name: 'more', columns: ['other.y'] }] });
  expect(await ask(client, execute('p', 1), execute('p', 0), sync())).toEqual(Array.from({ length: 8 }, () => SSN));
  expect(await ask(client, query('commit'))).toEqual([]);
  client.close();
});
