// What a client says on its channels and what the host gets of it, message by message: both sides are ours here, and so is the
// moment at which something is on record.

import { beforeEach, describe, expect, it } from 'vitest';
import type { Operation, Outcome, Refusal, Session } from '../../../../../src/protocol/contract.ts';
import { Relay } from '../../../../../src/protocol/ssh/channels/relay.ts';
import { DEFAULT_LIMITS } from '../../../../../src/protocol/ssh/limits.ts';
import type { SshConfig } from '../../../../../src/protocol/ssh/schema.ts';
import type { Transport } from '../../../../../src/protocol/ssh/transport/transport.ts';
import { bytes, data, openMessage, request, string, uint32 } from '../../../../support/ssh-raw.ts';

const [CONFIRMED, DATA, EXTENDED, CLOSE, REQUEST, SUCCESS, FAILURE] = [91, 94, 95, 97, 98, 99, 100];
const TYPES = ['auth-agent-req@openssh.com', 'pty-req', 'exec', 'env', 'shell'];

class Stage {
  readonly client: Buffer[] = [];
  readonly target: Buffer[] = [];
  readonly operations: Operation[] = [];
  readonly outcomes: Outcome[] = [];
  /** What waits for a disk that is slow; otherwise it is called at once. */
  slow = false;
  waiting: (() => void)[] = [];
  readonly relay: Relay;
  ended: string | undefined;
  /** A rule holds what the host puts out. */
  held = false;
  /** Why nothing more may be put out. */
  spent: Refusal | undefined;

  constructor() {
    const side = (to: Buffer[]) =>
      ({
        send: (payload: Buffer, more: Buffer = Buffer.alloc(0)) => void to.push(Buffer.concat([payload, more])),
        disconnect: (_: number, text: string) => {
          this.ended = text;
        },
      }) as unknown as Transport;
    const session = {
      ruled: false,
      decide: (operation: Operation) => ({ id: this.operations.push(operation), decision: { verdict: 'allow' } }),
      recorded: (then: () => void) => void (this.slow ? this.waiting.push(then) : then()),
      result: (_: number, outcome: Outcome) => void this.outcomes.push(outcome),
      spend: () => this.spent,
      output: () =>
        this.held ? { held: true, push: () => Buffer.alloc(0), end: () => Buffer.alloc(0), cancel() {} } : undefined,
      note: () => {},
      traffic: () => {},
    } as unknown as Session;
    const options = { allow: ['agent-forwarding'], environment: ['LANG'], shell: 'plain', unmasked: [], masked: [] };
    const config = { options } as unknown as SshConfig;
    this.relay = new Relay({
      ...{ session, config, client: side(this.client), target: side(this.target), limits: DEFAULT_LIMITS },
    });
  }

  /** The gateway's number of a channel that the host has opened. */
  open(type?: string, rest?: Buffer): number {
    this.relay.fromClient(openMessage(7, 1_000_000, type, rest));
    const number = this.target.pop()!.readUInt32BE(5 + (type ?? 'session').length);
    this.relay.fromTarget(bytes(CONFIRMED, uint32(number), uint32(9), uint32(1_000_000), uint32(32_768)));
    this.client.length = 0;
    return number;
  }

  /** All of it out of one buffer, which is somebody else's afterwards. */
  says(...payloads: Buffer[]): void {
    for (const payload of payloads) {
      const shared = Buffer.from(payload);
      this.relay.fromClient(shared);
      shared.fill(0xee);
    }
  }

  written(): void {
    for (const then of this.waiting.splice(0)) then();
  }

  /** Kinds of requests that the host got, in order. */
  get asked(): string[] {
    return this.target
      .filter(([kind]) => kind === REQUEST)
      .map((payload) => TYPES.find((type) => payload.includes(type)) ?? payload.toString('latin1'));
  }
}

const terminal = (number: number) =>
  request(number, 'pty-req', bytes(string('xterm'), uint32(80), uint32(24), uint32(0), uint32(0), string('')));

describe('of what a client says on a channel', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = new Stage();
  });

  it('a request that waits for a disk reaches the host as it was', () => {
    const number = stage.open();
    stage.slow = true;
    stage.says(request(number, 'exec', string('echo as it was')));
    expect(stage.target).toEqual([]);
    stage.written();
    expect(stage.target).toEqual([request(9, 'exec', string('echo as it was'))]);
  });

  it('what comes behind a request that waits for a disk starts with it, and is answered after it', () => {
    const number = stage.open();
    stage.slow = true;
    stage.says(
      request(number, 'auth-agent-req@openssh.com'),
      terminal(number),
      request(number, 'exec', string('true')),
    );
    expect(stage.asked).toEqual([]);
    stage.written();
    stage.written();
    expect(stage.asked).toEqual(['auth-agent-req@openssh.com', 'pty-req', 'exec']);
    // An approval of it without an agent is none for it with one.
    expect(stage.operations.at(-1)).toMatchObject({ text: 'true', params: ['xterm', 'agent-forwarding'] });
  });

  it.each([['session', Buffer.alloc(0)] as const, ['direct-streamlocal@openssh.com', socket('/run/x')] as const])(
    'on a %s channel, extended data does not reach the host, and its window is given back',
    (type, rest) => {
      const number = stage.open(type, rest);
      if (type === 'session') stage.says(request(number, 'exec', string('cat')));
      stage.target.length = 0;
      for (let i = 0; i < 100; i++) stage.says(bytes(EXTENDED, uint32(number), uint32(1), string('x'.repeat(30_000))));
      expect(stage.ended).toBeUndefined();
      expect(stage.target).toEqual([]);
    },
  );

  it('on a forwarding, no request goes across in either direction', () => {
    const number = stage.open('direct-streamlocal@openssh.com', socket('/run/x'));
    stage.target.length = 0;
    stage.says(request(number, 'exec', string('reboot')));
    expect([stage.target, stage.client]).toEqual([[], [bytes(FAILURE, uint32(7))]]);
    stage.relay.fromTarget(request(number, 'exec', string('reboot')));
    stage.relay.fromTarget(bytes(SUCCESS, uint32(number)));
    expect([stage.target, stage.client]).toEqual([[bytes(FAILURE, uint32(9))], [bytes(FAILURE, uint32(7))]]);
    stage.says(data(number, 'hello'));
    expect(stage.target.at(-1)).toEqual(data(9, 'hello'));
    expect(stage.target.at(-1)![0]).toBe(DATA);
  });

  it('a command that is cut has on record why, whatever the host then says of it', () => {
    const number = stage.open();
    stage.says(request(number, 'exec', string('yes')));
    stage.spent = { code: 'denied', message: 'too much', next: 'ask', session: 's-1' };
    stage.relay.fromTarget(data(number, 'y'));
    stage.relay.fromTarget(request(number, 'exit-status', uint32(0), false));
    stage.relay.fromTarget(bytes(CLOSE, uint32(number)));
    const error = { code: 'denied', message: 'too much' };
    expect(stage.outcomes).toEqual([{ part: 0, status: 'error', tag: 'refused', error, bytes: 0 }]);
  });

  it('requests wait up to a limit of their bytes', () => {
    const number = stage.open();
    stage.slow = true;
    stage.says(request(number, 'exec', string('true')));
    const large = request(number, 'env', bytes(string('LANG'), string('x'.repeat(30_000))));
    for (let i = 0; i < 4; i++) stage.says(large);
    expect(stage.ended).toBeUndefined();
    stage.says(large);
    expect(stage.ended).toContain('ssh_held_request_bytes');
  });

  it('what a host sends behind output that is held waits up to limits', () => {
    const number = stage.open();
    stage.held = true;
    stage.says(request(number, 'exec', string('true')));
    stage.relay.fromTarget(data(number, 'held'));
    for (let i = 0; i < 4096; i++) stage.relay.fromTarget(request(number, 'x', Buffer.alloc(0), false));
    expect(stage.ended).toBeUndefined();
    stage.relay.fromTarget(request(number, 'x', Buffer.alloc(0), false));
    expect(stage.ended).toContain('ssh_held_messages');
  });

  it('answers to requests wait up to a limit', () => {
    const number = stage.open();
    stage.says(terminal(number));
    for (let i = 0; i < 4095; i++) stage.says(request(number, 'unknown'));
    expect([stage.ended, stage.client]).toEqual([undefined, []]);
    stage.says(request(number, 'unknown'));
    expect(stage.ended).toContain('ssh_held_messages');
  });
});

function socket(path: string): Buffer {
  return bytes(string(path), string(''), uint32(0));
}
