// What a test needs of the machine: programs that not every machine has. Missing ones skip the test and say so, or fail
// it where the run requires everything (CI, HOOPCTL_TEST_REQUIRE=1).

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { findProgram, repository } from './process.ts';

export const DEBIAN_POSTGRES = '/usr/lib/postgresql/15/bin';
export const JDBC_JAR = '/usr/share/java/postgresql.jar';
export const SYSTEM_PYTHON = '/usr/bin/python3';
/** Where Debian puts the sources of Go packages. */
export const GO_PACKAGES = '/usr/share/gocode';
/** Where scripts/test puts what protoc made of opentelemetry-proto, from the top of the repository. */
export const OTLP_DEFINITIONS = '.cache/otlp';
/** The published schema of OCSF, from the top of the repository. */
export const OCSF_SCHEMA = 'test/data/ocsf-1.3.0';
/** Where scripts/test puts PostgreSQL's regression tests, from the top of the repository. */
export const REGRESSION_TESTS = '.cache/pg_regress';
/** Where scripts/test puts OpenSSH's regression tests, from the top of the repository. */
export const OPENSSH_REGRESS = '.cache/openssh';
export const PG_REGRESS = '/usr/lib/postgresql/15/lib/pgxs/src/test/regress/pg_regress';

function succeeds(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const CHECKS = {
  'postgresql-15': () => existsSync(`${DEBIAN_POSTGRES}/postgres`),
  psql: () => findProgram('psql') !== undefined,
  rsync: () => findProgram('rsync') !== undefined,
  ansible: () => findProgram('/usr/bin/ansible-playbook') !== undefined,
  less: () => findProgram('less') !== undefined,
  vim: () => findProgram('vi') !== undefined,
  zsh: () => findProgram('zsh') !== undefined,
  sshd: () => existsSync('/usr/sbin/sshd') && findProgram('ssh') !== undefined,
  asciinema: () => findProgram('asciinema') !== undefined,
  pgbench: () => findProgram('pgbench', `${DEBIAN_POSTGRES}/pgbench`) !== undefined,
  pgbouncer: () => findProgram('pgbouncer') !== undefined,
  python: () => existsSync(SYSTEM_PYTHON),
  age: () => findProgram('age') !== undefined,
  sqlite3: () => findProgram('sqlite3') !== undefined,
  psycopg: () => existsSync(SYSTEM_PYTHON) && succeeds(SYSTEM_PYTHON, ['-c', 'import psycopg']),
  paramiko: () => existsSync('/usr/lib/python3/dist-packages/paramiko/__init__.py'),
  gcc: () => findProgram('gcc') !== undefined && existsSync('/usr/include/stdio.h'),
  java: () => findProgram('javac') !== undefined && existsSync(JDBC_JAR),
  'gnome-keyring': () =>
    findProgram('gnome-keyring-daemon') !== undefined && findProgram('dbus-run-session') !== undefined,
  pg_regress: () => existsSync(PG_REGRESS) && existsSync(join(repository, REGRESSION_TESTS, 'complete')),
  'openssh regress': () =>
    existsSync('/bin/nc.openbsd') && existsSync(join(repository, OPENSSH_REGRESS, 'regress/test-exec.sh')),
  rsyslog: () => existsSync('/usr/sbin/rsyslogd') && existsSync('/var/lib/dpkg/info/rsyslog-gnutls.list'),
  'otlp definitions': () => existsSync(join(repository, OTLP_DEFINITIONS, 'complete')),
  'python3-cryptography': () => existsSync(SYSTEM_PYTHON) && succeeds(SYSTEM_PYTHON, ['-c', 'import cryptography']),
  'python3-botocore': () => existsSync(SYSTEM_PYTHON) && succeeds(SYSTEM_PYTHON, ['-c', 'import botocore.auth']),
  'golang.org/x/mod': () =>
    findProgram('go') !== undefined && existsSync(join(GO_PACKAGES, 'src/golang.org/x/mod/sumdb/tlog')),
  xvfb: () => ['Xvfb', 'xauth', 'xdpyinfo'].every((name) => findProgram(name) !== undefined),
  strace: () => findProgram('strace') !== undefined,
  'mount namespaces': () =>
    succeeds('unshare', ['--mount', ...(process.getuid?.() === 0 ? [] : ['--map-root-user']), 'true']),
  linux: () => process.platform === 'linux',
} satisfies Record<string, () => boolean>;

export type Need = keyof typeof CHECKS;

const known = new Map<Need, boolean>();

export function available(need: Need): boolean {
  let answer = known.get(need);
  if (answer === undefined) {
    answer = CHECKS[need]();
    known.set(need, answer);
  }
  return answer;
}

/** Whether a missing program is a failure instead of a skip. */
export function everythingRequired(): boolean {
  const asked = process.env.HOOPCTL_TEST_REQUIRE ?? process.env.CI ?? '';
  return asked !== '' && asked !== '0' && asked !== 'false';
}

/** What no package brings: a machine that has not got it may leave the test out, also where everything is required. */
const OF_THE_MACHINE: ReadonlySet<Need> = new Set(['mount namespaces', 'linux']);

/** `describe`, where these programs are there. */
export function describeWith(needs: readonly Need[], name: string, body: () => void): void {
  const missing = needs.filter((need) => !available(need));
  if (missing.some((need) => !OF_THE_MACHINE.has(need)) && everythingRequired()) {
    describe(name, () => {
      it('has the programs that it needs', () => {
        throw new Error(`missing on this machine, which is required to have everything: ${missing.join(', ')}`);
      });
    });
    return;
  }
  const label = missing.length > 0 ? `${name} (this machine lacks ${missing.join(', ')})` : name;
  describe.skipIf(missing.length > 0)(label, body);
}
