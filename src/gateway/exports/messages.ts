// What the gateway and the thread of its exports say to each other.

import type { MessagePort } from 'node:worker_threads';
import type { SecretRef } from '../../core/secret.ts';
import type { ExporterState, Kept } from './exporter.ts';
import type { ExportConfiguration } from './schema.ts';

export interface ExportWorkerOptions {
  /** The data directory. */
  readonly data: string;
  readonly version: string;
  /** Where it reads recordings that are in object storage (store/object-port.ts). */
  readonly objects: MessagePort;
  /** Protocols whose operations are statements to a database. */
  readonly datastores: readonly string[];
}

/** One destination to run. */
export interface ExportSpec {
  readonly one: ExportConfiguration;
  /** The gateway's URL. */
  readonly gateway: string;
  /** Those in force, by name. */
  readonly limits: Readonly<Record<string, number>>;
}

/** What the thread cannot do by itself: the store, the log and the secrets are the gateway's. */
export interface ExportServices {
  load(name: string): Promise<Kept>;
  keep(name: string, kept: Kept): Promise<void>;
  read(name: string, reference: SecretRef): Promise<string>;
  /** On record when it resolves. */
  refused(name: string, event: { readonly id: string; readonly sequence: number }, why: string): Promise<void>;
  rejected(name: string, count: number, why: string): Promise<void>;
  failing(name: string, why: string, forMs: number): Promise<void>;
  recovered(name: string, afterMs: number): Promise<void>;
}

export type ToExports =
  | { readonly what: 'start'; readonly spec: ExportSpec }
  | { readonly what: 'stop'; readonly name: string }
  | { readonly what: 'answer'; readonly id: number; readonly result?: unknown; readonly error?: string };

export type FromExports =
  | { readonly what: 'ask'; readonly id: number; readonly service: keyof ExportServices; readonly given: unknown[] }
  | { readonly what: 'states'; readonly states: Readonly<Record<string, ExporterState>> }
  | { readonly what: 'stopped'; readonly name: string };
