// The shape of what a mask does, described for editors. Refuses to know: how it is done.

import { z } from 'zod';

const keep = z.int().min(0).max(1000).default(0);

/** What replaces a value; a word, or one key with options. */
export const actionSchema = z
  .union([
    z.enum(['full', 'partial', 'null', 'hash', 'digits', 'email', 'generalise', 'noise']),
    z
      .strictObject({
        partial: z
          .strictObject({ first: keep, last: keep })
          .optional()
          .describe('Keeps so many first and last characters, never more than half; word form: the last 4.'),
        fixed: z.string().max(200).optional().describe('This text, whatever the value.'),
        hash: z
          .strictObject({ length: z.int().min(8).max(51).default(16) })
          .optional()
          .describe('A keyed hash (BLAKE3, base 32) of so many characters; equal values stay equal.'),
        generalise: z
          .strictObject({
            step: z.int().min(2).max(1_000_000_000).optional().describe('Numbers: rounded down to a multiple of this.'),
            date: z.enum(['year', 'month', 'day', 'hour']).optional().describe('Dates and times: cut down to this.'),
          })
          .optional()
          .describe('Coarser numbers and dates; word form: one leading digit, the year.'),
        noise: z
          .strictObject({
            percent: z.number().positive().max(100).optional().describe('Numbers: moved by at most so many percent.'),
            days: z.int().min(1).max(36_500).optional().describe('Dates and times: moved by at most so many days.'),
          })
          .optional()
          .describe(
            'Numbers and dates moved by a keyed amount, the same for the same value; word form: 10 %, 30 days.',
          ),
      })
      .refine(
        (action) => Object.values(action).filter((value) => value !== undefined).length === 1,
        'expected exactly one of partial, fixed, hash, generalise, noise',
      ),
  ])
  .describe('What replaces the value: full, partial, null, fixed, hash, digits, email, generalise or noise.');
