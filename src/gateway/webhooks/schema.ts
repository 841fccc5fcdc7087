// The section `webhooks` of the configuration.

import { z } from 'zod';
import { parseSecretRef } from '../../core/secret.ts';
import { ALERTS, type AlertType } from '../../session/alerts.ts';
import { allowedUrl } from '../../session/identity/keys.ts';

const EVENTS = Object.keys(ALERTS) as [AlertType, ...AlertType[]];

const reference = (value: string) => parseSecretRef(value) !== undefined;

export const webhookSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected lower-case letters, digits, ".", "_" and "-"')
      .describe('Unique; how the log and `admin webhooks` name it.'),
    url: z
      .string()
      .refine(
        (value) => reference(value) || allowedUrl(value),
        'expected an https:// URL, http:// to this machine itself, or a reference: env:NAME, file:PATH, exec:COMMAND',
      )
      .describe('Where to POST. A reference where the URL itself is a secret, as those of Slack are.'),
    secret: z
      .string()
      .refine(reference, 'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND')
      .optional()
      .describe('Signs every message (Standard Webhooks, v1: HMAC-SHA-256); `whsec_…` is base64.'),
    events: z
      .array(z.enum([...EVENTS, '*']))
      .min(1)
      .describe('Which alerts; "*": all of them.'),
    format: z.enum(['json', 'slack']).default('json').describe('json: type, timestamp, data. slack: text and blocks.'),
    caFile: z.string().min(1).optional().describe('PEM file with the authority to trust for it.'),
  })
  .superRefine(({ format, url, secret }, context) => {
    const add = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (format === 'json' && secret === undefined) {
      add(
        'secret',
        'is missing, expected a reference: whoever receives the messages has to tell them from forged ones',
      );
    }
    if (format === 'slack' && !reference(url)) {
      add('url', 'is written out (not shown), expected a reference: whoever knows the URL can post there');
    }
  })
  .describe('Where alerts are sent to.');

export const webhooksSchema = z
  .array(webhookSchema)
  .default([])
  .superRefine((webhooks, context) => {
    const seen = new Set<string>();
    webhooks.forEach(({ name }, i) => {
      if (seen.has(name)) {
        context.addIssue({ code: 'custom', path: [i, 'name'], message: 'expected a name not used before' });
      }
      seen.add(name);
    });
  });

export type WebhookConfiguration = z.output<typeof webhookSchema>;

export function wants({ events }: WebhookConfiguration, type: AlertType): boolean {
  return events.includes(type) || events.includes('*');
}
