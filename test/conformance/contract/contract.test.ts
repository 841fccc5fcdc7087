// What every protocol of the registry has to satisfy, whatever it speaks: at the wire, through the built program, against a
// real target that tells what it ran. A protocol brings a driver (driver.ts) and nothing else.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { peerError } from '../../../src/core/errors.ts';
import { SocketStream } from '../../../src/core/stream.ts';
import { loadProtocol, protocolNames } from '../../../src/protocol/index.ts';
import { onFailingDisk } from '../../support/disk-faults.ts';
import { type Client, type Connected, type Gateway, startGateway } from '../../support/gateway.ts';
import { describeWith } from '../../support/needs.ts';
import { eventually } from '../../support/process.ts';
import { type Line, readRecordings } from '../../support/recordings.ts';
import { pendingReview } from '../../support/reviews.ts';
import type { Conversation, Driver, RunningTarget } from './driver.ts';
import { postgres } from './postgres.ts';
import { ssh } from './ssh.ts';

const DRIVERS: readonly Driver[] = [postgres, ssh];

it('has a driver for every protocol', () => {
  expect(DRIVERS.map(({ protocol }) => protocol).sort()).toEqual([...protocolNames()].sort());
});

for (const driver of DRIVERS) {
  describeWith(['linux', 'gcc', ...driver.needs], `the contract, as ${driver.protocol} keeps it`, () => {
    let target: RunningTarget;
    let gateway: Gateway;
    let alice: Client;
    let dana: Client;
    let connected: Connected;
    let fault: (what: string) => void = () => {};
    let tags = 0;
    const open: Conversation[] = [];

    beforeAll(async () => {
      target = await driver.start();
      const reviewers = { groups: ['dba'] };
      gateway = await startGateway({
        env: target.env,
        config: {
          connections: { it: target.connection() },
          access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
          rules: [
            { name: 'no-such', when: { text: 'refuse-me' }, then: 'deny', message: 'ask somebody' },
            { name: 'ask-first', when: { text: 'hold-me' }, then: 'review', reviewers, wait: '5m' },
            { name: 'ask-soon', when: { text: 'expire-me' }, then: 'review', reviewers, wait: '1s' },
          ],
          roles: { admin: { groups: ['dba'] } },
          limits: { [driver.limit.name]: driver.limit.value },
        },
      });
      fault = await onFailingDisk(gateway);
      alice = await gateway.user('alice', { groups: ['engineering'] });
      dana = await gateway.user('dana', { groups: ['dba'] });
      connected = await alice.connect('it', [], { quiet: true });
    });
    afterEach(() => {
      fault('');
      for (const one of open.splice(0)) one.destroy();
    });
    afterAll(async () => {
      await connected?.stop();
      await gateway?.[Symbol.asyncDispose]();
      await target?.stop();
    });

    const tag = (word = 'run-me') => `${word}-${driver.protocol}-${tags++}-`;

    async function conversation(): Promise<Conversation> {
      const one = await driver.converse(alice, connected.port);
      open.push(one);
      return one;
    }

    /** Lines about the operation with this tag, and of the session that it was in. */
    function recorded(of: string): { session: Line[]; intent: Line | undefined; more: Line[] } {
      for (const { lines } of readRecordings(gateway.recordings)) {
        const intent = lines.find((line) => line.kind === 'intent' && String(line.text).includes(of));
        if (intent === undefined) continue;
        return { session: lines, intent, more: lines.filter((line) => line.op === intent.op && line !== intent) };
      }
      return { session: [], intent: undefined, more: [] };
    }

    it('what runs is on record by the time that its answer comes, its outcome soon after', async () => {
      const one = await conversation();
      const what = tag();
      expect(await one.run(what)).toMatchObject({ ok: true, told: expect.stringContaining(what) });
      expect(recorded(what).intent).toMatchObject({ verdict: 'allow' });
      expect(target.ran(what)).toBe(true);
      const result = await eventually('the outcome', () => recorded(what).more.find(({ kind }) => kind === 'result'));
      expect(result).toMatchObject({ status: 'ok' });
    });

    it('what a rule refuses does not run, fails with its name and what to do, and the conversation goes on', async () => {
      const one = await conversation();
      const what = tag('refuse-me');
      const answer = await one.run(what);
      expect(answer.ok).toBe(false);
      expect(answer.told).toContain('no-such');
      expect(answer.told).toContain('ask somebody');
      const next = tag();
      expect(await one.run(next)).toMatchObject({ ok: true, told: expect.stringContaining(next) });
      expect(target.ran(what)).toBe(false);
      await eventually('the refusal is on record', () => recorded(what).intent);
      expect(recorded(what).intent).toMatchObject({ verdict: 'deny', rule: 'no-such' });
    });

    it('what is held runs when it is approved, and not before', async () => {
      const one = await conversation();
      const what = tag('hold-me');
      const running = one.run(what);
      const review = await pendingReview(dana, what);
      expect(target.ran(what)).toBe(false);
      await dana.runOk(['reviews', 'approve', review.id]);
      expect(await running).toMatchObject({ ok: true, told: expect.stringContaining(what) });
      expect(recorded(what).more).toContainEqual(expect.objectContaining({ kind: 'review', state: 'used' }));
    });

    it.each(driver.alike)('an approval for a time is for the same again, and for nothing else: %s', async (alike) => {
      const one = await conversation();
      const what = tag('hold-me');
      const first = one.runAlike(alike, 'one', what);
      await dana.runOk(['reviews', 'approve', (await pendingReview(dana, what)).id, '--for', '10m']);
      expect(await first).toMatchObject({ ok: true, told: expect.stringContaining(what) });
      expect(await (await conversation()).runAlike(alike, 'one', what)).toMatchObject({ ok: true });
      const other = (await conversation()).runAlike(alike, 'other', what);
      await dana.runOk(['reviews', 'deny', (await pendingReview(dana, what)).id]);
      expect((await other).ok).toBe(false);
    });

    it('what is held and denied fails, and the conversation goes on', async () => {
      const one = await conversation();
      const what = tag('hold-me');
      const running = one.run(what);
      await dana.runOk(['reviews', 'deny', (await pendingReview(dana, what)).id]);
      expect((await running).ok).toBe(false);
      expect((await one.run(tag())).ok).toBe(true);
      expect(target.ran(what)).toBe(false);
    });

    it('what is held and not decided in time fails, and the conversation goes on', async () => {
      const one = await conversation();
      const what = tag('expire-me');
      const answer = await one.run(what);
      expect(answer.ok).toBe(false);
      expect((await one.run(tag())).ok).toBe(true);
      expect(target.ran(what)).toBe(false);
      expect(recorded(what).more).toContainEqual(expect.objectContaining({ kind: 'review', state: 'expired' }));
    });

    it('what is held when its client leaves is cancelled', async () => {
      const one = await conversation();
      const what = tag('hold-me');
      const running = one.run(what).catch(() => undefined);
      await pendingReview(dana, what);
      one.destroy();
      await running;
      await eventually('it is cancelled', () =>
        recorded(what).more.some(({ kind, state }) => kind === 'review' && state === 'cancelled'),
      );
      expect(target.ran(what)).toBe(false);
    });

    it('a session that is killed ends, and its client is told why', async () => {
      const one = await conversation();
      const what = tag();
      await one.run(what);
      const id = String(recorded(what).session[0]?.session);
      await dana.runOk(['sessions', 'kill', id, '--reason', 'enough of it']);
      expect(await one.ended).toContain('enough of it');
      const end = await eventually('its end is on record', () =>
        recorded(what).session.find(({ kind }) => kind === 'end'),
      );
      expect(end).toMatchObject({ code: 'session_killed' });
    });

    it('what cannot be recorded does not run, and its session ends', async () => {
      const one = await conversation();
      expect((await one.run(tag())).ok).toBe(true);
      const what = tag();
      fault('write ENOSPC');
      const answer = await Promise.race([one.run(what).catch(() => undefined), one.ended.then(() => undefined)]);
      expect(answer?.ok ?? false).toBe(false);
      expect(await one.ended).toContain('record');
      expect(target.ran(what)).toBe(false);
      fault('');
      const another = await eventually('sessions begin again', () => conversation().catch(() => undefined));
      expect((await another.run(tag())).ok).toBe(true);
    });

    it('an operation over a limit fails with its name, and others are served', async () => {
      const one = await conversation();
      const what = `${tag()}${'x'.repeat(driver.limit.value)}`;
      const told = await one.run(what).then(
        (answer) => (answer.ok ? 'it ran' : answer.told),
        () => one.ended,
      );
      expect(told).toContain(driver.limit.name);
      expect(target.ran(what.slice(0, 30))).toBe(false);
      expect((await (await conversation()).run(tag())).ok).toBe(true);
    });

    it('a client at a local port from which there is no way to the gateway is told so, and what to do', async () => {
      const { turnAway } = (await loadProtocol(driver.protocol))!;
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        const fix = 'wait for it';
        void turnAway!(new SocketStream(socket), peerError('gateway_unreachable', 'the gateway is away', { fix }));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const told = await driver.converse(alice, port).then(
        ({ ended }) => ended,
        (refused: Error) => `${refused.message} ${JSON.stringify(refused.cause)}`,
      );
      expect(told).toContain('the gateway is away');
      expect(told).toContain('wait for it');
      // The client has left, and its socket is not kept.
      await new Promise((resolve) => server.close(resolve));
    });

    it("the target's secret is in no record, log or answer of the gateway", async () => {
      const one = await conversation();
      const { told } = await one.run(tag());
      const described = (await alice.runOk(['describe', 'it', '--json'])).stdout;
      const record = readRecordings(gateway.recordings)
        .map(({ bytes }) => bytes.toString())
        .join();
      for (const text of [told, described, record, gateway.log, connected.process.output]) {
        expect(text.includes(target.secret)).toBe(false);
      }
      expect(record).toContain('"kind":"open"');
    });
  });
}
