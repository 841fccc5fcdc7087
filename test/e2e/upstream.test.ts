// The gateway as a client of real servers: every authentication and TLS mode, PostgreSQL 15 and 18.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { available, everythingRequired } from '../support/needs.ts';
import { type Postgres, type PostgresOptions, startPostgres } from '../support/postgres.ts';
import { temporaryDirectory } from '../support/process.ts';
import { connectionTo } from '../support/stage.ts';
import { query, WireClient } from '../support/wire.ts';

const VERSIONS = ['debian15', 'embedded18'] as const;

const PLAIN: NonNullable<PostgresOptions['auth']>[] = ['scram-sha-256', 'md5', 'trust', 'password'];
const OVER_TLS: NonNullable<PostgresOptions['auth']>[] = ['scram-sha-256', 'password', 'md5'];

const SSL = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()';

/** The ways to check, or not to check, one TLS server. */
function tlsConnections(auth: string, server: Postgres, otherCa: string): Record<string, unknown> {
  const to = (target: Record<string, unknown>) => connectionTo(server, 'app', { target });
  return {
    [`${auth}-full`]: to({ tls: 'verify-full' }),
    [`${auth}-ca`]: to({ tls: 'verify-ca' }),
    [`${auth}-require`]: to({ tls: 'require', caFile: undefined }),
    [`${auth}-other-ca`]: to({ tls: 'verify-full', caFile: otherCa }),
    [`${auth}-other-name`]: to({ tls: 'verify-full', host: '127.0.0.2' }),
    [`${auth}-off`]: to({ tls: 'disable', caFile: undefined }),
  };
}

for (const version of VERSIONS) {
  const skipped = version === 'debian15' && !available('postgresql-15') && !everythingRequired();

  describe.skipIf(skipped)(`a server of ${version}`, () => {
    let plain: Postgres[] = [];
    let tls: Postgres[] = [];
    let gateway: Gateway;
    let connected: Connected;

    beforeAll(async () => {
      const databases = ['app'];
      plain = await Promise.all(PLAIN.map((auth) => startPostgres({ version, databases, auth })));
      // For the name that the certificate does not have, the server listens there too.
      const config = { listen_addresses: "'127.0.0.1,127.0.0.2'" };
      tls = await Promise.all(
        OVER_TLS.map((auth) => startPostgres({ version, databases, auth, tls: 'required', config })),
      );
      const other = await makeCertificates(temporaryDirectory('other-ca'));
      const connections: Record<string, unknown> = {};
      for (const [i, server] of plain.entries()) connections[`plain-${PLAIN[i]}`] = connectionTo(server, 'app');
      for (const [i, server] of tls.entries())
        Object.assign(connections, tlsConnections(OVER_TLS[i] as string, server, other.caFile));
      gateway = await startGateway({
        config: { connections, access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }] },
        env: { TARGET_PASSWORD: (plain[0] as Postgres).password },
      });
      const alice = await gateway.user('alice', { groups: ['engineering'] });
      connected = await alice.connect(Object.keys(connections));
    });
    afterAll(async () => {
      await connected?.stop();
      await gateway?.[Symbol.asyncDispose]();
      for (const server of [...plain, ...tls]) await server.stop();
    });

    /** The first value of the answer, or the error's text. */
    async function ask(connection: string, text = SSL): Promise<string> {
      try {
        const client = await WireClient.connect({
          port: connected.ports[connection] as number,
          user: 'x',
          database: 'app',
        });
        client.send(query(text));
        const row = (await client.until('Z')).find(({ type }) => type === 'D');
        client.close();
        return row?.body.subarray(6).toString() ?? '';
      } catch (error) {
        return String(error);
      }
    }

    it.each(['scram-sha-256', 'md5', 'trust'])('is logged in to by %s without TLS', async (auth) => {
      expect(await ask(`plain-${auth}`)).toBe('f');
    });

    it('gets no cleartext password without TLS', async () => {
      expect(await ask('plain-password')).toMatch(/cleartext|password/);
      expect(plain[PLAIN.indexOf('password')]?.log()).not.toMatch(/connection authorized/);
    });

    it.each(OVER_TLS)('is logged in to by %s over TLS', async (auth) => {
      for (const mode of ['full', 'ca', 'require']) expect(await ask(`${auth}-${mode}`), mode).toBe('t');
    });

    it('is not talked to when its certificate is of another CA, or for another name, or TLS is off that it requires', async () => {
      expect(await ask('scram-sha-256-other-ca')).toMatch(/certificate/);
      expect(await ask('scram-sha-256-other-name')).toMatch(/certificate/);
      expect(await ask('scram-sha-256-off')).toMatch(/pg_hba|encryption|refused/);
    });
  });
}
