// SFTP from clients that are not as they should be: requests under one number, in an order that no record has, of another version,
// broken ones behind one that is held. What reaches the host is what was decided, and others are served.

import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { pendingReview } from '../support/reviews.ts';
import { Answer, chmod, close, handleOf, open, RawSftp, read, remove, symlink } from '../support/sftp-raw.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { bytes, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

/** A server that speaks up to version 6, and says what it was asked. */
const LATER = `#!/usr/bin/python3
import struct, sys
read, write = sys.stdin.buffer, sys.stdout.buffer
while head := read.read(4):
    packet = read.read(struct.unpack('>I', head)[0])
    if packet[0] == 1:
        answer = b'\\x02' + struct.pack('>I', SPEAKS)
    else:
        answer = b'\\x65' + packet[1:5] + struct.pack('>III', 8, 0, 0)
    write.write(struct.pack('>I', len(answer)) + answer)
    write.flush()
`;

describeWith(['sshd'], 'sftp from raw clients', () => {
  let sshd: Sshd;
  let lenient: Sshd;
  let stubborn: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let connected: Connected;
  beforeAll(async () => {
    sshd = await startSshd();
    const later = (name: string, speaks: string) => {
      const file = join(sshd.directory, name);
      writeFileSync(file, LATER.replace('SPEAKS', speaks), { mode: 0o755 });
      return startSshd({ config: [`ForceCommand ${file}`] });
    };
    lenient = await later('lenient.py', "min(6, struct.unpack('>I', packet[1:5])[0])");
    stubborn = await later('stubborn.py', '6');
    gateway = await startGateway({
      config: {
        connections: {
          // Each statement waits for the disk.
          synced: sshConnectionTo(sshd, { recording: { durability: 'synced' } }),
          buffered: sshConnectionTo(sshd),
          lenient: sshConnectionTo(lenient),
          stubborn: sshConnectionTo(stubborn),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'no-passwd', when: { does: ['sftp-read'], places: ['/etc/passwd'] }, then: 'deny' },
          { name: 'as-it-is', when: { does: ['sftp-setstat'], places: ['*/kept'] }, then: 'deny' },
          { name: 'ask', when: { does: ['sftp-remove'] }, then: 'review', reviewers: { groups: ['dba'] } },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect(['synced', 'buffered', 'lenient', 'stubborn']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await Promise.all([sshd, lenient, stubborn].map((one) => one?.stop()));
  });

  async function begin(name: string): Promise<RawSftp> {
    const sftp = await RawSftp.connect(connected.ports[name]!);
    expect((await sftp.next())[0]).toBe(Answer.VERSION);
    return sftp;
  }
  async function opened(sftp: RawSftp, path: string): Promise<Buffer> {
    sftp.send(open(1, path));
    return handleOf(await sftp.next());
  }
  const recorded = (text: string): Promise<Line[]> =>
    eventually('a sealed recording', () => {
      const has = (line: Line) => line.kind === 'intent' && line.text === text;
      const found = readRecordings(gateway.recordings).find(({ lines }) => lines.some(has))?.lines;
      return found?.at(-1)?.kind === 'seal' ? found : undefined;
    });

  it.each(['buffered', 'synced'])('%s: what was asked before the end of input is done and answered', async (name) => {
    const file = join(sshd.directory, `last-${name}`);
    writeFileSync(file, '');
    const sftp = await begin(name);
    // A link is asked about first; a removal is held.
    sftp.send(symlink(6, 'x', `${file}-link`), remove(7, file));
    sftp.end();
    const { id } = await pendingReview(dana, `remove ${file}`);
    await dana.runOk(['reviews', 'approve', id]);
    const answers = await sftp.answers(2);
    expect([6, 7].map((number) => answers.get(number)?.readUInt32BE(5))).toEqual([0, 0]);
    expect(existsSync(file)).toBe(false);
    await sftp.ssh.next(97);
    sftp.ssh.destroy();
  });

  it('what is read under one number is counted, or not read', async () => {
    const file = join(sshd.directory, 'numbered');
    writeFileSync(file, 'x'.repeat(10_000));
    const sftp = await begin('buffered');
    const handle = await opened(sftp, file);
    sftp.send(...Array.from({ length: 10 }, (_, i) => read(7, handle, i * 1000, 1000)));
    let got = 0;
    for (let i = 0; i < 10; i++) {
      const answer = await sftp.next();
      if (answer[0] === Answer.DATA) got += answer.length - 9;
    }
    sftp.send(close(8, handle));
    await sftp.next();
    sftp.ssh.destroy();
    const lines = await recorded(`read ${file}`);
    const { op } = lines.find(({ text }) => text === `read ${file}`)!;
    expect(got).toBeGreaterThan(0);
    expect(lines.find((line) => line.kind === 'result' && line.op === op)).toMatchObject({ bytes: got });
  });

  it.each(['buffered', 'synced'])('%s: an answer to something else is none to a request', async (name) => {
    const file = join(sshd.directory, `mixed-${name}`);
    writeFileSync(file, 'x'.repeat(1000));
    const sftp = await begin(name);
    const handle = await opened(sftp, file);
    const stat = bytes(8, uint32(7), uint32(handle.length), handle);
    sftp.send(stat, read(7, handle, 0, 1000));
    const kinds = [await sftp.next(), await sftp.next()].map(([kind]) => kind);
    expect(kinds).not.toContain(Answer.DATA);
    sftp.ssh.destroy();
  });

  describe.each(['buffered', 'synced'])('%s: the host gets in the order of the decisions', (name) => {
    it('what goes by a handle', async () => {
      const [changed, kept] = [join(sshd.directory, `changed-${name}`), join(sshd.directory, 'kept')];
      for (const file of [changed, kept]) {
        writeFileSync(file, '');
        chmodSync(file, 0o600);
      }
      const sftp = await begin(name);
      const handle = await opened(sftp, changed);
      // Were it closed first, the other file would get its handle.
      sftp.send(open(2, kept), chmod(3, handle, 0o777), close(4, handle));
      const answers = await sftp.answers(3);
      expect([2, 3, 4].map((id) => answers.get(id)?.[0])).toEqual([Answer.HANDLE, Answer.STATUS, Answer.STATUS]);
      expect([changed, kept].map((file) => statSync(file).mode & 0o777)).toEqual([0o777, 0o600]);
      sftp.ssh.destroy();
    });

    it('a link, and what is asked through it', async () => {
      const link = join(sshd.directory, `link-${name}`);
      const sftp = await begin(name);
      sftp.send(symlink(2, '/etc/passwd', link), open(3, link));
      const answers = await sftp.answers(2);
      expect(existsSync(link)).toBe(true);
      expect([answers.get(3)?.[0], answers.get(3)?.readUInt32BE(5)]).toEqual([Answer.STATUS, 3]);
      sftp.ssh.destroy();
    });
  });

  it('of a later version is spoken as the one that is inspected', async () => {
    const sftp = await RawSftp.connect(connected.ports.lenient!, 6);
    const answer = await sftp.next();
    expect([answer[0], answer.readUInt32BE(1)]).toEqual([Answer.VERSION, 3]);
    sftp.ssh.destroy();
    const other = await RawSftp.connect(connected.ports.stubborn!, 6);
    await expect(other.next()).rejects.toThrow('the host speaks version 6 of SFTP');
  });

  it('a broken request behind one that is held ends its own conversation, and no other', async () => {
    const file = join(sshd.directory, 'condemned');
    writeFileSync(file, '');
    const sftp = await begin('buffered');
    sftp.send(remove(1, file));
    const review = await pendingReview(dana, `remove ${file}`);
    sftp.send(bytes(5, uint32(2), uint32(100)));
    const other = await begin('buffered');
    await dana.runOk(['reviews', 'approve', review.id]);
    await expect(sftp.next().then(() => sftp.next())).rejects.toThrow('is malformed');
    await opened(other, '/etc/hostname');
    other.ssh.destroy();
    expect(gateway.process.running).toBe(true);
  });

  it('what is held for a client that has closed its channel is given up', async () => {
    const file = join(sshd.directory, 'spared');
    writeFileSync(file, '');
    const sftp = await begin('buffered');
    sftp.send(remove(1, file));
    const review = await pendingReview(dana, `remove ${file}`);
    sftp.ssh.send(bytes(97, uint32(0)));
    await eventually('the review is over', async () => {
      const { state } = await dana.json<{ state: string }>(['reviews', 'show', review.id]);
      return state === 'cancelled';
    });
    expect(existsSync(file)).toBe(true);
    sftp.ssh.destroy();
  });
});
