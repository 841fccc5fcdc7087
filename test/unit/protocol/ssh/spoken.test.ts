// Operations of SSH that are spoken of in tests of a policy and in explanations: facts as a session would have them.

import { expect, it } from 'vitest';
import type { Spoken } from '../../../../src/protocol/contract.ts';
import { ssh } from '../../../../src/protocol/ssh/index.ts';

const config = (options: object = {}) =>
  ssh.schema.parse({
    target: { host: '10.0.0.7', hostKeys: ['SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'] },
    credentials: { user: 'deploy', password: 'env:PW' },
    options,
  });
const analyse = (spoken: Spoken, options?: object) => ssh.analyse(spoken, config(options));
const failing = (text: string, does?: string) =>
  analyse({ text, ...(does === undefined ? {} : { does }) }).then(
    () => 'understood',
    (error: Error) => error.message,
  );

it.each<[string, string, string, string[], string | undefined]>([
  ['shell', '', 'shell', [], 'what is typed in a shell cannot be decided, but by options.shell: commands'],
  ['shell', 'shell', 'shell', [], 'what is typed in a shell cannot be decided, but by options.shell: commands'],
  ['sftp', '', 'sftp', [], undefined],
  ['sftp-read', '/etc/shadow', 'read /etc/shadow', ['/etc/shadow'], undefined],
  ['sftp-read', 'read /etc/a b', 'read /etc/a b', ['/etc/a b'], undefined],
  ['sftp-list', '/', 'list /', ['/'], undefined],
  ['sftp-remove', 'rmdir /x', 'rmdir /x', ['/x'], undefined],
  ['sftp-rename', '/a b /c', 'rename /a b /c', ['/a b', '/c'], undefined],
  ['sftp-link', 'symlink ../x /c', 'symlink ../x /c', ['/c'], undefined],
  ['sftp-link', 'hardlink /a /c', 'hardlink /a /c', ['/a', '/c'], undefined],
  ['forward', '0x7f.1:80', '0x7f.1:80', ['127.0.0.1:80'], 'the bytes of a forwarding are not inspected'],
  ['forward', '[::1]:80', '[::1]:80', ['[::1]:80'], 'the bytes of a forwarding are not inspected'],
  ['forward-remote', '8080', '*:8080', ['*:8080'], 'the bytes of a forwarding are not inspected'],
  ['forward-unix', '/run/x.sock', '/run/x.sock', ['/run/x.sock'], 'the bytes of a forwarding are not inspected'],
])('%s of "%s" is "%s" on record', async (does, said, text, places, opaque) => {
  const found = await analyse({ text: said, does });
  expect(found).toMatchObject({ text, parts: [{ does: [does] }] });
  expect(found?.parts[0]?.places?.map(({ place }) => place) ?? []).toEqual(places);
  expect(found?.parts[0]?.opaque).toBe(opaque);
  expect(found?.refused).toBeUndefined();
});

it('tells a command from what has the same text', async () => {
  expect(await analyse({ text: 'cat < /etc/shadow' })).toMatchObject({
    parts: [{ does: ['exec'], programs: ['cat'], places: [{ place: '/etc/shadow' }] }],
  });
  expect((await analyse({ text: 'shell', does: 'exec' }))?.parts).toMatchObject([
    { does: ['exec'], programs: ['shell'] },
  ]);
  expect((await analyse({ text: 'ls', does: 'command' }))?.parts).toMatchObject([{ does: ['exec', 'command'] }]);
  expect((await analyse({ text: 'mkdir /srv/x' }))?.parts).toMatchObject([{ does: ['exec'] }]);
  for (const text of ['shell', 'read /etc/shadow', 'rename /a /b', '10.0.0.5:443', 'x11']) {
    expect(await failing(text)).toMatch(/may be a command, or does: /);
  }
});

it('says what cannot be understood', async () => {
  expect(await failing('ls', 'shell')).toBe('shell has no text, and "ls" is given');
  expect(await failing('', 'exec')).toBe('exec needs a text');
  expect(await failing('etc/shadow', 'sftp-read')).toMatch(/expected an absolute path/);
  expect(await failing('/a', 'sftp-rename')).toMatch(/expected two absolute paths/);
  expect(await failing('/a /b /c', 'sftp-rename')).toMatch(/expected two absolute paths/);
  expect(await failing('10.0.0.5', 'forward')).toMatch(/expected host:port/);
  expect(await failing('x', 'drop')).toMatch(/"drop" is no word/);
});

it('goes by the options of the connection', async () => {
  const shell = await analyse({ text: '', does: 'shell' }, { shell: 'commands' });
  expect(shell).toEqual({ text: 'shell', parts: [expect.not.objectContaining({ opaque: expect.anything() })] });
  expect((await analyse({ text: '', does: 'x11' }))?.refused).toBe('options.allow does not have x11');
  expect((await analyse({ text: '', does: 'x11' }, { allow: ['x11'] }))?.refused).toBeUndefined();
  expect((await analyse({ text: 'netconf', does: 'subsystem' }))?.refused).toMatch(/"netconf" is not inspected/);
});

it('a forwarding to the target of another connection is a session of that, and not opaque', async () => {
  const neighbour = (host: string, port: number) => (host === '10.0.0.5' && port === 5432 ? 'prod-db' : undefined);
  const opaque = async (text: string) => (await analyse({ text, does: 'forward', neighbour }))?.parts[0]?.opaque;
  expect(await opaque('10.0.0.5:5432')).toBeUndefined();
  expect(await opaque('10.0.0.5:80')).toBeDefined();
});

it('reads of what is on record the texts of commands, and no other', async () => {
  expect((await analyse({ text: 'ls', how: 'exec' }))?.parts).toMatchObject([{ does: ['exec'] }]);
  expect((await analyse({ text: 'ls', how: 'command' }))?.parts).toMatchObject([{ does: ['exec', 'command'] }]);
  for (const how of [
    'shell',
    'subsystem',
    'sftp',
    'forward',
    'forwarded',
    'forward-remote',
    'feature',
    'x11',
    'agent',
  ]) {
    expect(await analyse({ text: 'shell', how })).toBeUndefined();
  }
});
