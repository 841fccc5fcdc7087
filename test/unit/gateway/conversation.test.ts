// What becomes of a session whose conversation is over, in whichever order the two come about.

import { describe, expect, it, vi } from 'vitest';
import type { ByteStream } from '../../../src/core/stream.ts';
import { converse } from '../../../src/gateway/conversation.ts';
import type { Parts } from '../../../src/gateway/parts.ts';
import type { Introduction, Opened, Protocol, SessionEnd, Visitor } from '../../../src/protocol/contract.ts';

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const parts = { log, key: () => new Uint8Array(32), stores: {} } as unknown as Parts;

/** Serves as told, with a session that is there when `open` is called. */
class House {
  readonly ends: SessionEnd[] = [];
  readonly #opening = Promise.withResolvers<Opened>();

  open(): void {
    const session = { id: 's-1', end: (reason: SessionEnd) => void this.ends.push(reason) };
    this.#opening.resolve({ session } as unknown as Opened);
  }

  converse(way: 'open' | 'openByDevice', serve: (open: () => Promise<Opened>) => Promise<void>): Promise<void> {
    const visitor = {
      ...{ stream: { remote: '-', destroy() {} } as unknown as ByteStream, via: 'native', connection: undefined },
      ...{ open: () => this.#opening.promise, openByDevice: () => this.#opening.promise },
    } satisfies Visitor;
    const asks = (watched: Visitor) =>
      way === 'open'
        ? watched.open({} as Introduction)
        : watched.openByDevice!('db', () => {}, new AbortController().signal);
    const protocol = { name: 'p', serve: (watched: Visitor) => serve(() => asks(watched)) };
    return converse(parts, protocol as unknown as Protocol, visitor);
  }
}

describe.each(['open', 'openByDevice'] as const)('a session by %s', (way) => {
  it('ends with its conversation', async () => {
    const house = new House();
    house.open();
    await house.converse(way, async (open) => void (await open()));
    expect(house.ends).toEqual([{ code: 'client_closed', message: 'the conversation is over' }]);
  });

  it('that comes when its client has left ends at once: nobody else would end it', async () => {
    const house = new House();
    let opened: Promise<Opened> | undefined;
    await house.converse(way, async (open) => {
      opened = open();
    });
    house.open();
    await opened;
    expect(house.ends).toEqual([{ code: 'client_gone', message: 'the client left during the login' }]);
  });
});
