// What tests of `audit reconcile` share: a server that logs every statement, what runs on it around the gateway, the answer.

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Postgres } from './postgres.ts';
import { eventually, type Finished, runOk } from './process.ts';

/** The output of `audit reconcile --log … --json`, as far as it is looked at. */
export interface Reconciled {
  ok: boolean;
  connections: string[];
  gateways: { gateway: string; data?: string }[];
  incomplete: { gateway?: string; connection: string; why: string; sessions: string[] }[];
  matched: number;
  own: number;
  failed: number;
  notRecorded: { text: string; application: string; who?: string }[];
  notLogged: { text: string; session: string; op: number }[];
}

export const PREFIX = '%m [%p] %u@%d %a ';
/** Lines of postgresql.conf. */
export const LOGGING = {
  log_statement: "'all'",
  log_line_prefix: `'${PREFIX}'`,
  log_timezone: "'UTC'",
  logging_collector: 'on',
  // One file of each form, whatever the hour and however long it gets.
  log_rotation_age: 0,
  log_rotation_size: 0,
  shared_preload_libraries: "'pg_stat_statements'",
};

/** The file of a server's log with that ending. */
export async function logOf(server: Postgres, ending: string): Promise<string> {
  const [{ data_directory: data }] = (await server.query('show data_directory')) as [{ data_directory: string }];
  return join(data, 'log', readdirSync(join(data, 'log')).find((name) => name.endsWith(ending))!);
}

/** What was said before this is in the server's files: a process of its own writes them, in order, a moment later. */
export async function allLogged(server: Postgres, files: readonly string[]): Promise<void> {
  const mark = `mark ${randomUUID()} of the test`;
  await server.query(`select '${mark}'`);
  await eventually('the server has written all of it', () =>
    files.every((file) => readFileSync(file, 'utf8').includes(mark)),
  );
}

/** Runs under the gateways' account, around them. */
export function runDirect(server: Postgres, text: string, application = 'psql'): Promise<Finished> {
  return runOk('psql', ['-h', server.host, '-p', String(server.port), '-U', 'gw', '-d', 'app', '-c', text], {
    env: { ...process.env, PGPASSWORD: server.password, PGAPPNAME: application },
  });
}
