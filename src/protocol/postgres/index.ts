// The PostgreSQL protocol as the rest of the program sees it. Light: a user's machine loads this for `local` alone, so
// the parser, the machine and the login are loaded when they are first used.

import { userError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import type { LocalAccess, NativeAccess, NativeClient, Protocol } from '../contract.ts';
import './limits.ts';
import { type PostgresConfig, schema } from './schema.ts';
import { VOCABULARY } from './sql/vocabulary.ts';

function coverage(config: PostgresConfig): readonly string[] {
  const allowed = (what: 'replication' | 'function-call') => config.options.allow.includes(what);
  return [
    'inspected: every statement of the simple and the extended protocol, with its bind values; COPY in and out',
    'inspected: what a statement does, on which relations, which functions it calls; several in one message are decided together',
    'refused where rules or masks apply: text that does not parse, client_encoding other than UTF8, standard_conforming_strings off',
    'decided as SET: settings of the startup packet, but for how values are written (client_encoding, DateStyle, TimeZone and the like)',
    'refused: GSSAPI encryption, protocol versions before 3.0, message types that are not of protocol 3',
    allowed('function-call')
      ? 'passes as an opaque call: FunctionCall (refused all the same where masks apply)'
      : 'refused: FunctionCall (options.allow: [function-call])',
    allowed('replication')
      ? 'passes by its texts alone: replication connections; what comes back is not looked at (refused where masks apply, SQL on them where rules do)'
      : 'refused: replication connections (options.allow: [replication])',
    'masked: columns of results and of COPY TO STDOUT; texts of errors and notices, payloads of notifications where masks apply',
    'followed where rules name relations, columns or functions: views, partitions, rules, triggers, cascading keys, policies, functions in SQL and PL/pgSQL',
    'opaque there: functions that run text as SQL or are in other languages; everywhere: DO and CALL',
    'not seen: data that COPY FROM STDIN brings, and what another server does with a foreign table',
  ];
}

function describe(config: PostgresConfig): Readonly<Record<string, string>> {
  const { database, databases } = config.target;
  const further = databases === '*' ? 'any' : databases.join(', ');
  return { database, user: config.credentials.user, ...(further === '' ? {} : { databases: further }) };
}

/** libpq's variables that would lead a client past the local port, or carry a password that nobody asked for. */
const ELSEWHERE = [
  ...['PGHOSTADDR', 'PGSERVICE', 'PGSERVICEFILE', 'PGPASSWORD', 'PGPASSFILE', 'PGREQUIREAUTH', 'PGREQUIREPEER'],
  ...['PGSSLNEGOTIATION', 'PGREQUIRESSL', 'PGSSLCERT', 'PGSSLKEY', 'PGCHANNELBINDING', 'PGGSSENCMODE'],
  ...['PGTARGETSESSIONATTRS', 'PGLOADBALANCEHOSTS'],
];

function local(
  connection: string,
  described: Readonly<Record<string, string>>,
  host: string,
  port: number,
): LocalAccess {
  const database = described.database ?? connection;
  // The server's user is the gateway's business; any name does here, and one that is shown in prompts reads best.
  const user = described.user ?? 'hoopctl';
  const literal = host.includes(':') ? `[${host}]` : host;
  const url = `postgres://${encodeURIComponent(user)}@${literal}:${port}/${encodeURIComponent(database)}?sslmode=disable`;
  return {
    environment: {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGDATABASE: database,
      PGSSLMODE: 'disable',
      DATABASE_URL: url,
    },
    unset: ELSEWHERE,
    url,
    facts: { host, port: String(port), user, database },
    command: ['psql'],
  };
}

function native({ connection, user, host, port, ca = 'system' }: NativeClient): NativeAccess {
  const words = ['-h', host, '-p', String(port), '-U', user, connection].map(shellWord).join(' ');
  const password = `PGPASSWORD="$(hoopctl token ${shellWord(connection)})"`;
  // A password must not go to a server that nobody verified. `system` is a word of libpq's, from PostgreSQL 16 on; an
  // older one looks for a file of that name and does not connect.
  const verified = `PGSSLMODE=verify-full PGSSLROOTCERT=${shellWord(ca)}`;
  return { facts: { user, database: connection }, example: `${password} ${verified} psql ${words}` };
}

export const postgres: Protocol<PostgresConfig> = {
  name: 'postgres',
  datastore: true,
  vocabulary: VOCABULARY,
  schema,
  capabilities: () => ({ mask: true, hold: true, notify: true, refuse: true, inspect: true, meter: true }),
  coverage,
  describe,
  local,
  turnAway: async (stream, error) => (await import('./startup/turned-away.ts')).turnAway(stream, error),
  native,
  async analyse({ text, does, how }) {
    if (does !== undefined) {
      const fix = 'leave "does" out, and give the statement';
      throw userError('usage', `"does" is ${does}, and a statement's text says by itself what it does`, { fix });
    }
    const { sqlParts } = await import('./parts.ts');
    const { analyser } = await sqlParts();
    const analysis = analyser.analyse(Buffer.from(text));
    const { facts, error } = analysis;
    if (error === undefined) {
      const { namedUses } = await import('./sql/named-uses.ts');
      return { text, parts: facts, uses: namedUses(analysis) };
    }
    // What ran without a text, or ran though nobody could read it.
    if (how !== undefined) return undefined;
    const at = error.position === undefined ? '' : ` at character ${error.position}`;
    throw userError('usage', `the text does not parse as PostgreSQL${at}: ${error.message}`, {
      fix: 'correct the SQL',
    });
  },
  async inventory(target, signal) {
    const [{ connectSide }, { readInventory, together }] = await Promise.all([
      import('./startup/side.ts'),
      import('./catalogue/inventory.ts'),
    ]);
    const { database, databases } = target.config.target;
    const names = [database, ...(databases === '*' ? [] : databases)];
    const read = async (name: string) => {
      const side = await connectSide(target, name, signal);
      try {
        return await readInventory(side);
      } finally {
        side.close();
      }
    };
    return together(await Promise.all([...new Set(names)].map(read)));
  },
  async *logged(log, of) {
    const { loggedStatements } = await import('./serverlog/statements.ts');
    yield* loggedStatements(log, of);
  },
  async shapes(text) {
    const { shapesOf } = await import('./serverlog/shapes.ts');
    return shapesOf(text);
  },
  async counted(target, signal) {
    const [{ connectSide }, { readCounts }, { shapesOf }, { ownShapes }] = await Promise.all([
      import('./startup/side.ts'),
      import('./serverlog/statistics.ts'),
      import('./serverlog/shapes.ts'),
      import('./serverlog/own.ts'),
    ]);
    const own = await ownShapes(shapesOf);
    const side = await connectSide(target, target.config.target.database, signal);
    try {
      return await readCounts(side, shapesOf, (shape) => own.has(shape));
    } finally {
      side.close();
    }
  },
  async serve(visitor, services) {
    const [{ serve }, { sqlParts }] = await Promise.all([import('./serve.ts'), import('./parts.ts')]);
    await serve(visitor, services, () => sqlParts(services));
  },
};
