// The harness for hands: `node test/conformance/postgres/main.ts` in front of PGTARGET (host:port/database).

import { startHarness } from './harness.ts';

const [, host, port, database] = /^(.+):(\d+)\/(.+)$/.exec(process.env.PGTARGET ?? '127.0.0.1:5432/postgres')!;
const tls = process.env.TLS_CERT === undefined ? undefined : { cert: process.env.TLS_CERT, key: process.env.TLS_KEY! };
const harness = await startHarness({
  target: { host: host!, port: Number(port), database: database!, databases: '*', tls: process.env.PGTLS as 'disable' },
  user: process.env.PGTARGETUSER ?? 'postgres',
  password: process.env.PGTARGETPASSWORD,
  port: Number(process.env.PORT ?? 0),
  session: {
    rows: Number(process.env.ROWS ?? 0),
    later: true,
    forgetful: true,
    ruled: process.env.RULED === '1',
    deny: ({ text }) => (/forbidden/.test(text) ? 'no-forbidden' : undefined),
  },
  ...(tls === undefined ? {} : { tls }),
});
console.log(`listening on 127.0.0.1:${harness.port}`);
