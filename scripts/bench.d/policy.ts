// Reading a statement and deciding on it, in this process and with nothing around it: what the gateway does with a text
// before it goes on, from bytes to verdict. Microseconds of CPU.

import { postgres } from '../../src/protocol/postgres/index.ts';
import { createAnalyser } from '../../src/protocol/postgres/sql/analyser.ts';
import { type CompiledPolicy, compilePolicy } from '../../src/session/policy/compile.ts';
import { policySchema } from '../../src/session/policy/schema.ts';
import { rules } from './enforcement.ts';
import { interleave, type Rounds } from './numbers.ts';

export const CONNECTION = { name: 'bench', labels: {} };
export const WHO = { kind: 'person', issuer: 'corp', subject: 'alice', groups: [], claims: {} } as const;

/** A policy of these rules and masks, for CONNECTION. */
export function policyOf(sections: { rules?: object[]; masks?: object[] }): CompiledPolicy {
  const { vocabulary } = postgres;
  const capabilities = { mask: true, hold: true, notify: true, refuse: true, inspect: true };
  const { policy, problems } = compilePolicy(policySchema.parse(sections), {
    connections: [{ ...CONNECTION, vocabulary, capabilities }],
    version: '0'.repeat(64),
    maskKey: Buffer.alloc(32, 7),
  });
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  return policy;
}

/** The same each time, new by its constants, new by a name in it. */
const TEXTS: Record<string, (i: number) => string> = {
  repeated: () => 'select abalance from pgbench_accounts where aid = 42',
  literals: (i) => `select abalance, '${i * 7919}' as s from pgbench_accounts where aid = ${i * 31} and bid <> ${i}`,
  texts: (i) => `select abalance as a${i * 7919} from pgbench_accounts where aid = ${i}`,
};

/** By `TEXT COUNT`: none, 10 and 1000 rules. Each round takes so many statements. */
export async function policySpeed(rounds: number, count: number): Promise<Rounds> {
  const analyser = await createAnalyser();
  let next = 0;
  const runs = Object.fromEntries(
    [0, 10, 1000].flatMap((number) => {
      const session = policyOf({ rules: rules(number, CONNECTION.name) }).session(WHO, CONNECTION, {});
      return Object.entries(TEXTS).map(([name, text]) => {
        const run = () => {
          for (let i = 0; i < count; i++) {
            const sql = text(next++);
            const { facts } = analyser.analyse(Buffer.from(sql));
            if (session.decide(facts, sql, 0).verdict !== 'allow') throw new Error(`refused: ${sql}`);
          }
        };
        return [`${name} ${number}`, run] as const;
      });
    }),
  );
  for (let warm = 0; warm < 3; warm++) for (const run of Object.values(runs)) run();
  return interleave(Object.keys(runs), rounds, async (name) => {
    const from = process.cpuUsage();
    runs[name]!();
    const { user, system } = process.cpuUsage(from);
    return (user + system) / count;
  });
}
