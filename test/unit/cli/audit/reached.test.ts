// Which connections a reconciliation takes in beside the one that was asked for, and which it cannot tell about.

import { expect, it } from 'vitest';
import { Gaps } from '../../../../src/cli/audit/gaps.ts';
import { protocolOf, sharing, type Way } from '../../../../src/cli/audit/reached.ts';

const way = (name: string, user: string, place = '10.0.0.5 5432'): Way => ({ name, user, place });
const ask = (ways: readonly Way[], more: { account?: string[]; with?: string[] } = {}) =>
  sharing(ways, { connection: 'app', account: [], with: [], ...more });

it('those with the same target and account, in whichever version of the configuration', () => {
  const ways = [
    ...[way('app', 'gw'), way('same', 'gw'), way('account', 'boss'), way('port', 'gw', '10.0.0.5 5433')],
    // Later the one that was asked for, and another one, moved.
    ...[way('app', 'gw', '10.0.0.6 5432'), way('moved', 'gw', '10.0.0.6 5432'), way('same', 'gw', '10.0.0.7 5432')],
  ];
  expect(ask(ways)).toEqual({ connections: ['app', 'same', 'moved'], accounts: ['gw'], unclear: [] });
});

it('one account by the same reference; which account another reference means is not told', () => {
  const ways = [way('app', 'env:GW'), way('same', 'env:GW'), way('other', 'env:OTHER'), way('named', 'gw')];
  expect(ask(ways)).toEqual({ connections: ['app', 'same'], accounts: ['env:GW'], unclear: ['other', 'named'] });
  // With the account's name, one with another name is another's.
  expect(ask([...ways, way('boss', 'boss')], { account: ['gw'] })).toEqual({
    ...{ connections: ['app', 'same', 'named'], accounts: ['gw'], unclear: ['other'] },
  });
  expect(ask([way('app', 'gw'), way('other', 'env:OTHER')])).toMatchObject({ unclear: ['other'] });
});

it('what is named is taken in, with its account; one that no configuration has is an error', () => {
  const ways = [way('app', 'gw'), way('alias', 'gw2', 'db.example.com 5432'), way('other', 'env:OTHER')];
  expect(ask(ways, { with: ['alias', 'other'] })).toEqual({
    ...{ connections: ['app', 'alias', 'other'], accounts: ['gw', 'gw2', 'env:OTHER'], unclear: [] },
  });
  expect(() => ask(ways, { with: ['none'] })).toThrow(/no configuration on record has the connection 'none'/);
});

it('what the record lacks is told by connection and reason; encrypted statements of the connection itself are an error', () => {
  const gone = new Map([
    ['s-1', { gateway: 'gw-a', connection: 'app', why: 'purged' as const }],
    ['s-2', { gateway: 'gw-a', connection: 'app', why: 'key erased' as const }],
  ]);
  const sources = [{ gateway: 'gw-a', data: undefined }];
  const gaps = new Gaps({ gone, unclear: ['other'], unasked: [], sources, connections: ['app'] });
  const unread = gaps.unread('app', { identity: undefined }, sources[0]!);
  unread({ id: 's-2', connection: 'app' });
  unread({ id: 's-3', connection: 'same' });
  unread({ id: 's-4', connection: 'same' });
  unread({ id: 's-4', connection: 'same' });
  expect(() => unread({ id: 's-5', connection: 'app' })).toThrow(/what session s-5 sent is encrypted/);
  gaps.unread('app', { identity: 'auditor.key' }, sources[0]!)({ id: 's-5', connection: 'app' });
  expect(gaps.list).toEqual([
    { connection: 'other', why: 'unclear', sessions: [] },
    { gateway: 'gw-a', connection: 'app', why: 'purged', sessions: ['s-1'] },
    { gateway: 'gw-a', connection: 'app', why: 'key erased', sessions: ['s-2'] },
    { gateway: 'gw-a', connection: 'same', why: 'encrypted', sessions: ['s-3', 's-4'] },
    { gateway: 'gw-a', connection: 'app', why: 'encrypted', sessions: ['s-5'] },
  ]);
  expect(gaps.words()).toContain("because of 'app': 1 recording was purged\n");
  expect(gaps.words()).toContain("because of 'same': 2 recordings are encrypted");
});

it('of several gateways what each lacks is told apart, and those that are left out are named', () => {
  const gone = new Map([
    ['s-1', { gateway: 'gw-a', connection: 'app', why: 'purged' as const }],
    ['s-2', { gateway: 'gw-b', connection: 'app', why: 'purged' as const }],
    ['s-3', { gateway: 'gw-c', connection: 'app', why: 'elsewhere' as const }],
    ['s-4', { gateway: 'gw-b', connection: 'app', why: 'missing' as const }],
  ]);
  const sources = [
    { gateway: 'gw-a', data: 'a' },
    { gateway: 'gw-b', data: 'b' },
  ];
  const whole = { unclear: [], unasked: [], sources, connections: ['app'] };
  const gaps = new Gaps({ ...whole, gone });
  expect(gaps.words().split('\n')).toEqual([
    "incomplete because of 'app' at gw-a: 1 recording was purged",
    "incomplete because of 'app' at gw-b: 1 recording was purged",
    "incomplete because of 'app': 1 recording is of gw-c, whose record is not taken in (--data DIR, once for each gateway)",
    "incomplete because of 'app': 1 recording is not, or not to the end, in the record of gw-b: is it an older copy?",
    '',
  ]);
  expect(gaps.partial).toBe(true);
  expect(new Gaps({ ...whole, gone: new Map([...gone].slice(0, 2)) }).partial).toBe(false);
  const unasked = new Gaps({ ...whole, gone: new Map(), unasked: ['gw-a'] });
  expect([unasked.partial, unasked.list]).toEqual([
    true,
    [{ gateway: 'gw-a', connection: 'app', why: 'store not asked', sessions: [] }],
  ]);
});

it('gateways have to agree on the protocol; one that does not have the connection is no matter', async () => {
  const told = (gateway: string, ...protocols: string[]) => ({
    gateway,
    documents: protocols.map((protocol) => JSON.stringify({ connections: { app: { protocol } } })),
  });
  const none = { gateway: 'gw-c', documents: ['connections: {}'] };
  // The last one counts, at each.
  expect((await protocolOf('app', [told('gw-a', 'ssh', 'postgres'), told('gw-b', 'postgres'), none], [])).name).toBe(
    'postgres',
  );
  await expect(protocolOf('app', [told('gw-a', 'ssh'), told('gw-b', 'postgres')], [])).rejects.toThrow(
    "'app' has two protocols, 'ssh' (gw-a) and 'postgres' (gw-b)",
  );
  await expect(protocolOf('app', [none], [])).rejects.toMatchObject({ code: 'no_such_connection' });
});
