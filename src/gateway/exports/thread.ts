// The gateway's end of the thread of its exports: starts it, does for it what is the gateway's, starts it again when it has
// ended. Refuses to know: what a destination is.

import { Worker } from 'node:worker_threads';
import { asHoopctlError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type PieceReader, withObjects } from '../../store/object-port.ts';
import type { ExporterState } from './exporter.ts';
import type { ExportServices, ExportSpec, ExportWorkerOptions, FromExports, ToExports } from './messages.ts';

/** Pause before the thread is started again after it ended by itself. */
const AGAIN_MS = 5000;
/** How long it has to stop one destination. */
const GOODBYE_MS = 5000;

export type ExportThreadOptions = Omit<ExportWorkerOptions, 'objects'> & { readonly objects: PieceReader };

export class ExportThread {
  readonly #options: ExportThreadOptions;
  readonly #services: ExportServices;
  readonly #log: Log;
  readonly #specs = new Map<string, ExportSpec>();
  readonly #stopping = new Map<string, () => void>();
  #states: Readonly<Record<string, ExporterState>> = {};
  #worker: Worker | undefined;
  #again: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ExportThreadOptions, services: ExportServices, log: Log) {
    this.#options = options;
    this.#services = services;
    this.#log = log;
  }

  start(spec: ExportSpec): void {
    this.#specs.set(spec.one.name, spec);
    if (this.#worker === undefined) this.#launch();
    else this.#say({ what: 'start', spec });
  }

  /** Never rejects. */
  async stop(name: string): Promise<void> {
    this.#specs.delete(name);
    if (this.#worker === undefined) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, GOODBYE_MS).unref();
      this.#stopping.set(name, () => {
        clearTimeout(late);
        resolve();
      });
      this.#say({ what: 'stop', name });
    });
    this.#stopping.delete(name);
  }

  /** As it was a moment ago; undefined before it has begun. */
  state(name: string): ExporterState | undefined {
    return this.#states[name];
  }

  /** Ends what still runs. Never rejects. */
  async close(): Promise<void> {
    await Promise.all([...this.#specs.keys()].map((name) => this.stop(name)));
    this.#closed = true;
    clearTimeout(this.#again);
    await this.#worker?.terminate();
  }

  #launch(): void {
    if (this.#closed) return;
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    // Nothing of the environment, which holds secrets, and no standard input.
    const { objects, ...given } = this.#options;
    const worker = new Worker(new URL(file, import.meta.url), {
      ...withObjects(objects, given),
      ...{ env: {}, name: 'exports' },
    });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (message: FromExports) => void this.#heard(message));
    worker.on('error', (error) => this.#log.error({ error: error.message }, 'the thread of the exports failed'));
    worker.on('exit', () => this.#ended(worker));
    for (const spec of this.#specs.values()) this.#say({ what: 'start', spec });
  }

  async #heard(message: FromExports): Promise<void> {
    if (message.what === 'states') this.#states = message.states;
    else if (message.what === 'stopped') this.#stopping.get(message.name)?.();
    else {
      const { id, service, given } = message;
      try {
        const result = await (this.#services[service] as (...given: unknown[]) => Promise<unknown>)(...given);
        this.#say({ what: 'answer', id, result });
      } catch (thrown) {
        this.#say({ what: 'answer', id, error: asHoopctlError(thrown).message });
      }
    }
  }

  #say(message: ToExports): void {
    this.#worker?.postMessage(message);
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#states = {};
    for (const resolve of this.#stopping.values()) resolve();
    if (!this.#closed) this.#again = setTimeout(() => this.#launch(), AGAIN_MS).unref();
  }
}
