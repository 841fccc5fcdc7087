// What the sessions of a company might do, made up from a seed: texts that differ as those of applications and people do,
// a few words that are rare, refusals, errors, results of other sizes. Refuses to know: how it is recorded.

import type { Facts, Operation, Outcome } from '../../src/protocol/contract.ts';

const RELATIONS = ['customers', 'orders', 'payments', 'invoices', 'products', 'shipments', 'events', 'accounts'];
const CITIES = ['Berlin', 'Madrid', 'Osaka', 'Lima', 'Quito', 'Oslo', 'Turin', 'Accra', 'Perth', 'Cork'];

export interface Traffic {
  readonly operation: Operation;
  readonly decision: { verdict: 'allow' } | { verdict: 'deny'; rule: string };
  readonly rows: readonly (readonly (string | null)[])[];
  readonly outcome: Outcome | undefined;
}

/** xorshift32. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function traffic(random: () => number): Traffic {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const relation = pick(RELATIONS);
  const id = Math.floor(random() * 5_000_000);
  const kind = random();
  if (kind < 0.002) return refused(`drop table ${relation}_${id}`, relation);
  if (kind < 0.25) return changed(relation, id, pick(CITIES));
  const text = `select id, city, amount from ${relation} where customer_id = ${id} order by id limit 20`;
  const count = kind < 0.9 ? 1 : Math.floor(random() * 20);
  const rows = Array.from({ length: count }, (_, i) => [`${id + i}`, pick(CITIES), `${Math.floor(random() * 1e6)}.00`]);
  const failed = random() < 0.01;
  return {
    operation: { kind: 'query', text, exact: '', parts: [facts('select', relation, false)] },
    decision: { verdict: 'allow' },
    rows: failed ? [] : rows,
    outcome: failed
      ? { part: 0, status: 'error', error: { code: '57014', message: 'canceling statement due to user request' } }
      : { part: 0, status: 'ok', tag: `SELECT ${count}`, rows: count, bytes: 60 * count },
  };
}

function changed(relation: string, id: number, city: string): Traffic {
  const text = `update ${relation} set city = '${city}', touched = now() where id = ${id}`;
  return {
    operation: { kind: 'execute', text, params: [`${id}`], exact: '', parts: [facts('update', relation, true)] },
    decision: { verdict: 'allow' },
    rows: [],
    outcome: { part: 0, status: 'ok', tag: 'UPDATE 1', rows: 1, bytes: 14 },
  };
}

function refused(text: string, relation: string): Traffic {
  return {
    operation: { kind: 'query', text, exact: '', parts: [facts('drop', relation, true)] },
    decision: { verdict: 'deny', rule: 'no-drop' },
    rows: [],
    outcome: undefined,
  };
}

function facts(word: string, name: string, written: boolean): Facts {
  return { does: [word], relations: [{ name, read: !written, written }], functions: [], unbounded: false };
}
