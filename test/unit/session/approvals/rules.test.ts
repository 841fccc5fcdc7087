import { describe, expect, it } from 'vitest';
import {
  type Binding,
  bindingDigest,
  decideReview,
  endReview,
  missing,
  reviewerObjection,
  takeReview,
} from '../../../../src/session/approvals/rules.ts';
import type { Review } from '../../../../src/session/approvals/types.ts';
import type { Principal } from '../../../../src/session/identity/principal.ts';
import { alice, aliceAgent, bob, carol, person } from '../world.ts';

const binding: Binding = {
  principal: alice,
  connection: 'prod-db',
  session: 's-1',
  policy: 'v1',
  text: 'delete from t where id = $1',
  params: ['1', null],
  exact: 'int4',
};
const NOW = 1000;

function review(changes: Partial<Review> = {}): Review {
  return {
    id: 'r-1',
    kind: 'operation',
    state: 'pending',
    principal: alice,
    connection: 'prod-db',
    session: 's-1',
    text: binding.text,
    digest: bindingDigest(binding),
    policy: 'v1',
    reviewers: { groups: ['dba'], count: 1 },
    createdAt: 0,
    expiresAt: 2000,
    decisions: [],
    ...changes,
  };
}

/** The review after somebody's word. */
function said(before: Review, reviewer: Principal, verdict: 'approve' | 'deny', now = NOW): Review {
  const { decision, ...change } = decideReview(before, { verdict, reviewer, now });
  return {
    ...before,
    ...change,
    decisions: decision === undefined ? before.decisions : [...before.decisions, decision],
  };
}

describe('what an approval is for', () => {
  const other: [string, Partial<Binding>][] = [
    ['one byte of the text', { text: `${binding.text} ` }],
    ['a parameter', { params: ['2', null] }],
    ['NULL for a text', { params: ['1', 'null'] }],
    ['a parameter more', { params: ['1', null, ''] }],
    ['no parameters', { params: undefined }],
    ['the forms of parameters', { forms: ['binary', null] }],
    ['the bytes that the text stands for', { bytes: 'Y2F0IP8=' }],
    ['what else decides what runs', { exact: 'float4' }],
    ['the principal', { principal: bob }],
    ['the issuer of the principal', { principal: { ...alice, issuer: 'local' } }],
    ['the agent', { principal: aliceAgent }],
    ['the connection', { connection: 'test-db' }],
    ['the session', { session: 's-2' }],
    ['the version of the policy', { policy: 'v2' }],
  ];
  it.each(other)('is lost by a change of %s', (_what, change) => {
    const approved = review({ state: 'approved' });
    expect(() => takeReview(approved, { ...binding, ...change }, NOW)).toThrow(
      expect.objectContaining({ code: 'review_cancelled' }),
    );
  });

  it('does not depend on groups or claims, which tokens may renew', () => {
    const renewed = { ...alice, groups: ['eng', 'more'], claims: { a: 'b' } };
    expect(takeReview(review({ state: 'approved' }), { ...binding, principal: renewed }, NOW)).toEqual({
      state: 'used',
    });
  });

  it('keeps text and parameters apart, whatever they contain', () => {
    const digests = [
      bindingDigest({ ...binding, text: 'a', params: ['b'] }),
      bindingDigest({ ...binding, text: 'a","b', params: [] }),
      bindingDigest({ ...binding, text: 'a', params: ['b', ''] }),
      bindingDigest({ ...binding, text: 'ab', params: undefined }),
      bindingDigest({ ...binding, text: '\ud800', params: undefined }),
      bindingDigest({ ...binding, text: '\ufffd', params: undefined }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it.each([
    ['pending', 'conflict'],
    ['used', 'conflict'],
    ['denied', 'review_denied'],
    ['expired', 'review_expired'],
    ['cancelled', 'conflict'],
  ] as const)('cannot be used when it is %s', (state, code) => {
    expect(() => takeReview(review({ state }), binding, NOW)).toThrow(expect.objectContaining({ code }));
  });

  it('cannot be used from the moment on at which it expires', () => {
    expect(takeReview(review({ state: 'approved' }), binding, 1999)).toEqual({ state: 'used' });
    expect(() => takeReview(review({ state: 'approved' }), binding, 2000)).toThrow(
      expect.objectContaining({ code: 'review_expired' }),
    );
  });
});

describe('who decides', () => {
  const cases: [string, Principal, RegExp | undefined][] = [
    ['a reviewer', bob, undefined],
    ['somebody of no such group', person('eve', 'eng'), /only members of dba/],
    ['the requester', { ...alice, groups: ['dba'] }, /own request/],
    ['the requester by another issuer', { ...alice, issuer: 'local', subject: 'a', groups: ['dba'] }, /own request/],
    ['the requester in other letters', { ...bob, email: 'ALICE@example.com' }, /own request/],
    ['an agent of a reviewer', { ...bob, kind: 'agent', actor: 'claude' }, /agent/],
    ['a workload of the group', { ...bob, kind: 'workload', subject: 'bot', email: undefined }, undefined],
  ];
  it.each(cases)('%s', (_who, reviewer, objection) => {
    const found = reviewerObjection(review(), reviewer);
    if (objection === undefined) expect(found).toBeUndefined();
    else {
      expect(found).toMatch(objection);
      for (const verdict of ['approve', 'deny'] as const) {
        expect(() => said(review(), reviewer, verdict)).toThrow(expect.objectContaining({ code: 'forbidden' }));
      }
    }
  });

  it('never the person behind the agent that asks', () => {
    expect(reviewerObjection(review({ principal: aliceAgent }), { ...alice, groups: ['dba'] })).toMatch(/own request/);
  });

  it('nobody, where no group is named', () => {
    expect(reviewerObjection(review({ reviewers: { groups: [], count: 1 } }), bob)).toMatch(/no group/);
  });
});

describe('counting', () => {
  const two = review({ reviewers: { groups: ['dba'], count: 2 } });

  it('needs as many distinct people as the rule says', () => {
    const one = said(two, bob, 'approve');
    expect(one.state).toBe('pending');
    expect(missing(one)).toBe(1);
    expect(() => said(one, bob, 'approve')).toThrow(expect.objectContaining({ code: 'conflict' }));
    const sameMail = { ...carol, email: bob.email!.toUpperCase() };
    expect(() => said(one, sameMail, 'approve')).toThrow(expect.objectContaining({ code: 'conflict' }));
    expect(said(one, carol, 'approve').state).toBe('approved');
  });

  it('counts a person in two groups once', () => {
    const groups = review({ reviewers: { groups: ['dba', 'admins'], count: 2 } });
    expect(said(groups, carol, 'approve').state).toBe('pending');
  });

  it('is enough when there are more than needed, and at least one is always needed', () => {
    const decisions = [bob, carol].map((one) => ({
      verdict: 'approve' as const,
      person: `corp|${one.subject}`,
      by: one.subject,
      at: 0,
    }));
    expect(said(review({ decisions }), person('dave', 'dba'), 'approve').state).toBe('approved');
    expect(missing(review({ reviewers: { groups: ['dba'], count: 0 } }))).toBe(1);
  });

  it('lets deny win: before, between, and after an approval that was not used', () => {
    expect(said(two, bob, 'deny')).toMatchObject({ state: 'denied', outcome: 'denied by bob@example.com' });
    expect(said(said(two, bob, 'approve'), carol, 'deny').state).toBe('denied');
    expect(said(said(two, bob, 'approve'), bob, 'deny').state).toBe('denied');
    expect(said(said(review(), bob, 'approve'), carol, 'deny').state).toBe('denied');
  });

  it.each(['denied', 'expired', 'cancelled', 'used'] as const)('never changes what is %s', (state) => {
    for (const verdict of ['approve', 'deny'] as const) {
      expect(() => said(review({ state }), bob, verdict)).toThrow(expect.objectContaining({ code: 'conflict' }));
    }
    expect(endReview(review({ state }), 'cancelled', 'x', NOW)).toBeUndefined();
  });

  it('approves only once, and not after the expiry', () => {
    expect(() => said(said(review(), bob, 'approve'), carol, 'approve')).toThrow(/it is approved/);
    expect(() => said(review(), bob, 'approve', 2000)).toThrow(/it is expired/);
  });
});
