// Programs that people use over SSH, unchanged, through the gateway: paramiko, ansible, git, rsync, an editor's remote server.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith, SYSTEM_PYTHON } from '../support/needs.ts';
import { eventually, freePort, run, runOk, start } from '../support/process.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

const PARAMIKO = `
import paramiko, sys, io, time
port, base = int(sys.argv[1]), sys.argv[2]
t = paramiko.Transport(('127.0.0.1', port))
t.start_client()
t.auth_none('hoopctl')
c = t.open_session(); c.exec_command('cat; echo err >&2; exit 3'); c.sendall(b'through paramiko'); c.shutdown_write()
assert c.makefile().read() == b'through paramiko' and c.makefile_stderr().read() == b'err\\n' and c.recv_exit_status() == 3; c.close()
s = paramiko.SFTPClient.from_transport(t)
data = bytes(range(256)) * 8192
s.mkdir(base)
with s.open(base + '/a', 'wb') as f: f.set_pipelined(True); f.write(data)
out = io.BytesIO(); s.getfo(base + '/a', out); assert out.getvalue() == data
s.posix_rename(base + '/a', base + '/b'); s.chmod(base + '/b', 0o600); s.symlink('b', base + '/c')
with s.open(base + '/b') as f: assert f.readv([(0, 10), (100000, 10), (5, 3)]) and f.stat().st_size == len(data)
assert sorted(s.listdir(base)) == ['b', 'c'] and s.readlink(base + '/c') == 'b'
d = t.open_channel('direct-tcpip', ('127.0.0.1', int(sys.argv[3])), ('127.0.0.1', 1))
d.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); assert b'the web page' in d.makefile().read()
sh = t.open_session(); sh.get_pty(); sh.invoke_shell(); sh.sendall(b'echo shell-$((40+2)); exit 4\\n')
assert b'shell-42' in sh.makefile().read() and sh.recv_exit_status() == 4
for i in range(20):
    c = t.open_session(); c.exec_command('exit %d' % i); assert c.recv_exit_status() == i; c.close()
# paramiko's reader answers a close itself, and waits for ever to do so while its own exchange of keys goes on (it is who would
# end that exchange). A channel closed here needs no answer; the listing's answer comes after every close that was on its way.
for open in (d, sh): open.close()
assert sorted(s.listdir(base)) == ['b', 'c']
t.renegotiate_keys()
c = t.open_session(); c.exec_command('echo after'); assert c.makefile().read() == b'after\\n'
print('done')
`;

describeWith(['sshd', 'rsync', 'paramiko', 'ansible'], 'clients of ssh', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let connected: Connected;
  let web: Server;

  beforeAll(async () => {
    sshd = await startSshd();
    web = createServer((_, answer) => void answer.end('the web page\n')).listen(0, '127.0.0.1');
    gateway = await startGateway({
      config: {
        connections: {
          host: {
            protocol: 'ssh',
            target: { host: sshd.host, port: sshd.port, hostKeys: [sshd.hostKey] },
            credentials: { user: sshd.user, key: `file:${sshd.keyFile}` },
          },
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    connected = await alice.connect('host');
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
    web?.close();
  });

  const options = () => [
    ...['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
    ...['-o', 'LogLevel=ERROR', '-o', `Port=${connected.port}`],
  ];
  const environment = () => ({
    ...alice.env,
    GIT_SSH_COMMAND: `ssh ${options().join(' ')}`,
    GIT_CONFIG_GLOBAL: '/dev/null',
  });

  it('paramiko: commands, files, a forwarding, a shell, new keys', { timeout: 180_000 }, async () => {
    const { port } = web.address() as AddressInfo;
    const args = ['-c', PARAMIKO, `${connected.port}`, join(sshd.directory, 'paramiko'), `${port}`];
    const done = await run(SYSTEM_PYTHON, args, { env: alice.env, timeout: 150_000 });
    expect(done.stdout, done.stderr).toBe('done\n');
  });

  it('ansible: a playbook of 30 tasks', { timeout: 240_000 }, async () => {
    const base = join(sshd.directory, 'ansible');
    mkdirSync(base);
    const tasks = [
      { file: { path: `${base}/d`, state: 'directory' } },
      { copy: { content: 'copied\n', dest: `${base}/d/copied` } },
      { stat: { path: `${base}/d/copied` }, register: 'found' },
      { assert: { that: 'found.stat.size == 7' } },
      { fetch: { src: `${base}/d/copied`, dest: join(alice.home, 'fetched'), flat: true } },
      { lineinfile: { path: `${base}/d/copied`, line: 'another' } },
      { slurp: { src: `${base}/d/copied` }, register: 'text' },
      { assert: { that: "'another' in (text.content | b64decode)" } },
      { setup: { gather_subset: 'min' } },
      { script: { cmd: join(alice.home, 'script') } },
      ...Array.from({ length: 18 }, (_, i) => ({ raw: `echo task-${i} >> ${base}/raw` })),
      { command: { cmd: 'uname -s' }, register: 'system' },
      { assert: { that: "system.stdout == 'Linux'" } },
    ];
    expect(tasks.length).toBe(30);
    writeFileSync(join(alice.home, 'script'), `#!/bin/sh\necho ran > ${base}/script\n`.replaceAll('\\\n', '\n'));
    writeFileSync(join(alice.home, 'book.json'), JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]));
    const inventory = `host ansible_host=127.0.0.1 ansible_port=${connected.port} ansible_python_interpreter=${SYSTEM_PYTHON}`;
    writeFileSync(join(alice.home, 'hosts'), `${inventory}\n`.replaceAll('\\\n', '\n'));
    const done = await run('ansible-playbook', ['-i', join(alice.home, 'hosts'), join(alice.home, 'book.json')], {
      timeout: 220_000,
      env: {
        ...alice.env,
        ANSIBLE_SSH_ARGS: `${options().join(' ')} -o ControlMaster=auto -o ControlPersist=20s`,
        ANSIBLE_SSH_CONTROL_PATH_DIR: alice.home,
        ANSIBLE_NOCOLOR: '1',
        ANSIBLE_LOCAL_TEMP: alice.home,
        ANSIBLE_REMOTE_TEMP: join(base, 'tmp'),
      },
    });
    expect(done.code, done.stdout + done.stderr).toBe(0);
    expect(done.stdout).toMatch(/ok=30 /);
    expect(readFileSync(join(base, 'raw'), 'utf8').trim().split('\n')).toHaveLength(18);
    expect(existsSync(join(base, 'script'))).toBe(true);
  });

  it('git: clone, push, fetch', { timeout: 180_000 }, async () => {
    const bare = join(sshd.directory, 'a.git');
    const url = `ssh://127.0.0.1:${connected.port}${bare}`;
    const env = environment();
    const git = (at: string, ...args: string[]) =>
      runOk('git', ['-C', at, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { env });
    await runOk('git', ['init', '-q', '--bare', '-b', 'main', bare], { env });
    const [one, two] = [join(alice.home, 'one'), join(alice.home, 'two')];
    await runOk('git', ['clone', '-q', url, one], { env });
    for (let i = 0; i < 50; i++) writeFileSync(join(one, `file-${i}`), `text ${i}\n`.repeat(100));
    await git(one, 'add', '.');
    await git(one, 'commit', '-qm', 'first');
    await git(one, 'push', '-q', 'origin', 'HEAD:main');
    await runOk('git', ['clone', '-q', '-b', 'main', url, two], { env });
    expect(readFileSync(join(two, 'file-49'))).toEqual(readFileSync(join(one, 'file-49')));
    writeFileSync(join(two, 'file-1'), 'changed\n');
    await git(two, 'commit', '-qam', 'second');
    await git(two, 'push', '-q');
    await git(one, 'pull', '-q', 'origin', 'main');
    expect(readFileSync(join(one, 'file-1'))).toEqual(readFileSync(join(two, 'file-1')));
  });

  it('rsync: 10,000 files there and back', { timeout: 240_000 }, async () => {
    const from = join(alice.home, 'many');
    for (let d = 0; d < 100; d++) {
      mkdirSync(join(from, `${d}`), { recursive: true });
      for (let f = 0; f < 100; f++) writeFileSync(join(from, `${d}`, `${f}`), `file ${d} ${f}\n`.repeat(1 + (f % 7)));
    }
    const shell = `ssh ${options().join(' ')}`;
    const remote = `127.0.0.1:${join(sshd.directory, 'many')}/`;
    const within = { env: alice.env, timeout: 110_000 };
    await runOk('rsync', ['-a', '-e', shell, `${from}/`, remote], within);
    const back = join(alice.home, 'back');
    await runOk('rsync', ['-a', '-e', shell, remote, `${back}/`], within);
    const sum = async (at: string) => {
      const { stdout } = await runOk('sh', ['-c', `cd '${at}' && find . -type f | sort | xargs cat`]);
      return createHash('sha256').update(stdout).digest('hex');
    };
    expect((await runOk('sh', ['-c', `find '${back}' -type f | wc -l`])).stdout.trim()).toBe('10000');
    expect(await sum(back)).toBe(await sum(from));
  });

  it("an editor's remote server: installed by a script on stdin, reached by a forwarding", {
    timeout: 180_000,
  }, async () => {
    const base = join(sshd.directory, 'editor-server');
    const server = `import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
  def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'editor ready')
  def log_message(self, *a): pass
s = http.server.HTTPServer(('127.0.0.1', 0), H); print('listeningOn==%d==' % s.server_port, flush=True); s.serve_forever()`;
    const archive = Buffer.from(server).toString('base64');
    // As the editor does it: one ssh with a dynamic forwarding whose stdin is the script, and stays open.
    const socks = await freePort();
    const editor = start('ssh', ['-T', '-D', `${socks}`, ...options(), '127.0.0.1', 'bash'], { env: alice.env });
    editor.child.stdin?.write(
      `mkdir -p ${base} && echo ${archive} | base64 -d > ${base}/server.py && echo $$ > ${base}/pid && exec ${SYSTEM_PYTHON} ${base}/server.py\n`,
    );
    const [, port] = await editor.waitFor(/listeningOn==(\d+)==/, 'stdout');
    const page = await eventually('the server answers', async () => {
      const done = await run('curl', ['-s', '--socks5-hostname', `127.0.0.1:${socks}`, `http://127.0.0.1:${port}/`]);
      return done.code === 0 ? done.stdout : undefined;
    });
    expect(page).toBe('editor ready');
    await editor.stop();
    // It has no terminal and reads nothing: the end of its session does not end it.
    process.kill(Number(readFileSync(join(base, 'pid'), 'utf8')));
  });
});
