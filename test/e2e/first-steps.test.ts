// The README's First steps, block by block as somebody pastes them: in a shell, in the order in which they stand there.
// Instead of npm, sudo and the two well-known ports there are stand-ins; a person's hands are played.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Browser, confirmDevice } from '../support/device-pages.ts';
import { cleanEnvironment, PROGRAM } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { freePort, type Running, repository, run, runOk, start, temporaryDirectory } from '../support/process.ts';
import { CTRL_C, onTerminal } from '../support/terminal.ts';

const PASSWORD = 'correct horse';

let server: Postgres;
let port: number;
let folder: string;
let env: Record<string, string | undefined>;
let gateway: Running | undefined;

/** The shell blocks of the section, with this machine's ports. */
function blocks(): string[] {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  const section = readme.slice(readme.indexOf('## First steps'), readme.indexOf('## Verbs'));
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) =>
    block!.replaceAll('port: 5432', `port: ${server.port}`).replaceAll(':7443', `:${port}`),
  );
}

beforeAll(async () => {
  server = await startPostgres();
  port = await freePort();
  folder = temporaryDirectory('steps');
  const bin = join(folder, 'stand-ins');
  mkdirSync(bin);
  mkdirSync(join(folder, 'bin'));
  const programs = {
    npm: ':',
    // `sudo -u postgres psql …`
    sudo: `shift 2; PGHOST=127.0.0.1 PGPORT=${server.port} PGUSER=${server.user} PGPASSWORD='${server.password}' exec "$@"`,
    node: `exec '${process.execPath}' "$@"`,
  };
  for (const [name, line] of Object.entries(programs)) writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`);
  for (const name of Object.keys(programs)) chmodSync(join(bin, name), 0o755);
  writeFileSync(join(folder, 'bin', 'hoopctl.js'), `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(join(folder, 'bin', 'hoopctl.js'), 0o755);
  const clean = cleanEnvironment(folder);
  env = {
    ...clean,
    PATH: `${bin}:${join(folder, '.local', 'bin')}:${clean.PATH}`,
    HOOPCTL_LISTEN: `127.0.0.1:${port}`,
  };
});
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
});

const browser = () => new Browser({ ca: readFileSync(join(folder, 'gateway/tls/ca.pem'), 'utf8') });
const confirm = async (said: RegExpMatchArray) =>
  confirmDevice(browser(), said[1]!, { name: 'alice', password: PASSWORD }, { code: said[2]! });

describeWith(['psql'], 'First steps of the README', () => {
  it('can be followed as they stand there', async () => {
    const [install, role, serve, user, login, use, ...more] = blocks();
    expect(more).toEqual([]);
    const options = { cwd: folder, env };
    await runOk('sh', ['-ec', install!], options);
    await runOk('sh', ['-ec', role!], options);
    gateway = start('sh', ['-ec', serve!], options);
    const [line] = await gateway.waitFor(/(?<=^log in +)hoopctl login .*$/m);

    const added = onTerminal('sh', ['-ec', user!], options);
    await added.waitFor(/new password for 'alice': /);
    added.type(`${PASSWORD}\n`);
    await added.waitFor(/once more: /);
    added.type(`${PASSWORD}\n`);
    await added.waitFor(/alice added to engineering, admins/);

    const ASKED = /open\s+(https:\S+)\s+and enter the code\s+(\S+)/;
    const logging = start('sh', ['-ec', login!], options);
    await confirm(await logging.waitFor(ASKED, 'stderr'));
    await logging.waitFor(/logged in to \S+ as alice@example.com/);
    await logging.exited;

    const terminal = onTerminal('sh', ['-ec', use!], { ...options, env: { ...env, NO_COLOR: '1' } });
    await terminal.waitFor(/PROTOCOL[\s\S]*prod-db +postgres +open[\s\S]*\?column\?[\s\S]*app_rw[\s\S]*WHO/);
    const [, url] = await terminal.waitFor(/alice@example\.com[\s\S]*(postgres:\/\/app_rw@127\.0\.0\.1:\d+\/app\S*)/);
    expect(await run('psql', [url!, '-XAtc', 'select 42'], options)).toMatchObject({ code: 0, stdout: '42\n' });
    terminal.type(CTRL_C);
    await terminal.process.exited;

    // The line that `serve` printed: from a machine that knows nothing, without a terminal.
    const elsewhere = { cwd: folder, env: { ...env, HOOPCTL_HOME: temporaryDirectory('elsewhere') } };
    const pasted = start('sh', ['-ec', line], elsewhere);
    await confirm(await pasted.waitFor(ASKED, 'stderr'));
    await pasted.waitFor(/logged in to \S+ as alice@example.com/);
    expect((await pasted.exited).code).toBe(0);
  });
});
