// Searching in what was recorded. Everybody finds their own; auditors and admins find all, and their searches are on record.

import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { principalKey } from '../../session/identity/principal.ts';
import type { NumberRange, SearchQuery } from '../../session/search/operation.ts';
import { wantedOf, wordsOf } from '../../session/search/tokens.ts';
import type { Parts } from '../parts.ts';
import { recordReading } from './reading.ts';
import { type Route, route } from './route.ts';
import { mayReadAll } from './sessions.ts';
import { iso, timeShape } from './shapes.ts';

const text = z.string().max(500).optional();

const MOST_WORDS = 50;
const MOST_BEGINNINGS = 8;

const querySchema = z.object({
  words: z
    .string()
    .max(2000)
    .default('')
    .describe('All of these words, in the text or in the results; word*: a beginning.'),
  who: text.describe("The principal's name, e-mail or subject."),
  actor: text,
  connection: text,
  session: text,
  verdict: z.enum(['allow', 'deny', 'review']).optional(),
  status: z.enum(['ok', 'error', 'cancelled', 'unknown', 'refused']).optional(),
  rule: text,
  does: text.describe('What it does: select, drop, exec, …'),
  relation: text.describe('A relation that it reads or writes: customers, public.customers.'),
  masked: text.describe('A column of the result that was masked, or the mask.'),
  function: text.describe('A function that it calls, or a program that it runs.'),
  error: text.describe("The target's error code, or that of the refusal."),
  review: text,
  since: z.iso.datetime().optional(),
  until: z.iso.datetime().optional(),
  rows: text.describe('>1000, <10, 5..10, or a number.'),
  duration: text.describe('>1s, <10ms, 1s..5s.'),
  before: text.describe('The `next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

const foundShape = z.object({
  session: z.string(),
  op: z.int(),
  at: timeShape,
  principal: z.string(),
  actor: z.string().optional(),
  connection: z.string(),
  verdict: z.string(),
  status: z.string(),
  rule: z.string().optional(),
  review: z.string().optional(),
  error: z.string().optional(),
  rows: z.int().optional(),
  bytes: z.int().optional(),
  us: z.int().optional().describe('Microseconds.'),
  text: z.string().describe('Its beginning.'),
});

export function searchRoutes(parts: Parts): Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/sessions/search',
      summary: 'Operations in recordings, newest first, by words and fields.',
      tag: 'sessions',
      auth: 'token',
      query: querySchema,
      answer: z.object({
        operations: z.array(foundShape),
        next: z.string().optional(),
        indexed: timeShape
          .nullish()
          .describe(
            'Set where the index is behind: what this gateway recorded since may be missing; null: it is being made.',
          ),
      }),
      async handle({ query, caller, roles, reason }) {
        const { issuer, subject } = caller.principal;
        const all = mayReadAll(parts, caller.principal, roles, query.connection);
        const asked: SearchQuery = { ...fieldsOf(query), ...(all ? {} : { owner: { issuer, subject } }) };
        const { limit, before, ...shown } = query;
        const what = { what: 'search', own: !all, connection: roles.length > 0 ? undefined : query.connection };
        recordReading(parts, { caller, reason }, what, { query: given(shown) });
        const { operations, next, indexed } = await parts.search.search(asked, principalKey(caller.principal));
        return {
          operations: operations.map((operation) => ({ ...operation, at: iso(operation.at) })),
          ...(next === undefined ? {} : { next }),
          ...(indexed === undefined ? {} : { indexed: indexed === 0 ? null : iso(indexed) }),
        };
      },
    }),
  ];
}

function fieldsOf({ words, since, until, rows, duration, before, ...rest }: z.output<typeof querySchema>): SearchQuery {
  if (before !== undefined && !/^\d{1,16}(?:\.s-[0-9a-z]{1,40}\.\d{1,10})?$/.test(before)) {
    throw userError('usage', `before is "${before}", expected the "next" of a page`);
  }
  if (since !== undefined && until !== undefined && Date.parse(since) >= Date.parse(until)) {
    throw userError('usage', 'since is not before until: there is nothing between them');
  }
  // As no word it would find everything.
  if (words.trim() !== '' && wordsOf(words).length === 0) {
    throw userError('usage', `'${words}' has no word to search for: words are of letters, digits and "_"`);
  }
  // Each one costs, whoever asks: these are words of a person, not a list.
  const asked = wantedOf({ words: words.split(/\s+/), limit: 1 });
  for (const [count, most, what] of [
    [asked.words.length, MOST_WORDS, 'words'],
    [asked.beginnings.length, MOST_BEGINNINGS, 'beginnings of words'],
  ] as const) {
    if (count > most) throw userError('usage', `a search takes ${most} ${what} at most, these are ${count}`);
  }
  return given({
    ...rest,
    words: words.split(/\s+/).filter((word) => word !== ''),
    since: since === undefined ? undefined : Date.parse(since),
    until: until === undefined ? undefined : Date.parse(until),
    rows: rangeOf('rows', rows, (value) => (/^\d{1,15}$/.test(value) ? Number(value) : undefined)),
    us: rangeOf('duration', duration, (value) => {
      const ms = parseDuration(value);
      return ms === undefined ? undefined : ms * 1000;
    }),
    before,
  }) as SearchQuery;
}

function given<Shape extends object>(fields: Shape): Partial<Shape> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Shape>;
}

/** `>10`, `>=10`, `<10`, `<=10`, `10..20`, `10`. Errors: usage. */
function rangeOf(
  name: string,
  written: string | undefined,
  parse: (value: string) => number | undefined,
): NumberRange | undefined {
  if (written === undefined) return undefined;
  const wrong = () => userError('usage', `${name} is "${written}", expected such as >10, <10, 10..20 or 10`);
  const value = (part: string) => {
    const number = parse(part.trim());
    if (number === undefined) throw wrong();
    return number;
  };
  const span = /^(.+)\.\.(.+)$/.exec(written);
  if (span !== null) {
    const [min, max] = [value(span[1]!), value(span[2]!)];
    if (min > max) throw wrong();
    return { min, max };
  }
  const compared = /^(>=|<=|>|<)(.+)$/.exec(written.trim());
  if (compared === null) return { min: value(written), max: value(written) };
  const bound = value(compared[2]!);
  switch (compared[1]) {
    case '>':
      return { min: bound + 1 };
    case '>=':
      return { min: bound };
    case '<':
      return { max: bound - 1 };
    default:
      return { max: bound };
  }
}
