// Receipts of the sessions of one run, saved as they end. Quiet: only what could not be had is told.
// Refuses to know: what a receipt proves.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientEvent } from '../client/events.ts';
import { asHoopctlError } from '../core/errors.ts';
import type { Receipt } from '../session/log/proof.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';

/** The gateway seals a moment after the last byte, and signs a moment after that. */
const WAIT_MS = 15_000;
const AGAIN_MS = 200;

export const RECEIPTS_OPTION = {
  receipts: { value: 'DIR', trusted: true, help: 'save the receipt of each session there when it ends' },
} as const;

export class Receipts {
  readonly #context: Context;
  readonly #folder: string;
  readonly #begun = new Set<string>();
  readonly #pending = new Map<string, Promise<void>>();

  constructor(context: Context, folder: string) {
    this.#context = context;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  event(event: ClientEvent): void {
    if (event.type === 'session') this.#begun.add(event.session);
    else if (event.type === 'end' || event.type === 'closed') this.#ended(event.session);
  }

  /** Every session is over by now. Resolves when all receipts are there, or cannot be had; never rejects. */
  async settled(): Promise<void> {
    for (const session of this.#begun) this.#ended(session);
    await Promise.all(this.#pending.values());
  }

  #ended(session: string | undefined): void {
    if (session !== undefined && !this.#pending.has(session)) this.#pending.set(session, this.#save(session));
  }

  async #save(session: string): Promise<void> {
    const until = Date.now() + WAIT_MS;
    for (;;) {
      try {
        const receipt = await getReceipt(this.#context, session);
        // The gateway says how the session is called: the file stays in the folder all the same.
        const name = `${session.replace(/[^\w.-]/g, '_')}.receipt.json`;
        writeFileSync(join(this.#folder, name), `${JSON.stringify(receipt)}\n`, { mode: 0o600 });
        return;
      } catch (thrown) {
        const error = asHoopctlError(thrown);
        // Open for another moment: the end travels faster than the seal.
        if (error.code !== 'conflict' || Date.now() > until) {
          this.#context.io.say(`no receipt of session ${session}: ${error.message}`);
          return;
        }
        await sleep(AGAIN_MS);
      }
    }
  }
}

export async function getReceipt(context: Context, session: string): Promise<Receipt> {
  const api = await context.api();
  return api.call<Receipt>(route`sessions/${session}/receipt`);
}
