// The document's own tests: run by `policy test` and at every load, where a failing one keeps the old policy in force.

import type { Spoken, Understood } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { CompiledPolicy } from './compile.ts';
import { type Explanation, explanationLines } from './explain.ts';
import { ACCESS } from './rule.ts';
import type { PolicyTest } from './schema.ts';
import type { ConnectionRef } from './types.ts';

/** Analyses an operation as the connection's protocol does. Undefined: only what was recorded of it tells. */
export type Analyse = (connection: string, spoken: Spoken) => Promise<Understood | undefined>;

/** What a test runs, for a person: `drop table t`, `sftp-read of /etc/shadow`, `shell`. */
export function shownTest({ does, run }: Pick<PolicyTest, 'does' | 'run'>): string {
  return [does ?? [], run ?? []].flat().join(' of ');
}

export interface TestResult {
  readonly test: PolicyTest;
  /** Its place in `tests`, for the configuration's line and column. */
  readonly index: number;
  readonly passed: boolean;
  readonly got: PolicyTest['expect'] | undefined;
  /** The rule or mask that was the reason. */
  readonly rule: string | undefined;
  /** Why it failed, one line; undefined when it passed. */
  readonly problem: string | undefined;
  /** Why the policy says so, to print under a failing test. */
  readonly why: readonly string[];
}

/** `now`: the moment for tests that name none; only one whose verdict depends on the hour has to. */
export async function runTests(
  policy: CompiledPolicy,
  tests: readonly PolicyTest[],
  connections: readonly ConnectionRef[],
  analyse: Analyse,
  now: number,
): Promise<readonly TestResult[]> {
  return Promise.all(tests.map((test, index) => runTest(policy, test, index, connections, analyse, now)));
}

async function runTest(
  policy: CompiledPolicy,
  test: PolicyTest,
  index: number,
  connections: readonly ConnectionRef[],
  analyse: Analyse,
  now: number,
): Promise<TestResult> {
  const failed = (problem: string, rest: Partial<TestResult> = {}): TestResult => ({
    test,
    index,
    passed: false,
    got: undefined,
    rule: undefined,
    why: [],
    ...rest,
    problem,
  });
  const connection = connections.find(({ name }) => name === test.to);
  if (connection === undefined) return failed(`"${test.to}" is no connection`);
  let explanation: Explanation;
  try {
    const { run = '', does } = test;
    const understood = await analyse(test.to, { text: run, ...(does === undefined ? {} : { does }) });
    if (understood === undefined) return failed(`"${shownTest(test)}" is not understood`);
    const moment = test.at === undefined ? now : Date.parse(test.at);
    explanation = policy.explain({
      principal: testPrincipal(test.as),
      connection,
      ...understood,
      now: moment,
      reason: test.reason,
    });
  } catch (thrown) {
    return failed(`cannot analyse "${shownTest(test)}": ${describeThrown(thrown)}`);
  }
  const why = explanationLines(explanation);
  if (explanation.timed && test.at === undefined) {
    return failed('the verdict depends on the time of day, expected "at" in the test', { why });
  }
  const { got, reasons } = outcome(explanation);
  const rule = reasons[0];
  // What is masked runs, so it also satisfies a test that expects no more than that.
  const verdictFits = got === test.expect || (test.expect === 'allow' && got === 'masked');
  const reasonFits = test.rule === undefined || reasons.includes(test.rule);
  if (verdictFits && reasonFits) return { test, index, passed: true, got, rule, problem: undefined, why };
  const by = (name: string | undefined) => (name === undefined ? '' : ` by ${name}`);
  return failed(`got ${got}${by(rule)}, expected ${test.expect}${by(test.rule)}`, { got, rule, why });
}

function describeThrown(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return 'fix' in thrown && typeof thrown.fix === 'string' ? `${thrown.message}; ${thrown.fix}` : thrown.message;
}

/** What came out; `reasons`: the rule or masks that say so, the speaking one first. */
function outcome({ access, verdict, masks }: Explanation): { got: PolicyTest['expect']; reasons: readonly string[] } {
  // A grant is taken as given: tests are about what rules say of somebody who is in.
  if (access.access === 'none') return { got: 'deny', reasons: [ACCESS] };
  const matched = [...new Set([...(verdict.rule === undefined ? [] : [verdict.rule]), ...verdict.matched])];
  if (verdict.verdict !== 'allow') return { got: verdict.verdict, reasons: matched };
  const touched = masks.filter((mask) => mask.applies && mask.touched).map((mask) => mask.name);
  return touched.length === 0
    ? { got: 'allow', reasons: matched }
    : { got: 'masked', reasons: [...touched, ...matched] };
}

/** A principal with what the test gives it and nothing else. */
export function testPrincipal(as: PolicyTest['as']): Principal {
  return {
    kind: as.kind ?? (as.actor === undefined ? 'person' : 'agent'),
    subject: as.subject ?? 'test',
    issuer: as.issuer ?? 'test',
    ...(as.email === undefined ? {} : { email: as.email }),
    groups: as.groups ?? [],
    ...(as.actor === undefined ? {} : { actor: as.actor }),
    claims: as.claims ?? {},
  };
}
