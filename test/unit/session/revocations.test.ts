import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Revocations } from '../../../src/session/revocations.ts';
import { aliceAgent, carol, World } from './world.ts';

let world: World;
let revocations: Revocations;
beforeEach(async () => {
  world = await World.open();
  revocations = await Revocations.open({
    store: world.store.revocations,
    audit: world.audit,
    clock: world.clock,
    log: world.log,
    pollMs: 20,
    cut: (issuer, subject, reason) => void world.registry.killPrincipal(issuer, subject, reason),
  });
});
afterEach(async () => {
  revocations.stop();
  await world.close();
});

describe('revoking a principal', () => {
  it('cuts its live sessions at once, also those of agents acting for it, and nobody else', async () => {
    const [own, agent, other] = [
      world.session(),
      world.session({ principal: aliceAgent }),
      world.session({ principal: carol }),
    ];
    await revocations.add({ issuer: 'corp', subject: 'alice', reason: 'left', by: carol });
    for (const session of [own, agent]) {
      expect(session.signal.reason).toEqual({ code: 'principal_revoked', message: 'access was revoked: left' });
    }
    expect(other.signal.aborted).toBe(false);
    expect(revocations.revoked('corp', 'alice')).toBe(true);
    expect(revocations.revoked('local', 'alice')).toBe(false);
    expect(world.entries).toContainEqual({
      kind: 'admin',
      fields: expect.objectContaining({ action: 'revoke', subject: 'alice', by: 'carol@example.com' }),
    });
  });

  it('does not happen when it cannot be put on record', async () => {
    world.auditFails = true;
    await expect(revocations.add({ issuer: 'corp', subject: 'alice', by: carol })).rejects.toThrow();
    world.auditFails = false;
    expect(revocations.revoked('corp', 'alice')).toBe(false);
    expect(await world.store.revocations.list()).toEqual([]);
  });

  it('by another process counts here within a moment, and so does taking it back', async () => {
    const session = world.session();
    await world.store.revocations.add({ issuer: 'corp', subject: 'alice', by: 'carol', at: 1 });
    await expect.poll(() => session.signal.aborted).toBe(true);
    expect(revocations.list()).toMatchObject([{ subject: 'alice', by: 'carol' }]);
    expect(await revocations.remove('corp', 'alice', carol)).toBe(true);
    expect(revocations.revoked('corp', 'alice')).toBe(false);
    expect(await revocations.remove('corp', 'alice', carol)).toBe(false);
  });

  it('that is taken back here or elsewhere goes on to count for what was issued before it', async () => {
    await revocations.add({ issuer: 'corp', subject: 'alice', by: carol });
    const at = world.clock.now();
    await revocations.remove('corp', 'alice', carol);
    const isSo = () => [
      revocations.outdated('corp', 'alice', at - 1000),
      revocations.outdated('corp', 'alice', at + 1),
      revocations.outdated('local', 'alice', at - 1000),
    ];
    expect(isSo()).toEqual([true, false, false]);
    await revocations.refresh();
    expect(isSo()).toEqual([true, false, false]);
    await world.store.revocations.add({ issuer: 'corp', subject: 'alice', by: 'carol', at: at + 10 });
    await world.store.revocations.remove('corp', 'alice');
    await expect.poll(() => revocations.outdated('corp', 'alice', at + 1)).toBe(true);
  });

  it('of a token counts from when it is said, whatever was being looked up meanwhile', async () => {
    const { store } = world;
    const write = store.revocations.revokeToken.bind(store.revocations);
    store.revocations.revokeToken = async (jti, expiresAt) => {
      await revocations.refresh();
      await write(jti, expiresAt);
    };
    await revocations.revokeToken('jti-1', world.clock.now() + 1000);
    expect(revocations.tokenRevoked('jti-1')).toBe(true);
  });

  it('by another process is not forgotten for a look that began before it and took longer', async () => {
    revocations.stop();
    const { store } = world;
    const gate = Promise.withResolvers<void>();
    const list = store.revocations.list.bind(store.revocations);
    let looks = 0;
    store.revocations.list = async () => {
      const found = await list();
      if (looks++ === 0) await gate.promise;
      return found;
    };
    const slow = revocations.poll();
    await expect.poll(() => looks).toBe(1);
    await store.revocations.add({ issuer: 'corp', subject: 'alice', by: 'carol', at: 1 });
    const next = revocations.poll();
    // Where a second look is begun meanwhile it is over by now.
    await Promise.race([next, new Promise((resolve) => setTimeout(resolve, 100))]);
    gate.resolve();
    await Promise.all([slow, next]);
    expect(revocations.revoked('corp', 'alice')).toBe(true);
  });

  it('of a token lasts until the token would have expired', async () => {
    await revocations.revokeToken('jti-1', world.clock.now() + 1000);
    expect(revocations.tokenRevoked('jti-1')).toBe(true);
    await revocations.refresh();
    expect(revocations.tokenRevoked('jti-1')).toBe(true);
    world.skew = 2000;
    await revocations.refresh();
    expect(revocations.tokenRevoked('jti-1')).toBe(false);
  });
});

describe('the live sessions', () => {
  it('have their counters saved now and then, and only when they changed', async () => {
    const session = world.session();
    await world.store.sessions.add(session.record());
    session.traffic(5, 7);
    await world.registry.save();
    expect(await world.store.sessions.get(session.id)).toMatchObject({ state: 'open', fromClient: 5, toClient: 7 });
    let updates = 0;
    const { update } = world.store.sessions;
    world.store.sessions.update = (id, change) => {
      updates += 1;
      return update.call(world.store.sessions, id, change);
    };
    await world.registry.save();
    expect(updates).toBe(0);
  });

  it('all end, sealed, when the gateway stops', async () => {
    const sessions = [world.session(), world.session(), world.session()];
    for (const session of sessions) session.signal.addEventListener('abort', () => session.end(session.signal.reason));
    await world.registry.endAll({ code: 'gateway_stopping', message: 'the gateway is stopping' });
    expect(world.registry.size).toBe(0);
    expect(await world.store.recordings.unfinished()).toEqual([]);
  });
});
