// Reviews as people see them through the command line.

import type { Client } from './gateway.ts';
import { eventually } from './process.ts';
import { fields, WireClient } from './wire.ts';

export interface Review {
  id: string;
  state: string;
  text?: string;
  bytes?: string;
  params?: (string | null)[];
  forms?: (string | null)[];
  connection: string;
  outcome?: string;
  shape?: string;
  standing?: { kind: string; until: string };
}

/** The pending review whose statement holds this text, once it is there. */
export function pendingReview(of: Client, text: string): Promise<Review> {
  return eventually(`a review of ${text}`, async () => {
    const { reviews } = await of.json<{ reviews: Review[] }>(['reviews', 'ls']);
    return reviews.find((review) => review.state === 'pending' && (review.text ?? '').includes(text));
  });
}

/** What the client is told of a statement of its own that is held: for one that is not held for long enough to be listed. */
export async function heldReview(client: WireClient): Promise<string> {
  for (;;) {
    const said = fields((await client.until('N')).at(-1)!.body).M ?? '';
    const id = /hoopctl reviews approve (r-[0-9a-z]+)/.exec(said)?.[1];
    if (id !== undefined) return id;
  }
}

export function showReview(of: Client, id: string): Promise<Review> {
  return of.json<Review>(['reviews', 'show', id]);
}

/** A client at the wire, through a `hoopctl connect` of its own. */
export async function wireThrough(
  client: Client,
  connection: string,
  args: readonly string[] = [],
): Promise<{ client: WireClient; stop(): Promise<void> }> {
  const connected = await client.connect(connection, args);
  const opened = await WireClient.connect({ port: connected.port, user: client.person.name, database: 'app' });
  return {
    client: opened,
    stop: async () => {
      opened.destroy();
      await connected.stop();
    },
  };
}
