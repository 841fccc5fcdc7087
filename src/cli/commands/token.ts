// `hoopctl token NAME`: a password for the gateway's native listener, good for one connection and a short time.

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import type { GatewayAccess } from '../../login/access.ts';
import type { NativeAccess } from '../../protocol/contract.ts';
import { loadProtocol } from '../../protocol/index.ts';
import { route } from '../api.ts';
import { command as define } from '../command.ts';
import type { Context } from '../context.ts';
import { writeWhole } from '../files.ts';
import { nearestConnection } from '../missing.ts';
import { printable, relativeTime } from '../text.ts';

interface Issued {
  readonly token: string;
  readonly expiresAt: string | number;
  readonly protocol: string;
  readonly user: string;
  /** host:port. */
  readonly native?: string;
}

export const command = define({
  options: {
    ttl: { value: 'DURATION', default: '15m', help: 'how long it is good for' },
    reason: { value: 'TEXT', help: 'why, for the record' },
  },
  arguments: [{ name: 'name', help: 'the connection', complete: 'connections' }],
  notes: `Only the token goes to stdout. What to give beside it, and a command line that does, is told on stderr, as clients of the
connection's protocol have it.`,
  run: async ({ name, ttl, reason }, context) => {
    if (parseDuration(ttl) === undefined)
      throw userError('usage', `--ttl is '${ttl}', expected a duration such as 15m`);
    const api = await context.api();
    const issued = await nearestConnection(context, name, () =>
      api.call<Issued>(route`connections/${name}/token`, {
        method: 'POST',
        body: { ttl },
        reason,
        signal: context.signal,
      }),
    );
    if (!context.json) {
      const access = await nativeAccess(name, issued, () => caFile(context, api.access));
      const facts = Object.entries(access?.facts ?? {}).map(([what, value]) => `${what} ${value}`);
      const where = issued.native === undefined ? 'the gateway has no native listener for it' : `at ${issued.native}`;
      const until = `expires ${relativeTime(issued.expiresAt, Date.now())}`;
      context.io.say(printable(`${[...facts, where].join(', ')}; ${until}`));
      if (issued.native !== undefined && access !== undefined)
        context.io.say(printable(`use it with: ${access.example}`));
    }
    await context.print(issued, () => `${issued.token}\n`);
  },
});

/** Undefined: the protocol is newer than this hoopctl. */
async function nativeAccess(
  connection: string,
  { protocol, user, native }: Issued,
  ca: () => string | undefined,
): Promise<NativeAccess | undefined> {
  const { hostname, port } = new URL(`tcp://${native ?? 'localhost:0'}`);
  const client = { connection, user, host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  const found = await loadProtocol(protocol);
  return found?.native({ ...client, ...(native === undefined ? {} : { ca: ca() }) });
}

/** What is trusted for the gateway, as a file that other programs can be given; undefined: the system's certificates. */
function caFile({ globals, io, paths }: Context, { url, ca }: GatewayAccess): string | undefined {
  if (globals.caFile !== undefined) return resolve(io.cwd, globals.caFile);
  if (ca === undefined) return undefined;
  const file = join(paths.config, `${new URL(url).host.replace(/[^\w.-]/g, '-')}.ca.pem`);
  mkdirSync(paths.config, { recursive: true, mode: 0o700 });
  writeWhole(file, ca);
  return file;
}
