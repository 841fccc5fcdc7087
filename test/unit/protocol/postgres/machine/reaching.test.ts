import { describe, expect, it } from 'vitest';
import type { Facts } from '../../../../../src/protocol/contract.ts';
import type { ColumnPlanner } from '../../../../../src/protocol/postgres/analysis.ts';
import { back, front, planner, Talk, turn } from '../../../../conformance/postgres/kit.ts';

/** Says that every statement reaches `secrets`, when `wait` is over. */
function reaching(wait?: Promise<unknown>): ColumnPlanner & { asked: number } {
  const found = (parts: readonly Facts[]) =>
    parts.map((part) => ({ ...part, relations: [{ name: 'secrets', read: true, written: false, via: ['view v'] }] }));
  return {
    ...planner(),
    asked: 0,
    reached(parts) {
      this.asked++;
      return wait === undefined ? found(parts) : wait.then(() => found(parts));
    },
  } as ColumnPlanner & { asked: number };
}

const deny = ({ parts }: { parts: readonly Facts[] }) => {
  if (parts.some((part) => part.opaque !== undefined)) return 'opaque';
  return parts.some((part) => part.relations.some(({ name }) => name === 'secrets')) ? 'no-secrets' : undefined;
};
const RULED = { ruled: true, reaching: true, deny };

describe('what a statement reaches', () => {
  it('is not asked for where no rule is about it', () => {
    const plan = reaching();
    const talk = new Talk({ session: { ruled: true, deny }, planner: plan });
    expect(talk.client(front.query('select v'))).toEqual(['Query select v']);
    expect(talk.client(front.extended('select v'))).toHaveLength(5);
    expect(plan.asked).toBe(0);
  });

  it('is decided on, in a Query and already at Parse', () => {
    const talk = new Talk({ session: RULED, planner: reaching() });
    expect(talk.client(front.query('select v'))).toEqual(['Query REFUSED BY HOOPCTL']);
    talk.target(back.error('42601', 'x'), back.ready());
    expect(talk.client(front.extended('select v'))).toEqual(['Parse REFUSED BY HOOPCTL', 'Sync']);
    expect(talk.session.operations[0]!.parts[0]!.relations[0]!.via).toEqual(['view v']);
  });

  it('is waited for, and nothing behind it overtakes', async () => {
    const wait = Promise.withResolvers<void>();
    const talk = new Talk({ session: RULED, planner: reaching(wait.promise) });
    expect(talk.client(front.query('select v'), front.query('select w'))).toEqual([]);
    wait.resolve();
    await turn();
    await turn();
    expect(talk.toTarget()).toEqual(['Query REFUSED BY HOOPCTL', 'Query REFUSED BY HOOPCTL']);
  });

  it('is waited for at Parse too', async () => {
    const wait = Promise.withResolvers<void>();
    const talk = new Talk({ session: { ...RULED, deny: () => undefined }, planner: reaching(wait.promise) });
    expect(talk.client(front.extended('select v'))).toEqual([]);
    wait.resolve();
    for (let i = 0; i < 4; i++) await turn();
    expect(talk.toTarget()).toHaveLength(5);
  });

  it.each([
    ['rejects', () => Promise.reject(new Error('gone'))],
    [
      'throws',
      () => {
        throw new Error('gone');
      },
    ],
  ])('is unknown when the catalogue %s: policy refuses what it cannot tell', async (_, reached) => {
    const talk = new Talk({ session: RULED, planner: { ...planner(), reached } });
    talk.client(front.query('select v'));
    await turn();
    await turn();
    expect(talk.session.operations).toMatchObject([{ verdict: 'deny' }]);
    expect(talk.session.operations[0]!.parts[0]!.opaque).toContain('cannot be known');
  });

  it('is unknown without a planner', () => {
    const none = { ...planner(), reached: undefined };
    const talk = new Talk({ session: RULED, planner: none as unknown as ColumnPlanner });
    expect(talk.client(front.query('select v'))).toEqual(['Query REFUSED BY HOOPCTL']);
  });
});

describe('what is executed by name', () => {
  it('is said with the operation, also where the protocol runs it', () => {
    const talk = new Talk({ session: { ruled: true } });
    talk.client(front.query('prepare p as delete from t'));
    talk.target(back.complete('PREPARE'), back.ready());
    talk.client(front.query('execute p'));
    talk.target(back.complete('DELETE 1'), back.ready());
    talk.client(front.bind('', 'p'), front.execute(''), front.sync());
    const [, byName, bound] = talk.session.operations;
    expect(byName).toMatchObject({ text: 'execute p', executes: 'prepare p as delete from t' });
    expect(bound).toMatchObject({ text: 'prepare p as delete from t' });
    expect(bound).not.toHaveProperty('executes');
  });

  it('is not said twice where it was prepared in the same text', () => {
    const talk = new Talk({ session: { ruled: true } });
    talk.client(front.query('prepare p as delete from t; execute p'));
    expect(talk.session.operations[0]).not.toHaveProperty('executes');
  });
});
