// What an approval over SSH is for and what not: the bytes of a command, what it starts with, how a file is changed. Each is
// approved for a time, then the same again runs, and something else that could be taken for it is held again.

import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { readRecordings } from '../support/recordings.ts';
import { pendingReview, type Review, showReview } from '../support/reviews.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { bytes, data, RawSsh, request, string, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

describeWith(['sshd'], 'an approval over ssh', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let connected: Connected;
  let home: string;

  beforeAll(async () => {
    sshd = await startSshd({ config: ['AcceptEnv LANG LC_*'] });
    home = join(sshd.directory, 'files');
    mkdirSync(home);
    const reviewers = { groups: ['dba'] };
    gateway = await startGateway({
      config: {
        connections: { host: sshConnectionTo(sshd), strict: sshConnectionTo(sshd) },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'ask', to: { names: ['host'] }, when: { does: ['exec'] }, then: 'review', reviewers },
          { name: 'opaque-too', to: { names: ['host'] }, when: { opaque: true }, then: 'review', reviewers },
          {
            ...{ name: 'ask-files', to: { names: ['host'] }, then: 'review', reviewers },
            when: { does: ['sftp-setstat', 'sftp-rename', 'sftp-remove', 'sftp-write'] },
          },
          { name: 'no-rm', to: { names: ['strict'] }, when: { programs: ['rm'] }, then: 'deny' },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect(['host', 'strict'], [], { quiet: true });
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  /** Runs a command of these bytes on a connection of its own, after these requests on its channel. */
  async function run(command: Buffer, before: [string, Buffer][] = [], to = 'host'): Promise<string> {
    const client = await RawSsh.connect(connected.ports[to]!);
    const channel = (await client.open(1))!;
    for (const [type, rest] of before) client.send(request(channel, type, rest, false));
    client.send(request(channel, 'exec', string(command), false));
    let told = '';
    for (;;) {
      const message = await client.next(undefined, 60_000);
      if (message[0] === 94) told += message.subarray(9).toString('latin1');
      else if (message[0] === 95) told += message.subarray(13).toString('latin1');
      else if (message[0] === 97) break;
    }
    client.destroy();
    return told;
  }

  /** What is held is this one; it is approved for a time, or denied. */
  async function settle(text: string, verdict: 'approve' | 'deny'): Promise<Review> {
    const { id } = await pendingReview(dana, text);
    await dana.runOk(['reviews', verdict, id, ...(verdict === 'approve' ? ['--for', '10m'] : [])]);
    return showReview(dana, id);
  }

  const named = (byte: number, name = 'f-') => Buffer.concat([Buffer.from(join(home, name)), Buffer.from([byte])]);
  const variable = (name: string, value: string): [string, Buffer] => ['env', bytes(string(name), string(value))];

  it('is for the bytes of a command, which are shown and on record as they are', async () => {
    writeFileSync(named(0xfe), 'first file\n');
    writeFileSync(named(0xff), 'other file\n');
    const cat = (byte: number) => Buffer.concat([Buffer.from('cat '), named(byte)]);
    const first = run(cat(0xfe));
    const review = await settle('cat ', 'approve');
    expect(await first).toContain('first file');
    expect(review).toMatchObject({ text: `cat ${home}/f-\\xfe`, bytes: cat(0xfe).toString('base64') });
    const shown = (await dana.runOk(['reviews', 'show', review.id])).stdout;
    expect(shown).toContain(`statement (not UTF-8: \\xNN is a byte, \\\\ is a backslash)\n    cat ${home}/f-\\xfe\n`);
    expect(await run(cat(0xfe))).toBe('first file\n');
    const other = run(cat(0xff));
    expect((await settle('f-\\xff', 'deny')).bytes).toBe(cat(0xff).toString('base64'));
    expect(await other).not.toContain('other file');
    // The text that it is shown as is a third command, and needs no note.
    const literal = run(Buffer.from(`cat ${home}/f-\\xfe`));
    expect((await settle(`cat ${home}/f-\\xfe`, 'deny')).bytes).toBeUndefined();
    await literal;
    const intents = readRecordings(gateway.recordings).flatMap(({ lines }) =>
      lines.filter((line) => line.kind === 'intent' && line.bytes !== undefined),
    );
    expect(intents.map((line) => line.bytes).sort()).toEqual(
      [0xfe, 0xfe, 0xff].map((byte) => cat(byte).toString('base64')).sort(),
    );
  });

  it('of a command whose bytes are no text no rule is dodged: it is refused where rules are', async () => {
    const file = join(home, 'kept');
    writeFileSync(file, '');
    const rm = Buffer.concat([Buffer.from(`r\\m ${file}; : `), Buffer.from([0xff])]);
    expect(await run(rm, [], 'strict')).toMatch(/no-rm|not UTF-8/);
    const hidden = Buffer.concat([Buffer.from(`cat ${file}; : `), Buffer.from([0xff])]);
    expect(await run(hidden, [], 'strict')).toContain('not UTF-8');
    expect(existsSync(file)).toBe(true);
  });

  it('is for the variables and the terminal that a command starts with', async () => {
    const command = Buffer.from('echo "lang $LANG"; test -t 1 && echo on a terminal');
    const german = [variable('LANG', 'de_DE.UTF-8')];
    const first = run(command, german);
    const review = await settle('echo "lang', 'approve');
    expect(review).toMatchObject({ params: ['LANG=de_DE.UTF-8'], forms: ['variable'] });
    expect(await first).toContain('lang de_DE.UTF-8\n');
    expect(await run(command, [variable('LANG', 'C'), ...german])).toBe('lang de_DE.UTF-8\n');
    const pty: [string, Buffer] = ['pty-req', bytes(string('xterm'), ...[80, 24, 0, 0].map(uint32), string('\0'))];
    for (const before of [[], [variable('LANG', 'C')], [variable('LC_ALL', 'C'), ...german], [...german, pty]]) {
      const other = run(command, before);
      await settle('echo "lang', 'deny');
      expect(await other).not.toMatch(/^lang /m);
    }
  });

  describe('of a file', () => {
    /** One request of SFTP on a connection of its own; the code of its answer. */
    async function sftp(packet: Buffer): Promise<number> {
      const client = await RawSsh.connect(connected.ports.host!);
      const channel = (await client.open(1))!;
      client.send(request(channel, 'subsystem', string('sftp'), false));
      const framed = (body: Buffer) => client.send(data(channel, string(body)));
      framed(bytes(1, uint32(3)));
      framed(packet);
      let got = Buffer.alloc(0);
      for (;;) {
        const message = await client.next(94, 60_000);
        got = Buffer.concat([got, message.subarray(9)]);
        // VERSION comes first.
        const second = got.length < 4 ? got : got.subarray(4 + got.readUInt32BE(0));
        if (second.length < 13 || second.length < 4 + second.readUInt32BE(0)) continue;
        client.destroy();
        return second[4] === 101 ? second.readUInt32BE(9) : 0;
      }
    }
    const OK = 0;
    const DENIED = 3;
    const setMode = (path: string | Buffer, mode: number) =>
      bytes(9, uint32(7), string(path), uint32(4), uint32(0o100000 | mode));

    it('is for the attributes that it gets', async () => {
      const file = join(home, 'moded');
      writeFileSync(file, '');
      const first = sftp(setMode(file, 0o640));
      expect(await settle(`setstat ${file}`, 'approve')).toMatchObject({ params: ['0640'], forms: ['mode'] });
      expect(await first).toBe(OK);
      expect(await sftp(setMode(file, 0o640))).toBe(OK);
      const other = sftp(setMode(file, 0o4777));
      expect(await settle(`setstat ${file}`, 'deny')).toMatchObject({ params: ['4777'] });
      expect(await other).toBe(DENIED);
      expect(statSync(file).mode & 0o7777).toBe(0o640);
    });

    it('is for the bytes of its path', async () => {
      for (const byte of [0xfe, 0xff]) writeFileSync(named(byte, 'gone-'), '');
      const remove = (byte: number) => bytes(13, uint32(7), string(named(byte, 'gone-')));
      const first = sftp(remove(0xfe));
      expect((await settle('remove ', 'approve')).text).toBe(`remove ${home}/gone-\\xfe`);
      expect(await first).toBe(OK);
      // The same again is sent, and the host says that there is none.
      expect(await sftp(remove(0xfe))).toBe(2);
      const other = sftp(remove(0xff));
      await settle('gone-\\xff', 'deny');
      expect(await other).toBe(DENIED);
      expect(existsSync(named(0xff, 'gone-'))).toBe(true);
    });

    it('is for where one name ends and the next begins', async () => {
      for (const name of ['a ', 'e ']) mkdirSync(join(home, name, home), { recursive: true });
      const rename = (from: string, to: string) => bytes(18, uint32(7), string(from), string(to));
      const [one, other] = [
        [`${home}/a`, `${home}/e ${home}/d`],
        [`${home}/a ${home}/e`, `${home}/d`],
      ] as const;
      for (const [from] of [one, other]) writeFileSync(from, '');
      const first = sftp(rename(...one));
      const review = await settle('rename ', 'approve');
      expect(review).toMatchObject({ params: one, forms: ['name', 'name'] });
      expect(await first).toBe(OK);
      writeFileSync(one[0], '');
      const second = sftp(rename(...other));
      expect(await settle('rename ', 'deny')).toMatchObject({ text: review.text, params: other });
      expect(await second).toBe(DENIED);
    });
  });
});
