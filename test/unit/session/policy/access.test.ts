import { expect, test } from 'vitest';
import type { Principal } from '../../../../src/session/identity/principal.ts';
import type { Who } from '../../../../src/session/policy/schema.ts';
import { compileWho } from '../../../../src/session/policy/who.ts';
import { agent, alice, job, policyOf, prod, stage } from './fixture.ts';

test.each<[string, Who | undefined, Principal, boolean]>([
  ['everybody', undefined, alice, true],
  ['a group', { groups: ['dba'] }, alice, true],
  ['no group of theirs', { groups: ['ops'] }, alice, false],
  ['a group by wildcard', { groups: ['eng*'] }, alice, true],
  ['a group in other case', { groups: ['DBA'] }, alice, false],
  ['an e-mail address, case ignored', { emails: ['*@example.COM'] }, alice, true],
  ['an e-mail address of one who has none', { emails: ['*'] }, job, false],
  ['a kind', { kinds: ['agent', 'workload'] }, agent, true],
  ['an actor', { actors: ['cl*'] }, agent, true],
  ['an actor where none acts', { actors: ['*'] }, alice, false],
  ['a claim', { claims: { repository: 'acme/*', ref: ['x', 'refs/heads/main'] } }, job, true],
  ['a claim that differs', { claims: { repository: 'acme/*', ref: 'x' } }, job, false],
  ['a claim that is not there', { claims: { toString: '*' } }, job, false],
  ['every condition at once', { groups: ['dba'], issuers: ['ci'] }, alice, false],
  ['a subject and an issuer', { subjects: ['u-1'], issuers: ['corp'] }, alice, true],
])('who: %s', (_, who, principal, expected) => {
  expect(compileWho(who)(principal)).toBe(expected);
});

test('there is no access without a line that gives it', () => {
  const policy = policyOf({ access: [{ who: { groups: ['dba'] }, to: { labels: { env: 'prod' } } }] });
  expect([
    policy.access(alice, prod),
    policy.access(alice, stage),
    policy.access(job, prod),
    policy.access(alice, { name: 'other-db', labels: { env: 'prod' } }),
  ]).toEqual([{ access: 'open' }, { access: 'none' }, { access: 'none' }, { access: 'none' }]);
});

test('lines add up: open before a grant, the grant that asks for least before others, in any order', () => {
  const grant = (max: string, count: number, ...groups: string[]) => ({
    who: { groups: ['agents'] },
    to: { names: ['prod-db'] },
    grant: { max, reviewers: { groups, count } },
  });
  const lines = [grant('8h', 2, 'dba'), grant('1h', 1, 'dba'), grant('2h', 1, 'ops'), grant('2h', 1, 'lead')];
  for (const access of [lines, [...lines].reverse()]) {
    expect(policyOf({ access }).access(agent, prod)).toEqual({
      access: 'grant',
      maxMs: 7_200_000,
      reviewers: { groups: ['lead'], count: 1 },
    });
  }
  const open = { who: { kinds: ['agent'] }, to: { labels: { team: ['a', 'b'] } } };
  expect(policyOf({ access: [...lines, open] }).access(agent, prod)).toEqual({ access: 'open' });
});

test('a line may let the glass be broken: beside a grant, alone, never beside open access', () => {
  const glass = (max: string) => ({
    who: { groups: ['agents'], kinds: ['agent'] },
    to: { names: ['prod-db'] },
    breakGlass: { max },
  });
  const grant = {
    who: { groups: ['agents'] },
    to: { names: ['prod-db'] },
    grant: { max: '2h', reviewers: { groups: ['dba'], count: 2, reason: 'required' }, reason: 'required' },
  };
  expect(policyOf({ access: [glass('30m'), glass('1h')] }).access(agent, prod)).toEqual({
    access: 'grant',
    maxMs: 0,
    reviewers: { groups: [], count: 1 },
    breakGlass: { maxMs: 3_600_000 },
  });
  for (const access of [
    [glass('1h'), grant],
    [grant, glass('1h')],
  ]) {
    expect(policyOf({ access }).access(agent, prod)).toEqual({
      access: 'grant',
      maxMs: 7_200_000,
      reviewers: { groups: ['dba'], count: 2, reason: 'required' },
      reason: 'required',
      breakGlass: { maxMs: 3_600_000 },
    });
  }
  const open = { who: { kinds: ['agent'] }, to: { names: ['prod-db'] } };
  expect(policyOf({ access: [glass('1h'), open] }).access(agent, prod)).toEqual({ access: 'open' });
  expect(policyOf({ access: [glass('1h')] }).access(job, prod)).toEqual({ access: 'none' });
  expect(() => policyOf({ access: [{ ...grant, ...glass('1h') }] })).toThrow('each in a line of its own');
});

test('an agent may break the glass only where agents are meant: that its person may says nothing', () => {
  const asked = (who: object, principal: Principal) =>
    policyOf({ access: [{ who, to: { names: ['prod-db'] }, breakGlass: { max: '1h' } }] }).access(principal, prod)
      .access;
  const acting = { ...alice, kind: 'agent' as const, actor: 'claude' };
  expect(asked({ groups: ['dba'] }, alice)).toBe('grant');
  expect(asked({ groups: ['dba'] }, acting)).toBe('none');
  expect(asked({ groups: ['dba'], actors: ['claude'] }, acting)).toBe('grant');
  expect(asked({ groups: ['dba'], kinds: ['person', 'agent'] }, acting)).toBe('grant');
});
