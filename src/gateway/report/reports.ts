// The gateway's end of reports: one at a time, each on a thread of its own, put on record before it is given away.
// Refuses to know: what is in a report, HTTP.

import { Worker } from 'node:worker_threads';
import { ourError, userError } from '../../core/errors.ts';
import type { MerkleLog } from '../../session/log/log.ts';
import { exportFields } from '../../session/report/bundle.ts';
import type { ReportRequest } from '../../session/report/types.ts';
import { type PieceReader, withObjects } from '../../store/object-port.ts';
import type { MadeReport } from './make.ts';
import type { FromReport, ReportWorkerOptions } from './messages.ts';

/** How long the checkpoint that covers the entry may take. */
const CHECKPOINT_WAIT_MS = 10_000;

export interface ReportsOptions {
  /** The data directory. */
  readonly data: string;
  /** Reads recordings that are in object storage. */
  readonly objects: PieceReader;
  readonly audit: Pick<MerkleLog, 'append' | 'covered' | 'size'>;
}

/** Who has it made, and why. */
export interface Asked {
  readonly by: string;
  readonly reason: string | undefined;
}

/** How far it is, and at last the report, which an entry under a checkpoint vouches for. */
export type ReportStep = { readonly sessions: number } | { readonly made: MadeReport; readonly entry: number };

export class Reports {
  readonly #options: ReportsOptions;
  #busy = false;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** Errors: `conflict` while another one is made; those of making one. Broken off when nobody asks on. */
  async *make(request: ReportRequest, asked: Asked): AsyncGenerator<ReportStep> {
    if (this.#busy) {
      throw userError('conflict', 'another report is being made', { fix: 'try again when it is done' });
    }
    this.#busy = true;
    const { data, objects } = this.#options;
    const steps = new Steps({ data, request }, objects);
    try {
      for await (const step of steps) {
        if ('error' in step) throw ourError(step.error.code, step.error.message);
        if ('sessions' in step) yield step;
        else yield { made: step.made, entry: await this.#vouch(request, step.made.digest, asked) };
      }
    } finally {
      this.#busy = false;
      await steps.end();
    }
  }

  async #vouch(request: ReportRequest, digest: string, { by, reason }: Asked): Promise<number> {
    const { audit } = this.#options;
    const entry = audit.size;
    audit.append('export', { ...exportFields(request, digest), by, reason });
    const late = new Promise<void>((done) => setTimeout(done, CHECKPOINT_WAIT_MS).unref());
    await Promise.race([audit.covered(entry + 1), late]);
    return entry;
  }
}

/** The thread's messages, one after the other; ends with its end. */
class Steps implements AsyncIterable<FromReport> {
  readonly #worker: Worker;
  readonly #waiting: FromReport[] = [];
  #next = Promise.withResolvers<void>();
  #over = false;

  constructor(given: Omit<ReportWorkerOptions, 'objects'>, objects: PieceReader) {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Nothing of the environment, which holds secrets, and no standard input.
    this.#worker = new Worker(new URL(file, import.meta.url), {
      ...withObjects(objects, given),
      ...{ env: {}, name: 'report' },
    });
    this.#worker.on('message', (message: FromReport) => this.#say(message));
    this.#worker.on('error', (error) => this.#say({ error: { code: 'internal', message: error.message } }));
    this.#worker.on('exit', () => {
      this.#over = true;
      this.#next.resolve();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FromReport> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        yield message;
        if (!('sessions' in message)) return;
      } else if (this.#over) throw ourError('internal', 'the thread that makes the report ended without one');
      else {
        await this.#next.promise;
        this.#next = Promise.withResolvers();
      }
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #say(message: FromReport): void {
    this.#waiting.push(message);
    this.#next.resolve();
  }
}
