import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { limit } from '../../../src/core/limits.ts';
import type { Log } from '../../../src/core/log.ts';
import { CredentialResolver, needsShell } from '../../../src/target/credentials.ts';

let directory: string;
let now = 0;
const logged: string[] = [];
const record = (fields: object, message: string) => void logged.push(JSON.stringify({ ...fields, message }));
const log: Log = { debug: record, info: record, warn: record, error: record };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hoopctl-credentials-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
beforeEach(() => {
  logged.length = 0;
});

function resolver(environment: Record<string, string> = {}, execTimeoutMs = 10_000) {
  return new CredentialResolver({
    environment: { PATH: '/usr/bin:/bin', ...environment },
    log,
    clock: { now: () => now },
    execTtlMs: 60_000,
    execTimeout: () => limit('credentials_exec_ms', 'ms', execTimeoutMs),
  });
}

describe('credentials by reference', () => {
  it('resolves literals, environment, file and command, and cuts one trailing newline', async () => {
    const path = join(directory, 'password');
    await writeFile(path, 'from file\n\n', { mode: 0o600 });
    const values = await resolver({ PW: 'from env' }).resolve('prod-db', {
      user: 'app',
      a: 'env:PW',
      b: `file:${path}`,
      c: 'exec:printf "%s\\n" "from command"',
      d: { from: 'env', name: 'PW' },
      e: undefined,
    });
    expect(values).toEqual({ user: 'app', a: 'from env', b: 'from file\n', c: 'from command', d: 'from env' });
    expect(logged).toEqual([]);
  });

  it('names the field and the connection, never the reference or the value, when one is missing', async () => {
    const error = await resolver()
      .resolve('prod-db', { password: 'env:PROD_PW' })
      .catch((thrown) => thrown);
    expect(error).toMatchObject({
      // Who runs the gateway can mend it: no fault of the program, no stack.
      fault: 'user',
      code: 'credentials_unavailable',
      message: 'the gateway cannot get credential "password" of "prod-db"',
      fix: expect.stringContaining('administrator'),
    });
    expect(JSON.stringify(error)).not.toContain('PROD_PW');
    expect(logged.join()).toContain('env:PROD_PW');
  });

  it('knows what is missing without reading or running anything', async () => {
    const path = join(directory, 'there');
    const mark = join(directory, 'ran');
    await writeFile(path, 'secret', { mode: 0o600 });
    const credentials = resolver({ PW: 'x', EMPTY: '' });
    const why = async (written: unknown) => (await credentials.missing(written))?.why;
    for (const there of [
      'literal',
      7,
      undefined,
      'env:PW',
      `file:${path}`,
      `exec:touch ${mark}`,
      'exec:/no/such/program',
    ]) {
      expect(await why(there)).toBeUndefined();
    }
    await expect(readFile(mark)).rejects.toThrow();
    expect(await credentials.missing('env:PROD_PW')).toMatchObject({ reference: 'env:PROD_PW', why: 'is not set' });
    expect(await why('env:EMPTY')).toBe('is not set');
    expect(await why({ from: 'file', path: `${path}-not` })).toBe('cannot be read (ENOENT)');
    expect(logged).toEqual([]);
  });

  it('keeps what a failing command printed out of errors and log', async () => {
    const error = await resolver()
      .resolve('prod-db', { password: 'exec:sh -c "echo hunter2; echo hunter2 >&2; exit 3"' })
      .catch((thrown) => thrown);
    expect(error.code).toBe('credentials_unavailable');
    expect(logged.join()).toContain('exit code 3');
    expect(`${JSON.stringify(error)}${error.stack}${logged.join()}`).not.toContain('hunter2');
  });

  it('runs a command once within its time to live, also for two that ask at once, and again after it', async () => {
    const counter = join(directory, 'count');
    const command = `exec:sh -c 'echo x >> ${counter}; echo secret'`;
    const credentials = resolver();
    await Promise.all([credentials.resolve('a', { p: command }), credentials.resolve('b', { p: command })]);
    await credentials.resolve('a', { p: command });
    expect(await readFile(counter, 'utf8')).toBe('x\n');
    now += 60_001;
    await credentials.resolve('a', { p: command });
    expect(await readFile(counter, 'utf8')).toBe('x\nx\n');
  });

  it('does not keep a failure', async () => {
    const flag = join(directory, 'flag');
    const credentials = resolver();
    const command = `exec:cat ${flag}`;
    await expect(credentials.resolve('a', { p: command })).rejects.toThrow();
    await writeFile(flag, 'now', { mode: 0o600 });
    expect(await credentials.resolve('a', { p: command })).toEqual({ p: 'now' });
  });

  it('ends a command that hangs, with everything it started', async () => {
    await expect(resolver({}, 100).resolve('a', { p: 'exec:sleep 600 | cat' })).rejects.toMatchObject({
      code: 'credentials_unavailable',
    });
    expect(logged.join()).toContain('credentials_exec_ms');
  });

  it('warns once of a file that everybody can read', async () => {
    const path = join(directory, 'open');
    await writeFile(path, 'secret');
    await chmod(path, 0o644);
    const credentials = resolver();
    await credentials.resolve('a', { p: `file:${path}` });
    await credentials.resolve('a', { p: `file:${path}` });
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('read by everybody');
  });

  it('starts a shell only where the command needs one', () => {
    expect(needsShell('vault kv get -field=password secret/db')).toBe(false);
    expect(needsShell('echo "$HOME"')).toBe(true);
    expect(needsShell('A=1 cmd')).toBe(true);
    expect(needsShell('a | b')).toBe(true);
  });
});
