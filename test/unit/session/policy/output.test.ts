// Rules on output in the document: where they can be, and what they leave as it is.

import { describe, expect, it } from 'vitest';
import type { Principal } from '../../../../src/session/identity/principal.ts';
import { compilePolicy, type PolicyConnection } from '../../../../src/session/policy/compile.ts';
import { policySchema } from '../../../../src/session/policy/schema.ts';

const able = { mask: true, hold: true, notify: true, refuse: true, inspect: true };
const vocabulary = {
  does: { exec: '', shell: '' },
  objects: [],
  opaque: ['shell'],
  dangerous: { functions: [], does: [], objects: [] },
};
const HOST: PolicyConnection = {
  ...{ name: 'host', labels: {}, vocabulary },
  capabilities: { ...able, columns: false, output: true },
};
const DATABASE: PolicyConnection = { name: 'db', labels: {}, vocabulary, capabilities: able };
const ALICE: Principal = { kind: 'person', subject: 'alice', issuer: 'x', groups: [], claims: {} };
const part = (does: string, opaque?: string) => ({
  ...{ does: [does], relations: [], functions: [], unbounded: false },
  ...(opaque === undefined ? {} : { opaque }),
});

function problems(sections: Record<string, unknown>, connections = [HOST]): readonly string[] {
  const result = compilePolicy(policySchema.parse(sections), { connections, version: 'v' });
  return (result.problems ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

function session(sections: Record<string, unknown>) {
  const { policy } = compilePolicy(policySchema.parse(sections), { connections: [HOST], version: 'v' });
  return policy!.session(ALICE, HOST, {});
}

describe('rules on output', () => {
  it.each([
    [{ then: 'deny' }, [HOST, DATABASE], /cannot apply to "db": a rule on output/],
    [{ then: 'allow' }, [HOST], /has no effect with then: allow/],
    [{ then: 'deny', when: { output: 'x', budget: { statements: 1, per: 'day' } } }, [HOST], /together with budget/],
  ])('that could do nothing are errors: %j', (rule, connections, message) => {
    const found = problems({ rules: [{ name: 'r', when: { output: 'x' }, ...rule }] }, connections);
    expect(found.join('\n')).toMatch(message);
  });

  it('leave operations alone, and look at the output of those that they are about', () => {
    const rules = [{ name: 'r', when: { does: ['exec'], text: '^cat', output: 'x' }, then: 'deny' }];
    const policy = session({ rules: [...rules, { name: 's', when: { does: ['shell'] }, then: 'allow' }] });
    const cat = [part('exec')];
    expect(policy.decide(cat, 'cat y', 0).verdict).toBe('allow');
    expect(policy.output(cat, 'cat y').watches.map(({ name }) => name)).toEqual(['r']);
    expect(policy.output(cat, 'cat y')).toBe(policy.output(cat, 'cat y'));
    expect(policy.output(cat, 'ls').watches).toEqual([]);
    expect(policy.output([part('shell')], 'cat').watches).toEqual([]);
    expect(policy.outputVerdict(['r'], 'cat y', 0)).toMatchObject({ verdict: 'deny', rule: 'r' });
  });

  it('count by the hour in which a line comes', () => {
    const time = { zone: 'UTC', from: '09:00', to: '10:00' };
    const policy = session({ rules: [{ name: 'r', when: { output: 'x', time }, then: 'deny' }] });
    expect(policy.output([part('exec')], '').watches.length).toBe(1);
    expect(policy.outputVerdict(['r'], '', Date.UTC(2026, 0, 1, 9, 30)).verdict).toBe('deny');
    expect(policy.outputVerdict(['r'], '', Date.UTC(2026, 0, 1, 11)).verdict).toBe('allow');
  });

  it('alone, and masks, do not make a shell opaque: whatever it does, they see what it shows', () => {
    const shell = [part('shell', 'typed')];
    const masks = [{ name: 'm', detect: ['email'] }];
    expect(
      session({ rules: [{ name: 'r', when: { output: 'x' }, then: 'deny' }], masks }).decide(shell, '', 0).verdict,
    ).toBe('allow');
    const named = [{ name: 'r', when: { does: ['exec'], output: 'x' }, then: 'deny' }];
    expect(session({ rules: named }).decide(shell, '', 0)).toMatchObject({ verdict: 'deny', rule: 'opaque' });
  });
});

describe('masks where what comes back has no columns', () => {
  it('cannot name any', () => {
    expect(problems({ masks: [{ name: 'm', columns: ['t.c'], detect: ['email'] }] }).join()).toMatch(
      /masks.0.columns: cannot apply to "host": what comes back there has no columns/,
    );
    expect(problems({ masks: [{ name: 'm', detect: ['email'] }] })).toEqual([]);
  });
});
