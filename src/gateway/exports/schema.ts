// The section `exports` of the configuration: where the record is sent to, and in which words.

import { z } from 'zod';
import { parseSecretRef } from '../../core/secret.ts';
import { FORMATS } from '../../session/export/formats.ts';
import { KIND } from '../../session/export/select.ts';
import { allowedUrl } from '../../session/identity/keys.ts';
import { size } from '../size.ts';

const reference = z
  .string()
  .refine(
    (value) => parseSecretRef(value) !== undefined,
    'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND',
  );

const text = z.string().min(1);

const url = z
  .string()
  .refine(
    (value) => parseSecretRef(value) !== undefined || allowedUrl(value),
    'expected an https:// URL, http:// to this machine itself, or a reference: env:NAME, file:PATH, exec:COMMAND',
  );

/** A kind as an event has it, or `log.*`, `session.*`, `*`. */
const kind = z.string().regex(KIND, 'expected *, log.KIND, session.KIND, log.* or session.*');

const common = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected lower-case letters, digits, ".", "_" and "-"')
    .describe('Unique. The cursor is kept under it: under another name everything is sent again.'),
  kinds: z.array(kind).min(1).default(['*']).describe('Which events: log.login, session.intent, log.*, …'),
  labels: z
    .record(text, z.string())
    .default({})
    .describe(
      "Only sessions whose connection has these labels. The log's entries belong to none and are not selected by it.",
    ),
  rows: z
    .boolean()
    .default(false)
    .describe('With the (masked) rows of results and what went through a terminal, as far as they are recorded.'),
  from: z.enum(['beginning', 'now']).default('beginning').describe('Where a new destination begins.'),
};

const tls = {
  caFile: text.optional().describe('PEM file with the authority to trust for it.'),
  certFile: text.optional().describe('PEM file with the certificate that this gateway shows.'),
  key: reference.optional().describe('Its private key, PEM: a reference.'),
};

const file = z.strictObject({
  ...common,
  to: z.literal('file'),
  format: z.enum(FORMATS).default('json'),
  path: text.describe('Appended to; made with mode 0600. /dev/stdout is allowed.'),
  rotate: size
    .refine((bytes) => bytes >= 4096, 'expected at least 4KiB')
    .optional()
    .describe('At this size it becomes PATH.1, that PATH.2, …'),
  keep: z.int().min(1).max(1000).default(10).describe('So many rotated ones.'),
});

const syslog = z.strictObject({
  ...common,
  ...tls,
  to: z.literal('syslog'),
  format: z.enum(['json', 'ocsf', 'cef']).default('json'),
  address: z
    .string()
    .regex(/^(?:\[[0-9a-fA-F:]+\]|[^:[\]/\s]+):\d{1,5}$/, 'expected host:port such as siem.example.com:6514')
    .describe('host:port, usually 6514. Always by TLS.'),
  serverName: text.optional().describe('The name that its certificate has to have; left out: the host.'),
  facility: z.int().min(0).max(23).default(13).describe('13: log audit; 16 to 23: local0 to local7.'),
  maxBytes: size
    .refine((bytes) => bytes >= 1024 && bytes <= 2 ** 20, 'expected 1KiB to 1MiB')
    .default(8192)
    .describe('Octets of one message; longer ones are cut and say so.'),
  mark: z.boolean().default(true).describe('Begins the text with the byte order mark, as RFC 5424 wants for UTF-8.'),
  confirm: z
    .enum(['close', 'flush'])
    .default('close')
    .describe(
      'close: every few seconds another connection takes over and the receiver has to close the old one, which shows that it has read all. flush: never, for receivers that do not close.',
    ),
});

const otlp = z.strictObject({
  ...common,
  ...tls,
  to: z.literal('otlp'),
  url: url.describe('The whole one, usually …/v1/logs.'),
  headers: z.record(text, reference).default({}).describe('Header names and references to their values.'),
});

const webhook = z.strictObject({
  ...common,
  ...tls,
  to: z.literal('webhook'),
  format: z.enum(['json', 'ocsf']).default('json'),
  url,
  secret: reference.describe('Signs every message (Standard Webhooks, v1: HMAC-SHA-256); `whsec_…` is base64.'),
});

export const exportSchema = z
  .discriminatedUnion('to', [file, syslog, otlp, webhook])
  .describe('Where the record is sent to.');

export const exportsSchema = z
  .array(exportSchema)
  .default([])
  .superRefine((list, context) => {
    const seen = new Set<string>();
    const files = new Set<string>();
    list.forEach((one, i) => {
      const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [i, path], message });
      if (seen.has(one.name)) issue('name', 'expected a name not used before');
      seen.add(one.name);
      if (one.to === 'file') {
        // Standard output and the like are no files of anybody's.
        if (!one.path.startsWith('/dev/')) {
          if (files.has(one.path)) issue('path', 'expected a file that no other destination is written to');
          files.add(one.path);
        }
        return;
      }
      if ((one.certFile === undefined) !== (one.key === undefined)) {
        issue(one.key === undefined ? 'certFile' : 'key', 'expected certFile and key, both or none');
      }
    });
  });

export type ExportConfiguration = z.output<typeof exportSchema>;
export type FileExport = Extract<ExportConfiguration, { to: 'file' }>;
export type SyslogExport = Extract<ExportConfiguration, { to: 'syslog' }>;
export type HttpExport = Extract<ExportConfiguration, { to: 'otlp' | 'webhook' }>;

/** With every path of a file made absolute. */
export function withPaths(one: ExportConfiguration, absolute: (path: string) => string): ExportConfiguration {
  if (one.to === 'file') return { ...one, path: absolute(one.path) };
  const { caFile, certFile } = one;
  return {
    ...one,
    ...(caFile === undefined ? {} : { caFile: absolute(caFile) }),
    ...(certFile === undefined ? {} : { certFile: absolute(certFile) }),
  };
}
