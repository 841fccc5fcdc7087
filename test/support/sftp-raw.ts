// SFTP as no proper client speaks it: packets as a test wants them, answers as they come, over a raw SSH connection.
// Refuses to know: what the other side makes of it.

import { bytes, data, RawSsh, request, string, uint32 } from './ssh-raw.ts';

export const Answer = { VERSION: 2, STATUS: 101, HANDLE: 102, DATA: 103 } as const;

export class RawSftp {
  readonly ssh: RawSsh;
  readonly #channel: number;
  #held: Buffer = Buffer.alloc(0);

  private constructor(ssh: RawSsh, channel: number) {
    this.ssh = ssh;
    this.#channel = channel;
  }

  /** Up to what the host says of its version. */
  static async connect(port: number, version = 3): Promise<RawSftp> {
    const ssh = await RawSsh.connect(port);
    const channel = await ssh.open(1);
    if (channel === undefined) throw new Error('the channel was refused');
    ssh.send(request(channel, 'subsystem', string('sftp')));
    const sftp = new RawSftp(ssh, channel);
    sftp.send(bytes(1, uint32(version)));
    return sftp;
  }

  /** In one piece. */
  send(...packets: Buffer[]): void {
    this.ssh.send(data(this.#channel, Buffer.concat(packets.map((packet) => string(packet)))));
  }

  /** Nothing more is asked. */
  end(): void {
    this.ssh.send(bytes(96, uint32(this.#channel)));
  }

  /** The next packet, without its length. */
  async next(): Promise<Buffer> {
    for (;;) {
      const length = this.#held.length < 4 ? Number.POSITIVE_INFINITY : this.#held.readUInt32BE(0);
      if (this.#held.length >= 4 + length) {
        const packet = this.#held.subarray(4, 4 + length);
        this.#held = this.#held.subarray(4 + length);
        return packet;
      }
      const message = await this.ssh.next(94);
      this.#held = Buffer.concat([this.#held, message.subarray(9)]);
    }
  }

  /** The next so many, as kinds by their number. */
  async answers(count: number): Promise<Map<number, Buffer>> {
    const found = new Map<number, Buffer>();
    for (let i = 0; i < count; i++) {
      const packet = await this.next();
      found.set(packet.readUInt32BE(1), packet);
    }
    return found;
  }
}

export const open = (id: number, path: string, flags = 1): Buffer =>
  bytes(3, uint32(id), string(path), uint32(flags), uint32(0));
export const close = (id: number, handle: Buffer): Buffer => bytes(4, uint32(id), string(handle));
export const read = (id: number, handle: Buffer, offset: number, length: number): Buffer =>
  bytes(5, uint32(id), string(handle), uint32(0), uint32(offset), uint32(length));
/** FSETSTAT of the permissions. */
export const chmod = (id: number, handle: Buffer, mode: number): Buffer =>
  bytes(10, uint32(id), string(handle), uint32(4), uint32(mode));
export const remove = (id: number, path: string): Buffer => bytes(13, uint32(id), string(path));
/** As OpenSSH has it: what the link says, then the link. */
export const symlink = (id: number, target: string, path: string): Buffer =>
  bytes(20, uint32(id), string(target), string(path));
export const handleOf = (answer: Buffer): Buffer => answer.subarray(9);
