import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newSessionId } from '../../../src/core/ids.ts';
import { readRecording } from '../../../src/session/recorder/stored.ts';
import { verify } from '../../../src/session/recorder/verify.ts';
import { recover } from '../../../src/session/recovery.ts';
import type { GatewaySession } from '../../../src/session/session.ts';
import { bob, query, World } from './world.ts';

let dead: World;
let world: World;
beforeEach(async () => {
  dead = new World();
  // It is dead: it must not notice what the next process does, and write.
  dead.pollMs = 1e8;
  await dead.start();
});
afterEach(async () => {
  await world.store.close();
  await dead.close();
});

/** A second process on what the first one leaves behind. */
async function restart() {
  world = new World();
  Object.assign(world, { directory: dead.directory });
  await world.start();
  const { store, approvals, audit, clock, log } = world;
  return recover({ sink: store.recordings, store: store.sessions, approvals, audit, clock, log });
}

async function begun(): Promise<GatewaySession> {
  const session = dead.session();
  await dead.store.sessions.add(session.record());
  session.decide(query('select 1'));
  await new Promise<void>((resolve) => session.recorded(resolve));
  return session;
}

it('seals what a dead gateway left, marks it in the store, puts it into the log, and closes its reviews', async () => {
  const [open, damaged, neat] = [await begun(), await begun(), await begun()];
  neat.end({ code: 'client_closed', message: 'bye' });
  await neat.closed;
  const held = open.decide(query('review me')).decision;
  if (held.verdict !== 'hold') throw new Error('not held');
  await new Promise<void>((resolve) => open.recorded(resolve));
  const path = dead.store.recordings.path(damaged.id);
  writeFileSync(path, readFileSync(path, 'utf8').replace('alice', 'mallory'));
  const lost = { ...neat.record(), id: newSessionId(dead.clock.now()), state: 'open' as const, sealed: false };
  await dead.store.sessions.add(lost);

  const found = await restart();
  expect(found.reviews).toBe(1);
  expect(found.lost).toEqual([lost.id]);
  expect(new Map(found.recordings.map((one) => [one.session, one.outcome]))).toEqual(
    new Map([
      [open.id, 'sealed'],
      [damaged.id, 'quarantined'],
    ]),
  );
  const sealed = await verify(readRecording(world.store.recordings, open.id), { session: open.id });
  expect(sealed).toMatchObject({ ok: true, interrupted: 'the gateway stopped without sealing it' });
  const { digest } = sealed;
  expect(await world.store.sessions.get(open.id)).toMatchObject({ state: 'interrupted', sealed: true, digest });
  expect(await world.store.sessions.get(damaged.id)).toMatchObject({ state: 'interrupted', sealed: false });
  expect(await world.store.sessions.get(lost.id)).toMatchObject({ state: 'interrupted', sealed: false });
  expect(await world.store.sessions.get(neat.id)).toMatchObject({ state: 'ended', sealed: true });
  expect(world.entries.map((entry) => [entry.kind, entry.fields.session ?? entry.fields.review])).toEqual(
    expect.arrayContaining([
      ['recording', open.id],
      ['failure', damaged.id],
      ['failure', lost.id],
      ['review', held.review],
    ]),
  );
  await expect(world.approvals.decide(held.review, { verdict: 'approve', reviewer: bob })).rejects.toMatchObject({
    code: 'conflict',
  });
});

it('has nothing to say after an orderly stop', async () => {
  const session = await begun();
  session.end({ code: 'client_closed', message: 'bye' });
  await session.closed;
  expect(await restart()).toEqual({ recordings: [], lost: [], reviews: 0 });
  expect(world.entries).toEqual([]);
});
