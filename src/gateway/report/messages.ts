// What the gateway and the thread that makes a report say to each other.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode } from '../../core/errors.ts';
import type { ReportRequest } from '../../session/report/types.ts';
import type { MadeReport } from './make.ts';

export interface ReportWorkerOptions {
  /** The data directory. */
  readonly data: string;
  readonly request: ReportRequest;
  /** Where it reads recordings that are in object storage (store/object-port.ts). */
  readonly objects: MessagePort;
}

export type FromReport =
  | { readonly sessions: number }
  | { readonly made: MadeReport }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };
