import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Decision, Hold, Refusal, Verdict } from '../../../src/protocol/contract.ts';
import type { SessionEvent } from '../../../src/session/events.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { verify } from '../../../src/session/recorder/verify.ts';
import type { GatewaySession } from '../../../src/session/session.ts';
import { turn } from './recorder/fixtures.ts';
import { alice, aliceAgent, bob, FakePolicy, query, World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const bye = { code: 'client_closed', message: 'bye' } as const;
const ended = async (session: GatewaySession) => {
  session.end(bye);
  await session.closed;
  return world.lines(session.id);
};
const refusalOf = (decision: Decision | Verdict): Refusal => {
  if (decision.verdict !== 'deny') throw new Error(`not refused: ${decision.verdict}`);
  return decision.refusal;
};
const hold = (session: GatewaySession, text = 'review me') => session.decide(query(text)).decision as Hold;
const kinds = (lines: Record<string, unknown>[]) => lines.map((line) => line.kind);

describe('a decision', () => {
  it('allows at once, numbers operations from 1, and is on record before it is called back', async () => {
    const session = world.session();
    const first = session.decide(query('select 1', ['x']));
    const second = session.decide(query('select 2'));
    expect([first.id, second.id]).toEqual([1, 2]);
    expect(first.decision).toEqual({ verdict: 'allow' });
    const seen = await new Promise<Record<string, unknown>[]>((resolve) => {
      session.recorded(() => resolve(world.lines(session.id)));
    });
    expect(seen).toMatchObject([
      { kind: 'open', principal: { subject: 'alice' }, policy: 'v1', gateway: 'test' },
      { kind: 'intent', op: 1, text: 'select 1', params: ['x'], verdict: 'allow' },
      { kind: 'intent', op: 2, text: 'select 2', verdict: 'allow' },
    ]);
  });

  it('refuses with the rule, what to do next and the session, and records it', async () => {
    const session = world.session();
    const refusal = refusalOf(session.decide(query('deny this')).decision);
    expect(refusal).toEqual({
      code: 'denied',
      message: 'select is denied by rule "no"',
      rule: 'no',
      next: 'use a migration',
      session: session.id,
    });
    const lines = await ended(session);
    expect(lines[1]).toMatchObject({ kind: 'intent', verdict: 'deny', rule: 'no', code: 'denied' });
    expect(lines.at(-2)).toMatchObject({ kind: 'end', code: 'client_closed', operations: 1, denied: 1 });
  });

  it.each(['throw me', 'odd one'])(
    'refuses when policy says no clear word (%s), and tells nothing of why',
    async (text) => {
      const session = world.session();
      const refusal = refusalOf(session.decide(query(text)).decision);
      expect(refusal.code).toBe(text === 'throw me' ? 'internal' : 'denied');
      expect(JSON.stringify(refusal)).not.toContain('secret');
      const lines = await ended(session);
      expect(lines[1]).toMatchObject({ kind: 'intent', text, verdict: 'deny' });
      expect(JSON.stringify(lines)).not.toContain('secret');
    },
  );

  it('refuses when a review cannot be opened', async () => {
    const session = world.session();
    world.auditFails = true;
    expect(refusalOf(session.decide(query('review me')).decision).code).toBe('internal');
    world.auditFails = false;
    expect((await ended(session))[1]).toMatchObject({ kind: 'intent', verdict: 'deny', code: 'internal' });
  });

  it('foresees a deny, lets pass what will be held, and leaves no trace', async () => {
    const session = world.session();
    const foresee = (text: string) => session.foresee([], text);
    expect(foresee('select')).toEqual({ verdict: 'allow' });
    expect(foresee('review me')).toEqual({ verdict: 'allow' });
    expect(refusalOf(foresee('deny'))).toMatchObject({ code: 'denied', rule: 'no' });
    expect(refusalOf(foresee('throw')).code).toBe('internal');
    expect(refusalOf(foresee('odd')).code).toBe('denied');
    expect(kinds(await ended(session))).toEqual(['open', 'end', 'seal']);
  });

  it('refuses a principal that was revoked meanwhile', () => {
    const session = world.session();
    world.revoked.add('corp|alice');
    expect(refusalOf(session.decide(query('select 1')).decision)).toMatchObject({
      code: 'access_denied',
      message: 'your access was revoked',
    });
  });

  it('refuses everything once the grant has ended', () => {
    const session = world.session({ grant: { id: 'g-1', endsAt: world.clock.now() + 60_000 } });
    expect(session.decide(query('select 1')).decision.verdict).toBe('allow');
    world.skew = 61_000;
    expect(refusalOf(session.decide(query('select 2')).decision).message).toBe('the grant has ended');
  });
});

describe('a reload of the policy', () => {
  it('counts from the next operation on, and is on record', async () => {
    const session = world.session();
    expect(session.ruled).toBe(true);
    world.policy = new FakePolicy('v2');
    world.policy.ruled = false;
    expect(session.ruled).toBe(false);
    session.decide(query('select 1'));
    const lines = await ended(session);
    expect(lines.find((line) => line.kind === 'policy')).toMatchObject({ version: 'v2' });
  });

  it('that takes access away refuses, and one that gives it back allows', () => {
    const session = world.session();
    world.policy = new FakePolicy('v2');
    world.policy.reach = { access: 'none' };
    expect(refusalOf(session.decide(query('select 1')).decision)).toMatchObject({ code: 'access_denied' });
    world.policy = new FakePolicy('v3');
    expect(session.decide(query('select 2')).decision.verdict).toBe('allow');
    world.policy = new FakePolicy('v4');
    world.policy.reach = { access: 'grant', maxMs: 1000, reviewers: { groups: ['dba'], count: 1 } };
    expect(refusalOf(session.decide(query('select 3')).decision).code).toBe('access_denied');
  });

  it('that throws refuses everything and masks everything', () => {
    const session = world.session();
    world.policy = new FakePolicy('v2');
    world.policy.session = () => {
      throw new Error('broken');
    };
    expect(session.ruled).toBe(true);
    expect(session.masking).toEqual({ columns: true, values: true });
    expect(refusalOf(session.decide(query('select 1')).decision).code).toBe('internal');
    expect(refusalOf(session.foresee([], 'x')).code).toBe('internal');
  });
});

describe('a held operation', () => {
  it('says how it is approved, runs when it is, and both are on record', async () => {
    const session = world.session({ reason: 'ticket 7' });
    const held = hold(session);
    expect(held).toMatchObject({ verdict: 'hold', rule: 'look' });
    expect(held.notice.join('\n')).toContain(`hoopctl reviews approve ${held.review}`);
    expect(held.notice[0]).toContain('rule "look"');
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob });
    expect(await held.settled).toEqual({ verdict: 'allow', rule: 'look', review: held.review });
    expect((await world.approvals.get(held.review)).reason).toBe('ticket 7');
    session.result(1, { part: 0, status: 'ok' });
    const lines = await ended(session);
    expect(kinds(lines)).toEqual(['open', 'intent', 'review', 'result', 'end', 'seal']);
    expect(lines[1]).toMatchObject({ verdict: 'review', review: held.review });
    expect(lines[2]).toMatchObject({ op: 1, review: held.review, state: 'used', by: ['bob@example.com'] });
  });

  it('is refused when it is denied, with the reason', async () => {
    const session = world.session();
    const held = hold(session);
    await world.approvals.decide(held.review, { verdict: 'deny', reviewer: bob, reason: 'not now' });
    expect(refusalOf(await held.settled)).toMatchObject({
      code: 'review_denied',
      rule: 'look',
      message: expect.stringContaining('denied by bob@example.com: not now'),
    });
    expect((await ended(session)).at(-2)).toMatchObject({ denied: 1 });
  });

  it('expires, or is cancelled by the client', async () => {
    const session = world.session();
    world.policy.waitMs = 20;
    expect(refusalOf(await hold(session).settled).code).toBe('review_expired');
    world.policy.waitMs = 60_000;
    const held = hold(session);
    held.cancel('Ctrl-C');
    expect(refusalOf(await held.settled)).toMatchObject({
      code: 'review_cancelled',
      message: expect.stringContaining('Ctrl-C'),
    });
  });

  it.each(['end', 'kill'] as const)('is cancelled when the session ends (%s), and that is on record', async (how) => {
    const session = world.session();
    const held = hold(session);
    if (how === 'kill') session.kill({ code: 'session_killed', message: 'by carol' });
    expect(await Promise.race([held.settled, turn().then(() => 'waiting')])).toEqual(
      how === 'kill' ? expect.objectContaining({ verdict: 'deny' }) : 'waiting',
    );
    const lines = await ended(session);
    expect(refusalOf(await held.settled).code).toBe('review_cancelled');
    expect(lines.find((line) => line.kind === 'review')).toMatchObject({ state: 'cancelled' });
    await expect.poll(async () => (await world.approvals.get(held.review)).state).toBe('cancelled');
  });

  it('does not run when the principal was revoked before the approval', async () => {
    const session = world.session();
    const held = hold(session);
    world.revoked.add('corp|alice');
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob });
    expect(refusalOf(await held.settled).code).toBe('access_denied');
    expect((await ended(session)).find((line) => line.kind === 'review')).toMatchObject({ state: 'cancelled' });
  });

  it('does not run when the policy was reloaded before the approval', async () => {
    const session = world.session();
    const held = hold(session);
    world.policy = new FakePolicy('v2');
    await world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob });
    expect(refusalOf(await held.settled)).toMatchObject({ code: 'review_cancelled' });
  });

  it('is never approved by the person behind the agent that asks', async () => {
    const session = world.session({ principal: aliceAgent });
    const held = hold(session);
    const reviewer = { ...alice, groups: ['dba'] };
    await expect(world.approvals.decide(held.review, { verdict: 'approve', reviewer })).rejects.toMatchObject({
      code: 'forbidden',
    });
    held.cancel('enough');
    await held.settled;
  });
});

describe('masking', () => {
  const columns = ['id', 'ssn'].map((name) => ({ name, origins: [], textual: true }));

  it('asks policy, and records which columns are masked', async () => {
    const session = world.session();
    const { id } = session.decide(query('select'));
    const masks = session.masks(id, 0, columns);
    expect(masks.map((mask) => mask?.text('123'))).toEqual([undefined, '***']);
    expect((await ended(session)).find((line) => line.kind === 'masks')).toMatchObject({
      columns: [{ index: 1, column: 'ssn', mask: 'pii' }],
    });
  });

  it('masks every column to NULL when policy throws', () => {
    const session = world.session();
    world.policy.masksFail = true;
    expect(session.masks(1, 0, columns).map((mask) => mask?.text('123'))).toEqual([null, null]);
  });
});

describe('when the record cannot be written', () => {
  it.each(['ENOSPC', 'EIO', 'EROFS'])('ends with nothing called back (%s), and says so', async (code) => {
    const session = world.session();
    const forwarded: string[] = [];
    await new Promise<void>((resolve) => session.recorded(resolve));
    world.files.failing = { call: 'write', code };
    session.decide(query('select 1'));
    session.recorded(() => forwarded.push('select 1'));
    await expect.poll(() => session.signal.aborted).toBe(true);
    expect(session.signal.reason).toMatchObject({ code: 'recording_failed' });
    expect(refusalOf(session.decide(query('select 2')).decision).code).toBe('recording_failed');
    session.recorded(() => forwarded.push('select 2'));
    world.files.failing = undefined;
    await ended(session);
    expect(forwarded).toEqual([]);
    expect(world.entries.filter((entry) => entry.kind === 'failure')).toMatchObject([
      { fields: { what: 'recording failed', session: session.id, message: expect.stringContaining(code) } },
    ]);
    expect(await verify(readRecording(world.store.recordings, session.id))).toMatchObject({ ok: true, sealed: true });
    expect((await world.lines(session.id)).at(-1)).toMatchObject({ interrupted: expect.any(String) });
  });

  it('does not begin', () => {
    world.files.failing = { call: 'open', code: 'EMFILE' };
    expect(() => world.session()).toThrow(expect.objectContaining({ code: 'recording_failed' }));
  });

  it('one session ends, the others go on', async () => {
    const [bad, good] = [world.session(), world.session()];
    await turn();
    const { write } = world.files;
    let first: number | undefined;
    world.files.write = (fd, bytes, offset, length) => {
      first ??= fd;
      if (fd === first) throw new Error('EIO: injected');
      return write.call(world.files, fd, bytes, offset, length);
    };
    let forwarded = 0;
    bad.decide(query('select 1'));
    bad.recorded(() => {
      forwarded += 1;
    });
    await turn();
    good.decide(query('select 2'));
    await new Promise<void>((resolve) => good.recorded(resolve));
    expect(forwarded).toBe(0);
    expect([bad.signal.aborted, good.signal.aborted]).toEqual([true, false]);
  });
});

describe('the end', () => {
  it('seals the recording, and the store and the log have its digest', async () => {
    const session = world.session();
    await world.store.sessions.add(session.record());
    session.decide(query('select 1'));
    session.traffic(10, 200);
    session.end(bye);
    session.end({ code: 'internal', message: 'second' });
    await session.closed;
    const found = await verify(readRecording(world.store.recordings, session.id), { session: session.id });
    expect(found.ok).toBe(true);
    const { digest, lines, bytes } = found;
    expect(await world.store.sessions.get(session.id)).toMatchObject({
      state: 'ended',
      endCode: 'client_closed',
      operations: 1,
      fromClient: 10,
      toClient: 200,
      sealed: true,
      digest,
      lines,
      bytes,
    });
    expect(world.entries.at(-1)).toMatchObject({ kind: 'recording', fields: { session: session.id, digest, lines } });
    expect(world.registry.get(session.id)).toBeUndefined();
  });

  it('after a kill keeps the reason of the kill, and calls nothing back any more', async () => {
    const session = world.session();
    const forwarded: string[] = [];
    await world.store.sessions.add(session.record());
    session.decide(query('select 1'));
    session.recorded(() => {
      session.recorded(() => forwarded.push('asked before the kill, due in the same flush'));
      expect(world.registry.kill(session.id, 'carol', 'lunch')).toBe(true);
    });
    expect(session.signal.reason).toEqual({ code: 'session_killed', message: 'the session was ended by carol: lunch' });
    session.recorded(() => forwarded.push('asked after the kill'));
    expect(refusalOf(session.decide(query('select 2')).decision).code).toBe('access_denied');
    session.result(1, { part: 0, status: 'cancelled' });
    await turn();
    expect(forwarded).toEqual([]);
    session.end({ code: 'target_closed', message: 'x' });
    await session.closed;
    expect(await world.store.sessions.get(session.id)).toMatchObject({ endCode: 'session_killed' });
    const lines = await world.lines(session.id);
    expect(lines.find((line) => line.kind === 'result')).toMatchObject({ status: 'cancelled' });
    expect(world.registry.kill(session.id, 'carol')).toBe(false);
  });

  it('comes at the maximum age and at the end of the grant, whichever is first', async () => {
    const now = world.clock.now();
    const old = world.session({ maxAgeMs: 20, grant: { id: 'g-1', endsAt: now + 60_000 } });
    const granted = world.session({ maxAgeMs: 60_000, grant: { id: 'g-1', endsAt: now + 20 } });
    const far = world.session({ maxAgeMs: 2 ** 40 });
    await expect.poll(() => old.signal.aborted && granted.signal.aborted).toBe(true);
    expect(old.signal.reason).toMatchObject({ code: 'session_expired' });
    expect(granted.signal.reason).toMatchObject({ code: 'grant_ended' });
    expect(far.signal.aborted).toBe(false);
  });

  it('names what had no outcome', async () => {
    const session = world.session();
    session.decide(query('select 1'));
    expect((await ended(session)).at(-2)).toMatchObject({ kind: 'end', unfinished: [1] });
  });

  it('of a forwarding that threw is a failure of ours, and what was due behind it is not forwarded', async () => {
    const session = world.session();
    const forwarded: string[] = [];
    session.recorded(() => {
      throw new Error('bug');
    });
    session.recorded(() => forwarded.push('behind'));
    await expect.poll(() => session.signal.aborted).toBe(true);
    expect(session.signal.reason).toMatchObject({ code: 'internal' });
    expect(forwarded).toEqual([]);
    expect(world.logged).toContainEqual({ level: 'error', message: 'forwarding failed: bug' });
  });
});

describe('whoever watches', () => {
  it('sees operations, reviews, results and the end as they happen', async () => {
    const session = world.session();
    const seen: SessionEvent[] = [];
    world.events.subscribe(session.id, (event) => void seen.push(event));
    world.events.subscribe(undefined, () => {
      throw new Error('a watcher of everything fails');
    });
    const { id } = session.decide(query(`select ${'x'.repeat(500)}`));
    session.result(id, { part: 0, status: 'ok', rows: 3 });
    session.decide(query('deny'));
    const held = hold(session);
    held.cancel('no');
    await held.settled;
    await ended(session);
    expect(seen).toMatchObject([
      { type: 'operation', n: 1, verdict: 'allow' },
      { type: 'result', n: 1, status: 'ok', rows: 3 },
      { type: 'operation', n: 2, verdict: 'deny', rule: 'no' },
      { type: 'operation', n: 3, verdict: 'hold', rule: 'look' },
      { type: 'review', id: held.review, state: 'pending' },
      { type: 'review', id: held.review, state: 'cancelled' },
      { type: 'end', code: 'client_closed' },
    ]);
    expect((seen[0] as { text: string }).text).toHaveLength(200);
  });
});
