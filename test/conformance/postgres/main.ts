// The harness for hands: `node test/conformance/postgres/main.ts` in front of PGTARGET (host:port/database).
// Texts with hoopctl_forbidden in them are refused where RULED=1; MASKS names columns (`ssn,email`) that are masked.

import { startHarness } from './harness.ts';
import type { FakeSessionOptions } from './session.ts';

const { env } = process;
const [, host, port, database] = /^(.+):(\d+)\/(.+)$/.exec(env.PGTARGET ?? '127.0.0.1:5432/postgres')!;
const masked = env.MASKS?.split(',');

const session: FakeSessionOptions = {
  rows: Number(env.ROWS ?? 0),
  later: true,
  forgetful: true,
  ruled: env.RULED === '1',
  deny: ({ text }) => (/hoopctl_forbidden/i.test(text) ? 'no-forbidden' : undefined),
  ...(masked === undefined
    ? {}
    : {
        masking: { columns: true, values: false },
        mask: ({ origins }) =>
          origins === undefined || origins.some(({ column }) => masked.includes(column))
            ? {
                name: 'pii',
                by: origins === undefined ? 'unproven' : 'column',
                text: (value) => '*'.repeat(value.length),
              }
            : null,
      }),
};

const harness = await startHarness({
  target: { host: host!, port: Number(port), database: database!, databases: '*', tls: env.PGTLS as 'disable' },
  user: env.PGTARGETUSER ?? 'postgres',
  session,
  options: { allow: (env.ALLOW?.split(',') ?? []) as ['function-call'] },
  ...(env.PGTARGETPASSWORD === undefined ? {} : { password: env.PGTARGETPASSWORD }),
  ...(env.PORT === undefined ? {} : { port: Number(env.PORT) }),
  ...(env.TLS_CERT === undefined ? {} : { tls: { cert: env.TLS_CERT, key: env.TLS_KEY! } }),
});
console.log(`listening on 127.0.0.1:${harness.port}`);
