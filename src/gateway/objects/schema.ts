// Where recordings go from the directory, as it is written in the configuration.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { parseSecretRef } from '../../core/secret.ts';
import { allowedUrl } from '../../session/identity/keys.ts';

const text = z.string().min(1);

const reference = z
  .string()
  .refine(
    (value) => parseSecretRef(value) !== undefined,
    'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND',
  )
  .transform((value) => parseSecretRef(value)!);

const duration = z
  .string()
  .refine((value) => parseDuration(value) !== undefined, 'expected a duration such as 12h, 7d or 0s')
  .transform((value) => parseDuration(value)!);

const s3 = z
  .strictObject({
    endpoint: z
      .string()
      .refine(
        (value) => allowedUrl(value) && new URL(value).pathname === '/',
        'expected https://HOST without a path, or http:// to this machine itself',
      )
      .transform((value) => value.replace(/\/$/, ''))
      .describe('https://s3.eu-central-1.amazonaws.com, or that of another storage that speaks S3.'),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected 3 to 63 lower-case letters, digits, "." and "-"'),
    region: text.default('us-east-1'),
    prefix: z
      .string()
      .regex(/^([A-Za-z0-9._-]+\/)*$/, 'expected folders such as hoopctl/prod/')
      .default('')
      .describe('What the keys of its objects begin with; below it they are as the files are.'),
    addressing: z
      .enum(['path', 'host'])
      .default('path')
      .describe('https://HOST/BUCKET/KEY, or https://BUCKET.HOST/KEY.'),
    credentials: z.strictObject({
      accessKeyId: reference,
      secretAccessKey: reference,
      sessionToken: reference.optional(),
    }),
    sse: z
      .enum(['AES256', 'aws:kms'])
      .optional()
      .describe('Encryption by the storage (x-amz-server-side-encryption); left out: as the bucket does.'),
    kmsKey: text.optional().describe('With aws:kms: the id of the key.'),
    objectLock: z
      .strictObject({
        mode: z.enum(['governance', 'compliance']),
        keep: duration.describe('From the upload on nobody removes it for so long.'),
      })
      .optional()
      .describe('The bucket has to have Object Lock.'),
    keepLocal: duration
      .default(7 * 86_400_000)
      .describe('How long after its end a recording stays on the disk too; less where the disk gets full.'),
    caFile: text.optional().describe('PEM file with the authority to trust for it.'),
  })
  .superRefine(({ sse, kmsKey }, context) => {
    if (kmsKey === undefined || sse === 'aws:kms') return;
    context.addIssue({ code: 'custom', path: ['kmsKey'], message: 'expected sse: aws:kms beside it' });
  });

export const recordingStoreSchema = z
  .strictObject({ s3 })
  .describe('Where sealed recordings go. Left out: they stay in the data directory.');

export type S3Configuration = z.output<typeof s3>;
