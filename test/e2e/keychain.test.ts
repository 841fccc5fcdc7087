// Where a login is kept: in a real gnome-keyring, and in a file where there is none.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { confirmDevice } from '../support/device-pages.ts';
import { PROGRAM } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually, start } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

describeWith(['gnome-keyring'], 'a login under gnome-keyring', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage({ databases: ['app'] }, (server) => ({
      connections: { app: connectionTo(server, 'app') },
    }));
  });
  afterAll(() => stage?.stop());

  it('is kept in the keychain, used by later commands, and gone after logout', async () => {
    const password = 'keyring-pass-1';
    await stage.gateway.admin(['users', 'add', 'kim', '--group', 'engineering', '--password-stdin'], `${password}\n`);
    const kim = stage.gateway.client('kim');
    const data = join(kim.home, 'data');
    mkdirSync(data, { mode: 0o700 });
    const program = `'${process.execPath}' '${PROGRAM}'`;
    const script = join(kim.home, 'session.sh');
    // One desktop session: a bus, an unlocked keyring, then the commands of its user.
    writeFileSync(
      script,
      `echo -n pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1
for i in $(seq 150); do
  dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames 2>/dev/null | grep -q org.freedesktop.secrets && break
  sleep 0.2
done
${program} login ${stage.gateway.url} --json || exit 11
echo "== status"; ${program} status --json || exit 12
echo "== whoami"; ${program} whoami --json || exit 13
echo "== logout"; ${program} logout || exit 14
echo "== after"; ${program} whoami --json; echo "code $?"
`,
    );
    const env = { ...kim.env, XDG_DATA_HOME: data, XDG_RUNTIME_DIR: data };
    const session = start('dbus-run-session', ['--', 'bash', script], { env, cwd: kim.home });
    const [line] = await session.waitFor(/^\{"verification".*\}$/m, 'stderr');
    const { verification } = JSON.parse(line) as { verification: { completeUrl: string } };
    await confirmDevice(kim.browser(), verification.completeUrl, { name: 'kim', password });
    const { code } = await session.exited;
    expect(code, session.output).toBe(0);
    expect(session.stdout).toMatch(/== status\n.*"keptIn":"keychain"/);
    expect(session.stdout).toMatch(/== whoami\n.*"subject"/);
    expect(session.stdout).toContain('code 4');
    expect(session.stderr).not.toMatch(/warning: .*keychain/i);
    // Nothing of it lies in a file of ours.
    const tokens = join(kim.home, '.config/hoopctl/tokens');
    expect(existsSync(tokens) ? readdirSync(tokens) : []).toEqual([]);
    await session.stop();
  });

  it('that is asked for by name fails where there is none, instead of falling back', async () => {
    const kim = stage.gateway.client('kim', { HOOPCTL_KEYCHAIN: 'secret-service' });
    const login = kim.start(['login', stage.gateway.url, '--json']);
    const [line] = await login.waitFor(/^\{"verification".*\}$/m, 'stderr');
    const { verification } = JSON.parse(line) as { verification: { completeUrl: string } };
    await confirmDevice(kim.browser(), verification.completeUrl, { name: 'kim', password: 'keyring-pass-1' });
    await eventually('the login has ended', () => !login.running);
    expect((await login.exited).code).not.toBe(0);
    expect(login.stderr).toMatch(/keychain/);
  });
});
