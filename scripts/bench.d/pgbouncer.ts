// The pooler that the native listener is measured against: session pooling, TLS to the client, plain to the server.

import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from '../../test/support/certificates.ts';
import type { Postgres } from '../../test/support/postgres.ts';
import { findProgram, freePort, type Running, start, temporaryDirectory } from '../../test/support/process.ts';

export interface Pooler {
  readonly port: number;
  readonly caFile: string;
  readonly process: Running;
}

export async function startPgbouncer(server: Postgres): Promise<Pooler> {
  const program = findProgram('pgbouncer');
  if (program === undefined) throw new Error('pgbouncer is not installed: scripts/test installs it');
  const directory = temporaryDirectory('pgbouncer');
  const files = await makeCertificates(directory);
  const port = await freePort();
  const users = join(directory, 'users.txt');
  writeFileSync(users, `"${server.user}" "${server.password}"\n`);
  const config = join(directory, 'pgbouncer.ini');
  writeFileSync(
    config,
    `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = session
default_pool_size = 150
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
client_tls_sslmode = require
client_tls_cert_file = ${files.certFile}
client_tls_key_file = ${files.keyFile}
log_connections = 0
log_disconnections = 0
`,
  );
  let user: { uid: number; gid: number } | undefined;
  if (process.getuid?.() === 0) {
    // It refuses to run as root, as PostgreSQL does.
    const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
    user = { uid: id('-u'), gid: id('-g') };
    chmodSync(directory, 0o755);
    for (const file of [users, config, files.certFile, files.keyFile]) chownSync(file, user.uid, user.gid);
  }
  const child = start(program, [config], { user, cwd: '/' });
  await child.waitFor(/process up/);
  return { port, caFile: files.caFile, process: child };
}
