// What the gateway and the search index's thread say to each other.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode } from '../../core/errors.ts';
import type { FoundPage, SearchQuery } from '../../session/search/operation.ts';

export interface SearchWorkerOptions {
  /** The data directory. */
  readonly data: string;
  /** This gateway's id: several may write to one index. */
  readonly gateway: string;
  /** After so long nobody waits for a search any more: as it was when the thread was started. */
  readonly searchMs: number;
  /** Where it reads recordings that are in object storage (store/object-port.ts). */
  readonly objects: MessagePort;
  /** The store's URL with its password, where it is in PostgreSQL, and what paths in it are relative to. */
  readonly shared?: { readonly url: string; readonly directory: string };
}

export type SearchRequest =
  | { readonly id: number; readonly what: 'search'; readonly query: SearchQuery }
  | { readonly id: number; readonly what: 'forget'; readonly session: string }
  | { readonly id: number; readonly what: 'scrub' }
  | { readonly what: 'stop' };

export type SearchAnswer =
  | { readonly ready: true }
  | { readonly stopped: true }
  /** The index is damaged and was removed: the next thread makes another. */
  | { readonly damaged: string }
  /** Following the record fails; it is tried again. */
  | { readonly failed: string }
  /** Everything recorded before is in the index: milliseconds since the epoch. */
  | { readonly indexed: number }
  | { readonly id: number; readonly result: FoundPage | number }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };
