// Encrypted recordings with real clients: what an auditor reads with age's keys and nobody else does, what is in the data
// directory, what a kill leaves, and what is noticed when somebody meddles with ciphertext and keys.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../support/gateway.ts';
import { describeWith, SYSTEM_PYTHON } from '../support/needs.ts';
import { contentsUnder, eventually, repository } from '../support/process.ts';
import { connectionTo, type Stage, startStage } from '../support/stage.ts';

/** Stands in statements, parameters, values, names, errors and notes of encrypted sessions, and nowhere else. */
const CANARY = 'kanarienvogel';
const SETUP = `create table ${CANARY}s (id int, song text); insert into ${CANARY}s values (1, '${CANARY} sings'), (2, null);`;

let stage: Stage;
let auditor: Client;
let recipients: string[];
const [KEY, OTHER, STRANGER] = ['auditor.key', 'second.key', 'stranger.key'];

async function identity(file: string): Promise<string> {
  const { stdout } = await auditor.runOk(['admin', 'recording-key', '-o', file]);
  return stdout.trim();
}

beforeAll(async () => {
  stage = await startStage(
    { databases: ['app'] },
    (server) => ({ connections: { app: connectionTo(server, 'app') } }),
    {
      setup: SETUP,
      database: 'app',
    },
  );
  auditor = await stage.gateway.user('iris', { groups: ['auditors'] });
  recipients = [await identity(KEY), await identity(OTHER)];
  await identity(STRANGER);
  const encrypt = { recipients };
  const of = (recording: object) => connectionTo(stage.server, 'app', { labels: { env: 'prod' }, recording });
  const config = {
    ...(JSON.parse(readFileSync(stage.gateway.configFile, 'utf8')) as object),
    connections: {
      app: of({}),
      synced: of({ durability: 'synced' }),
      small: of({ durability: 'synced' }),
      plain: of({ encrypt: 'off' }),
      read: of({ encrypt: { recipients, gatewayReads: true } }),
    },
    recordings: { defaults: [{ labels: { env: 'prod' }, encrypt }] },
    limits: { recording_pack_after_ms: 200, recording_segment_bytes: 4096 },
  };
  await stage.gateway.stop();
  stage.gateway.writeConfig(config, 'postgres');
  await stage.gateway.start();
});
afterAll(() => stage?.stop());

const SCRIPT = [
  `select song as ${CANARY} from ${CANARY}s where song like '%${CANARY}%'`,
  `select '${CANARY}' from no_${CANARY}`,
  `set application_name = '${CANARY}'`,
  `do $$ begin raise notice '${CANARY}'; end $$`,
  `select 1 as one\\; select '${CANARY}'::text as two\\; select 3 as three`,
  `prepare p as select $1::text || '${CANARY}'`,
  `execute p ('${CANARY}')`,
];

/** Runs the script with psql; the session's id. */
async function session(connection: string, script: readonly string[] = SCRIPT): Promise<string> {
  const before = new Set(await ids(connection));
  await stage.alice.run(['exec', connection, '--', 'psql', '-At'], { input: `${script.join(';\n')};\n` });
  return eventually('it has ended', async () => {
    const [id] = (await ids(connection, ['--state', 'ended'])).filter((one) => !before.has(one));
    return id;
  });
}

async function ids(connection: string, more: readonly string[] = []): Promise<string[]> {
  const { stdout } = await auditor.runOk(['sessions', 'ls', '--connection', connection, ...more, '--json']);
  return (JSON.parse(stdout) as { sessions: { id: string }[] }).sessions.map(({ id }) => id);
}

/** The files below a directory that have the canary in them, unpacked. */
function sightings(directory = stage.gateway.data): string[] {
  return [...contentsUnder(directory)]
    .filter(([name, bytes]) => (name.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).includes(CANARY))
    .map(([name]) => join(directory, name));
}

function fileOf(id: string, ending: string): string {
  const name = `${id}${ending}`;
  const found = readdirSync(stage.gateway.recordings, { recursive: true, encoding: 'utf8' }).find((one) =>
    one.endsWith(name),
  );
  if (found === undefined) throw new Error(`there is no ${name}`);
  return join(stage.gateway.recordings, found);
}

const packed = (id: string) =>
  eventually('it is compressed', () => {
    fileOf(id, '.jsonl.zst');
    return !readdirSync(join(stage.gateway.recordings, 'packing')).includes(id);
  });

async function verify(args: readonly string[] = []): Promise<{ codes: string[]; notes: string }> {
  const { stdout } = await auditor.run(['audit', 'verify', stage.gateway.data, ...args, '--json']);
  const [place] = (JSON.parse(stdout) as { places: { problems: { code: string }[]; notes: string[] }[] }).places;
  return { codes: place!.problems.map(({ code }) => code), notes: place!.notes.join('\n') };
}

describeWith(['psql'], 'encrypted sessions', () => {
  it('are read with an identity of any recipient, statement by statement, and by nobody else', async () => {
    const id = await session('app');
    for (const key of [KEY, OTHER]) {
      const { stdout, stderr } = await auditor.runOk(['sessions', 'replay', id, '--identity', key]);
      expect(stdout).toContain(`${CANARY} sings`);
      expect(stdout).toContain(`execute p ('${CANARY}')`);
      expect(stdout).toContain(`42P01: relation "no_${CANARY}" does not exist`);
      expect(stderr).toContain('the chain holds, sealed as');
    }
    const without = await auditor.run(['sessions', 'replay', id]);
    expect([without.code, without.stdout]).toEqual([1, '']);
    expect(without.stderr).toContain(`the recording of ${id} is encrypted for ${recipients.join(', ')}`);
    expect(without.stderr).toContain('--identity FILE');
    const wrong = await auditor.run(['sessions', 'replay', id, '--identity', STRANGER]);
    expect([wrong.code, wrong.stdout]).toEqual([1, '']);
    expect(wrong.stderr).toContain(`'${STRANGER}' has the identity of age1`);
    const env = await auditor.runOk(['sessions', 'replay', id], { env: { HOOPCTL_IDENTITY: KEY } });
    expect(env.stdout).toContain(`${CANARY} sings`);
    const none = await auditor.run(['sessions', 'replay', id, '--identity', 'nowhere.key']);
    expect(none.stderr).toContain("cannot read the identities in 'nowhere.key': there is no such file\n");
  });

  it('leave nothing of what was said in the data directory, however they are recorded, while open and after', async () => {
    const open = stage.alice.start(['exec', 'app', '--', 'psql', '-Atc', `select '${CANARY}', pg_sleep(60)`]);
    const synced = stage.alice.start(['exec', 'synced', '--', 'psql', '-Atc', `select '${CANARY}', pg_sleep(60)`]);
    const marks = join(stage.gateway.recordings, 'open');
    await eventually('both are being recorded', () => {
      return readdirSync(marks).filter((name) => name.startsWith('s-')).length === 2;
    });
    const tailed = auditor.start(['sessions', 'tail']);
    await eventually('it is watched', () => tailed.output.includes('watching'));
    const done = await Promise.all([session('app'), session('synced'), session('small', [...SCRIPT, ...SCRIPT])]);
    // Live, from memory: who may watch may see.
    await eventually('what is said is seen live', () => tailed.output.includes(CANARY));
    await tailed.stop();
    for (const id of done) await packed(id);
    await eventually('the index has them', async () => {
      const { stdout } = await auditor.runOk([
        'sessions',
        'search',
        '--session',
        done[1]!,
        '--status',
        'error',
        '--json',
      ]);
      return (JSON.parse(stdout) as { operations: unknown[] }).operations.length === 1;
    });
    expect(existsSync(join(stage.gateway.data, 'index.sqlite'))).toBe(true);
    expect(sightings()).toEqual([]);
    expect(stage.gateway.log).not.toContain(CANARY);
    await open.stop('SIGKILL');
    await synced.stop('SIGKILL');
  });

  it('are found by what is no secret', async () => {
    const id = await session('app');
    const search = async (...args: string[]) => {
      const { stdout } = await auditor.runOk(['sessions', 'search', '--session', id, ...args, '--json']);
      return (JSON.parse(stdout) as { operations: { text: string; rows?: number }[] }).operations;
    };
    await eventually('the index has it', async () => (await search()).length === SCRIPT.length);
    expect((await search()).every(({ text }) => text === '')).toBe(true);
    expect(await search('--who', 'alice@example.com', '--rows', '1')).not.toEqual([]);
    // Its words are in the log: who searched for what is on record.
    expect(await search('sings')).toEqual([]);
    const { stdout } = await auditor.runOk(['sessions', 'show', id]);
    expect(stdout).toContain(`for ${recipients.join(', ')}`);
    expect((await stage.alice.runOk(['describe', 'app'])).stdout).toContain('nobody else reads what is said');
    expect((await stage.alice.runOk(['describe', 'plain'])).stdout).not.toContain('nobody else reads');
  });

  it('are compared, exported and copied in the clear by who has an identity, and without as they are', async () => {
    const [one, other] = [await session('app'), await session('app', SCRIPT.slice(1))];
    const diff = await auditor.run(['sessions', 'diff', one, other, '--identity', KEY]);
    expect([diff.code, diff.stdout]).toEqual([1, expect.stringContaining(`- #1 ${SCRIPT[0]}`)]);
    expect((await auditor.run(['sessions', 'diff', one, other])).stderr).toContain('is encrypted for');
    await auditor.runOk(['sessions', 'export', one]);
    await auditor.runOk(['audit', 'verify', `${one}.jsonl`]);
    const opened = await auditor.runOk(['audit', 'verify', `${one}.jsonl`, '--identity', KEY]);
    expect(opened.stdout).toContain(`1 encrypted recordings were read with '${KEY}'`);
    expect((await auditor.run(['audit', 'verify', `${one}.jsonl`, '--identity', STRANGER])).code).toBe(2);
    expect(readFileSync(join(auditor.home, `${one}.jsonl`), 'utf8')).not.toContain(CANARY);
    expect(existsSync(join(auditor.home, `${one}.key.age`))).toBe(true);
    await auditor.runOk(['sessions', 'export', one, '--identity', KEY]);
    expect(readFileSync(join(auditor.home, `${one}.decrypted.jsonl`), 'utf8')).toContain(`"text":"${SCRIPT[1]};"`);
    for (const source of [[], ['--data', stage.gateway.data]]) {
      const copy = [
        'audit',
        'export',
        '--since',
        '1h',
        '--session',
        one,
        '--kind',
        'session.*',
        '--with-rows',
        ...source,
      ];
      const shut = (await auditor.runOk(copy)).stdout;
      expect(shut).toContain('"encrypted":true');
      expect(shut).toContain('session.intent');
      expect(shut).not.toContain('"enc"');
      expect(shut).not.toContain(CANARY);
      const { stdout, stderr } = await auditor.runOk([...copy, '--identity', KEY]);
      expect(stdout).toContain(`${CANARY} sings`);
      expect(stderr).toBe('');
      expect(stdout.split('\n').length).toBe(shut.split('\n').length);
      const stranger = await auditor.runOk([...copy, '--identity', STRANGER]);
      expect(stranger.stdout).not.toContain(CANARY);
      expect(stranger.stderr).toContain('1 recording stayed encrypted');
    }
  });

  it('cut by a kill are salvaged, sealed and verified without a key, and read with one', async () => {
    const busy = ['app', 'synced'].map((name) =>
      stage.alice.start([
        'exec',
        name,
        '--',
        'psql',
        '-Atc',
        `select '${CANARY} ${name}'`,
        '-c',
        'select pg_sleep(60)',
      ]),
    );
    const marks = join(stage.gateway.recordings, 'open');
    const open = () => readdirSync(marks).filter((name) => name.startsWith('s-'));
    await eventually('both have said something', () => {
      const sizes = open().map((id) => statSync(fileOf(id, '.jsonl')).size);
      return sizes.length === 2 && sizes.every((size) => size > 1200);
    });
    const killed = open();
    await stage.gateway.stop('SIGKILL');
    for (const one of busy) await one.stop('SIGKILL');
    const torn = fileOf(killed[0]!, '.jsonl');
    writeFileSync(torn, `${readFileSync(torn, 'utf8')}{"seq":99,"at":"20`);
    await stage.gateway.start();
    expect(await verify()).toMatchObject({ codes: [] });
    const said = await Promise.all(
      killed.map(async (id) => (await auditor.runOk(['sessions', 'replay', id, '--identity', KEY])).stdout),
    );
    expect(said.join('')).toContain(`${CANARY} app`);
    expect(said.join('')).toContain(`${CANARY} synced`);
    expect(sightings()).toEqual([]);
  });

  it('show every meddling: flipped bits, moved lines, exchanged and missing keys', async () => {
    const [one, other] = [await session('app'), await session('app')];
    for (const id of [one, other]) await packed(id);
    expect(await verify(['--identity', OTHER])).toMatchObject({
      codes: [],
      notes: expect.stringMatching(/\d+ encrypted recordings were read with 'second.key', 0 are for others/),
    });
    const path = fileOf(one, '.jsonl.zst');
    const before = readFileSync(path);
    const clear = zstdDecompressSync(before);
    const meddle = async (change: (text: string) => string | Buffer) => {
      writeFileSync(path, change(clear.toString()));
      const { codes } = await verify();
      const { code } = await auditor.run(['sessions', 'replay', one, '--identity', KEY]);
      writeFileSync(path, before);
      expect(code).toBe(1);
      return codes;
    };
    const flipped = (text: string) => {
      const at = text.lastIndexOf('"enc":"') + 30;
      return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
    };
    expect(await meddle(flipped)).toContain('recording_changed');
    const exchanged = (text: string) => {
      const lines = text.split('\n');
      [lines[1], lines[2]] = [lines[2]!, lines[1]!];
      return lines.join('\n');
    };
    expect(await meddle(exchanged)).toContain('recording_changed');
    const [mine, theirs] = [fileOf(one, '.key.age'), fileOf(other, '.key.age')];
    // One that opens nothing has shown nothing: what was asked for was not done.
    const none = await auditor.run(['audit', 'verify', stage.gateway.data, '--identity', STRANGER, '--json']);
    expect([none.code, JSON.parse(none.stdout)]).toEqual([2, expect.objectContaining({ ok: false })]);
    expect(none.stderr).toMatch(
      new RegExp(`'${STRANGER}' has the identity of age1\\S+, which does not open any of the \\d+`),
    );
    const swap = () => {
      renameSync(mine, `${mine}.x`);
      renameSync(theirs, mine);
      renameSync(`${mine}.x`, theirs);
    };
    swap();
    expect(await verify()).toMatchObject({ codes: [] });
    expect((await verify(['--identity', KEY])).codes).toEqual(['content_unreadable', 'content_unreadable']);
    const { code, stderr } = await auditor.run(['sessions', 'replay', one, '--identity', KEY]);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`it holds the key of ${other}`)]);
    swap();
    const key = readFileSync(mine);
    writeFileSync(mine, Buffer.concat([key.subarray(0, -1), Buffer.from([key.at(-1)! ^ 1])]));
    expect((await verify(['--identity', KEY])).codes).toEqual(['content_unreadable']);
    rmSync(mine);
    expect((await verify()).codes).toEqual(['key_missing']);
    const gone = await auditor.run(['sessions', 'replay', one, '--identity', KEY]);
    expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('is not there, and nobody ordered that')]);
    const shown = (await auditor.runOk(['sessions', 'show', one])).stdout;
    expect(shown).toContain('its key is not there, and nobody had it erased');
    expect(shown).not.toContain('was erased');
    writeFileSync(mine, key);
    expect(await verify(['--identity', KEY])).toMatchObject({ codes: [] });
  });
});

describeWith(['psql', 'age', 'python3-cryptography'], 'encrypted sessions without us', () => {
  it('are read by Debian’s age and the reader of FORMAT.md', async () => {
    const id = await session('synced');
    await packed(id);
    const said = execFileSync('age', ['-d', '-i', join(auditor.home, KEY), fileOf(id, '.key.age')]);
    const secret = join(auditor.home, 'key.json');
    writeFileSync(secret, said);
    const document = readFileSync(join(repository, 'src/session/recorder/FORMAT.md'), 'utf8');
    const program = [...document.matchAll(/```python\n(.*?)```/gs)][1]![1]!;
    const files = readdirSync(dirname(fileOf(id, '.jsonl.zst')))
      .filter((name) => name.startsWith(id))
      .sort();
    const segments = files.filter((name) => /\.\d+\.jsonl\.zst$/.test(name));
    expect(segments.length).toBeGreaterThan(0);
    const cwd = dirname(fileOf(id, '.jsonl.zst'));
    const input = execFileSync('zstdcat', [`${id}.jsonl.zst`, ...segments], { cwd });
    const read = execFileSync(SYSTEM_PYTHON, ['-c', program, secret], { input, encoding: 'utf8' });
    const lines = read.split('\n').slice(0, -1);
    const ours = (await auditor.runOk(['sessions', 'replay', id, '--identity', KEY, '--json'])).stdout;
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      ours
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as unknown),
    );
    expect(read).toContain(`${CANARY} sings`);
  });
});

it('an evidence bundle says how much it cannot tell, has the recordings as they are stored, and verifies', async () => {
  await auditor.runOk(['audit', 'report', '--control', 'CC8.1', '--from', '1h', '--sample', '50', '-o', 'bundle']);
  const bundle = join(auditor.home, 'bundle');
  const { summary } = JSON.parse(readFileSync(join(bundle, 'report.json'), 'utf8')) as {
    summary: Record<string, number>;
  };
  const [, count] = Object.entries(summary).find(([name]) => name.startsWith('operations that are encrypted'))!;
  expect(count).toBeGreaterThan(20);
  const { stdout } = await auditor.run(['audit', 'verify', 'bundle']);
  expect(stdout).not.toMatch(/recording_|key_missing/);
  expect(
    readdirSync(bundle, { recursive: true, encoding: 'utf8' }).filter((one) => one.includes('.jsonl')).length,
  ).toBeGreaterThan(3);
  expect(sightings(bundle)).toEqual([]);
});

it('where the configuration lets the gateway read, its index and copies have what is said; its recordings do not', async () => {
  const id = await session('read');
  const found = async () => {
    const { stdout } = await auditor.runOk(['sessions', 'search', CANARY, 'sings', '--session', id, '--json']);
    return (JSON.parse(stdout) as { operations: { text: string }[] }).operations.map(({ text }) => text);
  };
  await eventually('it is found by its words', async () => (await found()).length === 1);
  expect(await found()).toEqual([`${SCRIPT[0]};`]);
  const copy = ['audit', 'export', '--since', '1h', '--session', id, '--kind', 'session.*'];
  expect((await auditor.runOk(copy)).stdout).toContain(`no_${CANARY}`);
  await packed(id);
  const [seen, recordings] = [sightings(), stage.gateway.recordings];
  expect(seen.filter((path) => path.startsWith(recordings))).toEqual([]);
  // The index: what the configuration says in so many words.
  expect(seen.join()).toContain('index.sqlite');
  expect((await auditor.runOk(['sessions', 'replay', id, '--identity', OTHER])).stdout).toContain(`${CANARY} sings`);
  expect((await stage.alice.runOk(['describe', 'read'])).stdout).toContain('and the gateway');
  // The key opens its own recordings alone.
  const other = (await ids('app'))[0]!;
  expect((await auditor.runOk(['audit', 'export', '--since', '1h', '--session', other])).stdout).not.toContain(
    `no_${CANARY}`,
  );
});

it('only encryption keeps what is said out of the files: the search for it finds it where there is none', async () => {
  await session('plain', [`select '${CANARY}'`]);
  expect(sightings()).not.toEqual([]);
});
