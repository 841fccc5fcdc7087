// A real server behind a real gateway in this process, with clients at the native listener's wire: for suites that attack
// rules and masks with hundreds of statements. Refuses to know: which statements, and how they are judged.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { postgres } from '../../../src/protocol/postgres/index.ts';
import { House } from '../../support/gateway-house.ts';
import { type Postgres, type PostgresOptions, startPostgres } from '../../support/postgres.ts';
import { filesUnder, sleep } from '../../support/process.ts';
import { int32, WireClient, type WireOptions } from '../../support/wire.ts';

export interface GuardedOptions {
  readonly setup: string;
  /** Rules, masks and the like; `access` gives everybody in `dev` everything. */
  readonly policy: Record<string, unknown>;
  readonly server?: PostgresOptions;
  /** SQL that fills a second database, which is reached as the connection `twin`. */
  readonly twin?: string;
}

const CONNECTION = 'app';
const TWIN = 'twin';
/** Of the webhooks that a policy may name. */
const HOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

export class Guarded {
  readonly server: Postgres;
  readonly house: House;
  readonly #passwords = new Map<string, { user: string; password: string }>();

  constructor(server: Postgres, house: House) {
    this.server = server;
    this.house = house;
  }

  /** A client that is logged in at the native listener, as a person of group `dev` and those given. */
  async connect(groups: readonly string[] = [], options: Partial<WireOptions> = {}): Promise<WireClient> {
    const { host, port } = this.house.gateway.native.postgres!;
    const database = options.database ?? CONNECTION;
    const { user, password } = await this.password(groups, database);
    const login = { host, port, user, password, database, ca: this.house.ca, ...options };
    for (const until = Date.now() + 30_000; ; await sleep(250)) {
      try {
        return await WireClient.connect(login);
      } catch (thrown) {
        // A disk that all the machine waits for: nothing begins unrecorded, and that is not what is looked at here.
        const stalled = /the disk of \S+ has not answered/.test((thrown as Error).message);
        if (!stalled || Date.now() > until) throw thrown;
      }
    }
  }

  /** A CancelRequest for that client, ready to go. */
  async cancel(client: WireClient): Promise<{ send(): void }> {
    const { host, port } = this.house.gateway.native.postgres!;
    const other = await WireClient.open({ host, port, ca: this.house.ca });
    return {
      send: () => {
        other.send(
          Buffer.concat([
            int32(12 + client.secretKey.length),
            int32(80877102),
            int32(client.processId),
            client.secretKey,
          ]),
        );
        other.close();
      },
    };
  }

  async password(groups: readonly string[], connection = CONNECTION): Promise<{ user: string; password: string }> {
    const key = [connection, ...groups].join(' ');
    let known = this.#passwords.get(key);
    if (known === undefined) {
      const bearer = await this.house.person(`mallory-${groups.join('-')}`, ['dev', ...groups]);
      const { status, body } = await this.house.call(bearer, 'POST', `/api/v1/connections/${connection}/token`, {
        ttl: '1h',
      });
      if (status !== 200) throw new Error(JSON.stringify(body));
      known = { user: body.user, password: body.token };
      this.#passwords.set(key, known);
    }
    return known;
  }

  /** Everything that the gateway has kept of its sessions, by file. Stop it before, or it is still being written. */
  recordings(): Buffer[] {
    return filesUnder(this.house.data)
      .filter((file) => file.endsWith('.jsonl'))
      .map((file) => readFileSync(join(this.house.data, file)));
  }

  /** What it logged, as JSON with the errors' texts. */
  log(): string {
    return JSON.stringify(this.house.log, (_, value) =>
      value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value,
    );
  }

  /** New policy, in force when this resolves. */
  async reload(policy: Record<string, unknown>): Promise<void> {
    this.house.configure(documentFor(this.server, policy));
    if (!(await this.house.gateway.reload())) throw new Error(`the policy was not taken: ${this.log().slice(-2000)}`);
  }

  /** Another gateway on the same data, after the first was closed. */
  async restart(): Promise<void> {
    await this.house.start({ protocols: [postgres as never], env: { TARGET_PASSWORD: this.server.password } });
    this.#passwords.clear();
  }

  async close(): Promise<void> {
    await this.house.close();
    await this.server.stop();
  }
}

function connectionOf(server: Postgres, database: string): Record<string, unknown> {
  return {
    protocol: 'postgres',
    target: { host: server.host, port: server.port, database, tls: 'disable' },
    credentials: { user: server.user, password: 'env:TARGET_PASSWORD' },
    recording: { rows: 100 },
  };
}

function documentFor(server: Postgres, policy: Record<string, unknown>): Record<string, unknown> {
  return {
    listen: { gateway: '127.0.0.1:0', postgres: '127.0.0.1:0' },
    connections: Object.fromEntries([CONNECTION, TWIN].map((name) => [name, connectionOf(server, name)])),
    access: [{ who: { groups: ['dev'] }, to: { names: ['*'] } }],
    rules: [],
    // They are read as they lie, however long it takes to fill them.
    recordings: { compress: false },
    ...policy,
  };
}

export async function openGuarded(options: GuardedOptions): Promise<Guarded> {
  const databases = options.twin === undefined ? [CONNECTION] : [CONNECTION, TWIN];
  const server = await startPostgres({ databases, ...options.server });
  try {
    await server.query(options.setup, CONNECTION);
    if (options.twin !== undefined) await server.query(options.twin, TWIN);
    const house = await House.open(documentFor(server, options.policy), {
      protocols: [postgres as never],
      env: { TARGET_PASSWORD: server.password, HOOK_SECRET },
    });
    return new Guarded(server, house);
  } catch (error) {
    await server.stop();
    throw error;
  }
}
