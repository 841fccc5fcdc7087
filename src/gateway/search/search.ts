// The gateway's end of the search index: starts its thread, asks it, starts it again when it has ended.
// Refuses to know: how anything is found.

import { Worker } from 'node:worker_threads';
import { ourError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { Log } from '../../core/log.ts';
import type { FoundPage, SearchQuery } from '../../session/search/operation.ts';
import { type PieceReader, withObjects } from '../../store/object-port.ts';
import type { SearchAnswer, SearchRequest, SearchWorkerOptions } from './messages.ts';

/** How long a search may take. */
export const SEARCH_MS: Limit = limit('search_ms', 'ms', 30_000);
/** Pause before the thread is started again after it ended by itself. */
const AGAIN_MS = 5000;
/** How long the thread has to finish its batch when the gateway stops. */
const GOODBYE_MS = 3000;

/** The store's URL with its password, asked anew at each call. */
export type StoreAddress = () => Promise<NonNullable<SearchWorkerOptions['shared']>>;

export interface SearchOptions extends Omit<SearchWorkerOptions, 'shared' | 'objects' | 'searchMs'> {
  readonly objects: PieceReader;
  /** Asked again at each start of the thread. Undefined: the index is a file. */
  readonly shared?: StoreAddress;
  readonly log: Log;
  readonly limit: (bound: Limit) => Limit;
}

interface Waiting {
  resolve(result: FoundPage | number): void;
  reject(error: Error): void;
}

export class Search {
  readonly #options: SearchOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #stopped = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #next = 1;
  #stopping = false;
  #indexed: number | undefined;
  /** What each asker asked last. */
  readonly #asked = new Map<string, Promise<unknown>>();
  #again: NodeJS.Timeout | undefined;

  constructor(options: SearchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#start().catch((thrown: unknown) => {
      this.#options.log.error({ error: String(thrown) }, 'the search index cannot start');
      if (!this.#stopping) this.#again = setTimeout(() => this.start(), AGAIN_MS).unref();
    });
  }

  async #start(): Promise<void> {
    const { data, gateway } = this.#options;
    const shared = await this.#options.shared?.();
    if (this.#stopping) return;
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const searchMs = this.#options.limit(SEARCH_MS).value;
    const given = { data, gateway, searchMs, ...(shared === undefined ? {} : { shared }) } satisfies Omit<
      SearchWorkerOptions,
      'objects'
    >;
    // Nothing of the environment, which holds secrets, and no standard input.
    const worker = new Worker(new URL(file, import.meta.url), {
      ...withObjects(this.#options.objects, given),
      ...{ env: {}, name: 'search' },
    });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (answer: SearchAnswer) => this.#answer(answer));
    worker.on('error', (error) => this.#options.log.error({ error: error.message }, 'the search index failed'));
    worker.on('exit', () => this.#ended(worker));
  }

  /** Everything recorded before is found: milliseconds since the epoch. Undefined: that is not known of any moment yet. */
  get indexed(): number | undefined {
    return this.#indexed;
  }

  /** One at a time of an asker, so that nobody's many keep others waiting. Errors: `store_failed`, usage. */
  async search(query: SearchQuery, asker: string): Promise<FoundPage> {
    const bound = this.#options.limit(SEARCH_MS);
    const until = performance.now() + bound.value;
    const before = this.#asked.get(asker);
    const answer = (async () => {
      await before;
      if (performance.now() > until) throw away(`it took longer than ${bound.value} ms (${bound.name})`);
      return (await this.#ask({ what: 'search', query })) as FoundPage;
    })();
    const over = answer.then(
      () => {},
      () => {},
    );
    this.#asked.set(asker, over);
    void over.then(() => {
      if (this.#asked.get(asker) === over) this.#asked.delete(asker);
    });
    return answer;
  }

  /** Removes what was purged; how many operations there were. Errors: `store_failed`. */
  async forget(session: string): Promise<number> {
    return (await this.#ask({ what: 'forget', session })) as number;
  }

  /** Overwrites what is left of what was forgotten. Errors: `store_failed`. */
  async scrub(): Promise<void> {
    await this.#ask({ what: 'scrub' });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#again);
    const worker = this.#worker;
    if (worker === undefined) return;
    worker.postMessage({ what: 'stop' } satisfies SearchRequest);
    const late = setTimeout(() => this.#stopped.resolve(), GOODBYE_MS).unref();
    await this.#stopped.promise;
    clearTimeout(late);
    await worker.terminate();
  }

  async #ask(
    request: { what: 'search'; query: SearchQuery } | { what: 'forget'; session: string } | { what: 'scrub' },
  ): Promise<FoundPage | number> {
    const worker = this.#worker;
    if (worker === undefined || this.#stopping) throw away('it is not running');
    const id = this.#next++;
    const bound = this.#options.limit(SEARCH_MS);
    let late: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        late = setTimeout(() => reject(away(`it took longer than ${bound.value} ms (${bound.name})`)), bound.value);
        worker.postMessage({ id, ...request } satisfies SearchRequest);
      });
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }

  #answer(answer: SearchAnswer): void {
    if ('failed' in answer)
      this.#options.log.error({ error: answer.failed }, 'the search index cannot follow the record');
    else if ('damaged' in answer) {
      this.#options.log.warn(
        { error: answer.damaged },
        'the search index is damaged: it is made again from the record',
      );
      this.#indexed = undefined;
      void this.#worker?.terminate();
    } else if ('indexed' in answer) this.#indexed = answer.indexed;
    else if ('stopped' in answer) this.#stopped.resolve();
    else if ('result' in answer) this.#waiting.get(answer.id)?.resolve(answer.result);
    else if ('error' in answer) this.#waiting.get(answer.id)?.reject(ourError(answer.error.code, answer.error.message));
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#stopped.resolve();
    for (const waiting of this.#waiting.values()) waiting.reject(away('it ended'));
    this.#waiting.clear();
    if (!this.#stopping) this.#again = setTimeout(() => this.start(), AGAIN_MS).unref();
  }
}

function away(why: string) {
  return ourError('store_failed', `the search index did not answer: ${why}`, { fix: 'try again in a moment' });
}
