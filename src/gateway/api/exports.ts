// The record on its way out: how the destinations do, and a copy of a span of time. For auditors and admins; taking a copy is
// itself on record.

import { hostname } from 'node:os';
import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import { KIND } from '../../session/export/select.ts';
import { COPY_FORMATS, type CopyFormat, copyOf } from '../../session/export/stream.ts';
import { displayName } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { requireReason } from './reading.ts';
import { type Route, route } from './route.ts';
import { iso, timeShape } from './shapes.ts';

const exportShape = z.object({
  name: z.string(),
  to: z.string(),
  state: z.enum(['idle', 'sending', 'failing']),
  sequence: z.int().describe('Of the last event that the receiver has.'),
  index: z.int().describe('The first entry of the log that it has not.'),
  entries: z.int().describe('Entries that the log has.'),
  sent: z.int().describe('Since the start.'),
  refused: z.int().describe('That it will never take, since the start.'),
  lagMs: z.int().describe('Age of the oldest event that it has not.'),
  error: z.string().optional(),
  failingSince: timeShape.optional(),
});

const recordingsShape = z.object({
  to: z.string(),
  state: z.enum(['idle', 'sending', 'failing']),
  waiting: z.int().describe('Recordings that are on the disk and not there.'),
  lagMs: z.int().describe('How long the oldest of them has been over.'),
  uploaded: z.int().describe('Since the start.'),
  error: z.string().optional(),
  failingSince: timeShape.optional(),
});

const TYPES: Readonly<Record<CopyFormat, string>> = {
  jsonl: 'application/x-ndjson',
  ocsf: 'application/x-ndjson',
  otlp: 'application/x-ndjson',
  cef: 'text/plain; charset=utf-8',
  syslog: 'text/plain; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
};

const list = (each: z.ZodType<string, string>) =>
  z
    .string()
    .transform((text) => text.split(',').filter((one) => one !== ''))
    .pipe(z.array(each))
    .default([]);

const labels = list(z.string().regex(/^[^=]+=/, 'expected NAME=VALUE')).transform((all) =>
  Object.fromEntries(all.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)])),
);

export function exportRoutes(parts: Parts): Route[] {
  return [
    route({
      tag: 'audit',
      auth: 'auditor',
      method: 'get',
      path: '/api/v1/audit/exports',
      summary: 'Where the record is sent to, and how far each receiver is.',
      answer: z.object({
        exports: z.array(exportShape),
        recordings: recordingsShape.optional().describe('The object storage of the recordings, where there is one.'),
      }),
      async handle() {
        const { entries } = parts.exports;
        const { state } = parts.shipper;
        return {
          ...(state && { recordings: { ...state, failingSince: iso(state.failingSince) } }),
          exports: parts.exports.status().map(({ failingSince, lagMs, ...one }) => ({
            ...one,
            entries,
            lagMs: Math.round(lagMs),
            failingSince: iso(failingSince),
          })),
        };
      },
    }),
    route({
      tag: 'audit',
      auth: 'auditor',
      method: 'get',
      path: '/api/v1/audit/export',
      summary: 'A copy of the record of a span of time: the log and what sessions did.',
      query: z.object({
        since: z.iso.datetime(),
        until: z.iso.datetime().optional().describe('Left out: now.'),
        format: z.enum(COPY_FORMATS).default('jsonl'),
        kinds: list(z.string().regex(KIND)).describe('log.login, session.*, …; several with commas.'),
        labels: labels.describe('NAME=VALUE of the connection; several with commas.'),
        connection: list(z.string()).describe('Several with commas.'),
        session: z.string().optional(),
        principal: z.string().optional().describe('Subject or e-mail.'),
        rows: z.enum(['true', 'false']).default('false').describe('With the rows of results, as recorded.'),
      }),
      answer: { stream: 'application/octet-stream' },
      async handle({ query, caller, reason }) {
        requireReason(parts, { caller, reason });
        const { since, until, format, rows, connection: connections, ...more } = query;
        const selection = { ...more, connections };
        const span = { since: Date.parse(since), until: until === undefined ? parts.clock.now() : Date.parse(until) };
        if (span.since >= span.until)
          throw userError('usage', 'since is not before until: there is nothing between them');
        const by = displayName(caller.principal);
        const connection = connections.length === 0 ? {} : { connection: connections.join(',') };
        const told = { ...more, ...connection, rows: rows === 'true', since: iso(span.since), until: iso(span.until) };
        parts.audit.append('export', { what: 'copy taken', by, reason, format, ...told });
        const { source, product } = parts.exports.record;
        const lines = copyOf({ source, span, selection, rows: rows === 'true', format, product, hostname: hostname() });
        return { contentType: TYPES[format], lines };
      },
    }),
  ];
}
