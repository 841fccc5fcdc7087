// A small vocabulary, three connections and a few principals for the tests of policy.

import type { Capabilities, Facts, RelationUse, Vocabulary } from '../../../../src/protocol/contract.ts';
import type { Principal } from '../../../../src/session/identity/principal.ts';
import { type CompiledPolicy, compilePolicy, type PolicyConnection } from '../../../../src/session/policy/compile.ts';
import { policySchema } from '../../../../src/session/policy/schema.ts';

const words = (list: string) => Object.fromEntries(list.split(' ').map((word) => [word, word]));

export const vocabulary: Vocabulary = {
  does: words('select insert update delete drop truncate create call do-block copy-program set'),
  objects: ['table', 'role', 'extension'],
  opaque: ['do-block', 'call'],
  dangerous: { functions: ['pg_read_file', 'dblink*', 'admin.wipe'], does: ['copy-program'], objects: ['extension'] },
};

const everything: Capabilities = { mask: true, hold: true, notify: true, refuse: true, inspect: true, meter: true };

export const prod: PolicyConnection = {
  name: 'prod-db',
  labels: { env: 'prod', team: 'a' },
  vocabulary,
  capabilities: everything,
};
export const stage: PolicyConnection = {
  name: 'stage-db',
  labels: { env: 'stage' },
  vocabulary,
  capabilities: everything,
};
/** Passes bytes and looks at none. */
export const pipe: PolicyConnection = {
  name: 'pipe',
  labels: { env: 'prod', kind: 'pipe' },
  vocabulary: { does: {}, objects: [], opaque: [], dangerous: { functions: [], does: [], objects: [] } },
  capabilities: { mask: false, hold: false, notify: false, refuse: false, inspect: false },
};

export const alice: Principal = {
  kind: 'person',
  subject: 'u-1',
  issuer: 'corp',
  email: 'Alice@Example.com',
  groups: ['engineering', 'dba'],
  claims: {},
};
export const agent: Principal = { ...alice, kind: 'agent', groups: ['agents'], actor: 'claude' };
export const job: Principal = {
  kind: 'workload',
  subject: 'repo:acme/app',
  issuer: 'ci',
  groups: ['ci'],
  claims: { repository: 'acme/app', ref: 'refs/heads/main' },
};

export const open = [{ who: { subjects: ['*'] }, to: { names: ['*'] } }];
export const to = { names: ['*-db'] };

export function policyOf(document: object, connections: readonly PolicyConnection[] = [prod, stage]): CompiledPolicy {
  const result = compilePolicy(policySchema.parse({ access: open, ...document }), {
    connections,
    version: 'v1',
    maskKey: Buffer.alloc(32, 1),
  });
  if (result.problems !== undefined) throw new Error(JSON.stringify(result.problems, null, 1));
  return result.policy;
}

export function problemsOf(
  document: object,
  connections: readonly PolicyConnection[] = [prod, stage],
): readonly string[] {
  const result = compilePolicy(policySchema.parse({ access: open, ...document }), { connections, version: 'v1' });
  return (result.problems ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

export function facts(does: string, more: Partial<Facts> = {}): Facts {
  return { does: does.split(' '), relations: [], functions: [], unbounded: false, ...more };
}

/** `public.t`, `t`, `t(a,b)`: read, with these columns. */
export function reads(...names: string[]): RelationUse[] {
  return names.map((text) => {
    const [, schema, name, columns] = /^(?:(\w+)\.)?(\w+)(?:\((.*)\))?$/.exec(text)!;
    return {
      ...(schema === undefined ? {} : { schema }),
      name: name!,
      read: true,
      written: false,
      ...(columns === undefined ? {} : { columns: columns.split(',') }),
    };
  });
}
