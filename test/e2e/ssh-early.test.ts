// What a client sends before the host may have it: right behind what it asks for, while that is being decided or written, or
// even before. It is looked at, recorded and sent in its order all the same.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, type Connected, type Gateway, startGateway } from '../support/gateway.ts';
import { describeWith } from '../support/needs.ts';
import { eventually } from '../support/process.ts';
import { type Line, readRecordings } from '../support/recordings.ts';
import { pendingReview } from '../support/reviews.ts';
import { sshConnectionTo } from '../support/ssh.ts';
import { bytes, data, RawSsh, request, string, uint32 } from '../support/ssh-raw.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';

const [INIT, OPEN, STATUS, HANDLE] = [1, 3, 101, 102];
const DENIED = 3;

describeWith(['sshd'], 'ssh: what comes early', () => {
  let sshd: Sshd;
  let gateway: Gateway;
  let alice: Client;
  let dana: Client;
  let connected: Connected;
  beforeAll(async () => {
    sshd = await startSshd();
    gateway = await startGateway({
      config: {
        connections: {
          // Each statement waits for the disk.
          synced: sshConnectionTo(sshd, { recording: { durability: 'synced' } }),
          buffered: sshConnectionTo(sshd),
        },
        access: [{ who: { groups: ['engineering'] }, to: { names: ['*'] } }],
        rules: [
          { name: 'no-passwd', when: { does: ['sftp-read'], places: ['/etc/passwd'] }, then: 'deny' },
          { name: 'ask', when: { does: ['exec'], text: 'approved' }, then: 'review', reviewers: { groups: ['dba'] } },
        ],
      },
    });
    alice = await gateway.user('alice', { groups: ['engineering'] });
    dana = await gateway.user('dana', { groups: ['dba'] });
    connected = await alice.connect(['synced', 'buffered']);
  });
  afterAll(async () => {
    await connected?.stop();
    await gateway?.[Symbol.asyncDispose]();
    await sshd?.stop();
  });

  /** The lines of the one recording that has such a line. */
  const recorded = (has: (line: Line) => boolean): Promise<Line[]> =>
    eventually('a sealed recording', () => {
      const found = readRecordings(gateway.recordings).find(({ lines }) => lines.some(has))?.lines;
      return found?.at(-1)?.kind === 'seal' ? found : undefined;
    });

  async function output(client: RawSsh): Promise<string> {
    let told = '';
    for (;;) {
      const message = await client.next();
      if (message[0] === 94) told += message.subarray(9).toString();
      if (message[0] === 97) return told;
    }
  }

  describe.each(['synced', 'buffered'])('%s', (name) => {
    describe.each(['behind', 'before'])('%s what it is for', (place) => {
      const inOrder = (asked: Buffer, ...input: Buffer[]) =>
        place === 'behind' ? [asked, ...input] : [...input, asked];

      it('input of a command comes to it, and is on record', async () => {
        const client = await RawSsh.connect(connected.ports[name]!);
        const channel = (await client.open(1))!;
        const [input, asked] = [`${name} ${place}\n`, request(channel, 'exec', string(`cat # ${name} ${place}`))];
        client.sendAtOnce(...inOrder(asked, data(channel, input), bytes(96, uint32(channel))));
        expect(await output(client)).toBe(input);
        client.destroy();
        const lines = await recorded(({ kind, text }) => kind === 'intent' && text === `cat # ${name} ${place}`);
        const said = lines.filter(({ kind }) => kind === 'data').map(({ stream, text }) => [stream, text]);
        expect(said).toEqual([
          ['in', input],
          ['out', input],
        ]);
      });

      it('requests of sftp are decided, and on record', async () => {
        const client = await RawSsh.connect(connected.ports[name]!);
        const channel = (await client.open(1))!;
        const packet = (type: number, ...parts: Buffer[]) => data(channel, string(bytes(type, ...parts)));
        const open = (id: number, path: string) => packet(OPEN, uint32(id), string(path), uint32(1), uint32(0));
        const own = `${sshd.directory}/${name}-${place}`;
        const asked = request(channel, 'subsystem', string('sftp'));
        client.sendAtOnce(...inOrder(asked, packet(INIT, uint32(3)), open(7, '/etc/passwd'), open(8, own)));
        const answers = new Map<number, Buffer>();
        while (answers.size < 2) {
          const message = await client.next(94);
          if (message[13] === STATUS || message[13] === HANDLE)
            answers.set(message.readUInt32BE(14), message.subarray(13));
        }
        expect([answers.get(7)?.[0], answers.get(7)?.readUInt32BE(5)]).toEqual([STATUS, DENIED]);
        client.destroy();
        const lines = await recorded(({ kind, text }) => kind === 'intent' && text === `read ${own}`);
        expect(lines.filter(({ kind }) => kind === 'intent').map(({ text, verdict }) => [text, verdict])).toEqual([
          ['sftp', 'allow'],
          ['read /etc/passwd', 'deny'],
          [`read ${own}`, 'allow'],
        ]);
      });
    });

    it('input of a command that was held comes to it once it may run', async () => {
      const client = await RawSsh.connect(connected.ports[name]!);
      const channel = (await client.open(1))!;
      const text = `cat # approved ${name}`;
      client.sendAtOnce(request(channel, 'exec', string(text)), data(channel, 'typed\n'), bytes(96, uint32(channel)));
      const { id } = await pendingReview(dana, text);
      await dana.runOk(['reviews', 'approve', id]);
      expect(await output(client)).toBe('typed\n');
      client.destroy();
      const lines = await recorded((line) => line.kind === 'intent' && line.text === text);
      expect(lines.filter(({ kind }) => kind === 'data').map((line) => [line.stream, line.text])).toEqual([
        ['in', 'typed\n'],
        ['out', 'typed\n'],
      ]);
    });
  });
});
