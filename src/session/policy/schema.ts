// The shape of the policy sections of a document (access, rules, masks, tests, roles), described for editors.
// Only shape: whether a rule can apply to the connections it selects is checked by compile.ts.

import { RE2JS } from 're2js';
import { z } from 'zod';
import { parseDuration } from '../../core/clock.ts';
import { DETECTOR_NAMES } from '../masking/detectors/index.ts';
import { actionSchema } from './action-schema.ts';

const text = z.string().min(1);
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'expected a name of letters, digits, ".", "_" and "-", at most 64')
  .describe('A unique name: shown to users, recorded with every verdict.');
const several = <T extends z.ZodType>(item: T) => z.array(item).min(1);

export const durationText = z
  .string()
  .refine((value) => (parseDuration(value) ?? 0) > 0, 'expected a duration such as 30s, 10m or 2h30m');

export const patternText = z
  .string()
  .min(1)
  .superRefine((value, context) => {
    const problem = re2Problem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: `expected a RE2 pattern: ${problem}` });
  });

function re2Problem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

export const whoSchema = z
  .strictObject({
    groups: several(text).optional().describe('Member of any of these groups; "*" and "?" are wildcards.'),
    subjects: several(text).optional().describe("Any of these subjects (the token's sub); wildcards."),
    emails: several(text)
      .optional()
      .describe('Any of these e-mail addresses, case ignored; wildcards: "*@example.com".'),
    kinds: several(z.enum(['person', 'workload', 'agent']))
      .optional()
      .describe('Any of these kinds of principal.'),
    actors: several(text)
      .optional()
      .describe('An actor (an AI agent or program) of any of these names acts; wildcards.'),
    issuers: several(text).optional().describe('Vouched for by any of these issuers, by configured name; wildcards.'),
    claims: z
      .record(text, z.union([text, several(text)]))
      .optional()
      .describe('Claims of the token, each with a value or a list of them; wildcards: { repository: "acme/*" }.'),
  })
  .refine((who) => Object.values(who).some((value) => value !== undefined), 'expected at least one condition')
  .describe('Who: every condition given has to hold, each by any of its values.');

export const toSchema = z
  .strictObject({
    names: several(text).optional().describe('Any of these connections, by name; wildcards.'),
    labels: z
      .record(text, z.union([text, several(text)]))
      .optional()
      .describe('All of these labels, each with a value or a list of them; wildcards: { env: prod }.'),
  })
  .refine((to) => to.names !== undefined || to.labels !== undefined, 'expected names or labels')
  .describe('To which connections: every condition given has to hold.');

export const reviewersSchema = z
  .strictObject({
    groups: several(text).describe('Members of any of these groups may approve or deny.'),
    count: z.int().min(1).max(20).default(1).describe('How many distinct people have to approve.'),
    reason: z.literal('required').optional().describe('They have to say why.'),
  })
  .describe('Who decides a review: never the one who asked.');

export const accessSchema = z
  .strictObject({
    who: whoSchema,
    to: toSchema,
    grant: z
      .strictObject({
        max: durationText.describe('The longest grant that may be asked for, e.g. 2h.'),
        reviewers: reviewersSchema,
        reason: z.literal('required').optional().describe('Who asks has to say why.'),
      })
      .optional()
      .describe('Only with an approved, time-boxed grant. Left out: access at any time.'),
    breakGlass: z
      .strictObject({
        max: durationText.describe('The longest that the glass may be broken for, e.g. 1h.'),
        reason: z.literal('required').default('required').describe('Always: who breaks it has to say why.'),
      })
      .optional()
      .describe('May take a time-boxed grant without approval; it is logged, alerted and marked.'),
  })
  .refine((line) => line.grant === undefined || line.breakGlass === undefined, {
    message: 'expected grant or breakGlass, each in a line of its own',
    path: ['breakGlass'],
  })
  .describe('A line that gives access. Without one there is none; a further line never takes any away.');

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'expected a time of day such as 09:00');

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

export const timeSchema = z
  .strictObject({
    zone: z
      .string()
      .refine(isZone, 'expected an IANA time zone such as Europe/Berlin or UTC')
      .describe('The IANA time zone in which days and times are read.'),
    days: several(z.enum(DAYS)).optional().describe('Days of the week; left out: every day.'),
    from: clockTime.optional().describe('From this time of day, included; left out: 00:00.'),
    to: clockTime
      .optional()
      .describe('To this time of day, excluded; before `from`: over midnight, into the next day.'),
  })
  .refine(
    (time) => time.days !== undefined || time.from !== undefined || time.to !== undefined,
    'expected days, from or to',
  )
  .refine((time) => (time.from ?? '00:00') !== (time.to ?? '24:00'), 'expected a window that is not empty')
  .describe('A window of time in which the rule applies.');

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

const only = (what: string) => z.literal(true).optional().describe(what);

const amount = z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional();

export const budgetSchema = z
  .strictObject({
    rows: amount.describe('Rows sent to the client.'),
    bytes: amount.describe('Bytes of result sent to the client.'),
    statements: amount.describe('Statements that matched the rule.'),
    time: durationText.optional().describe('Time that they ran, e.g. 30m.'),
    distinct: z
      .strictObject({
        column: text.describe('customers.id; wildcards. Every value that can have come from it counts.'),
        max: z.int().min(1).max(100_000).describe('How many different values.'),
      })
      .optional()
      .describe('Different values of a column.'),
    per: z.enum(['session', 'day']).describe('In one session, or by one principal in one day (UTC).'),
  })
  .refine((budget) => Object.keys(budget).length > 1, 'expected rows, bytes, statements, distinct or time')
  .describe('Once so much was used up by statements for which all other conditions hold; a result ends in the middle.');

export const whenSchema = z
  .strictObject({
    does: several(text).optional().describe("It does any of these, in the protocol's words: select, drop, …"),
    objects: several(text).optional().describe('It creates, alters or drops an object of any of these kinds.'),
    relations: several(text)
      .optional()
      .describe('It reads or writes any of these relations: customers, billing.*; a bare name in any schema.'),
    columns: several(text)
      .optional()
      .describe('It uses any of these columns: customers.ssn, "*.salary"; a relation whose columns are unknown: all.'),
    functions: several(text)
      .optional()
      .describe('It calls any of these functions; wildcards; a bare name in any schema.'),
    programs: several(text)
      .optional()
      .describe('It runs any of these programs: rm, /usr/bin/*, mkfs.*; a bare name in any directory.'),
    otherPrograms: several(text)
      .optional()
      .describe(
        'It runs a program that is none of these; a bare name is found by the search path, and a path is not it.',
      ),
    arguments: several(text)
      .optional()
      .describe(
        'It gives a program (with programs: one of those) any of these arguments, or one that its text does not tell.',
      ),
    otherArguments: several(text)
      .optional()
      .describe('It gives a program (with programs: one of those) an argument that is none of these, or is not told.'),
    places: several(text)
      .optional()
      .describe(
        'It reads or writes any of these files, or reaches any of these addresses: /etc/*, 169.254.*; "*" is any text.',
      ),
    otherPlaces: several(text)
      .optional()
      .describe('It reads or writes a file, or reaches an address, that is none of these, or is not told.'),
    unbounded: only('An update or delete without a condition.'),
    opaque: only('What it does cannot be told from its text (a DO block, for example).'),
    dangerous: only('It uses something of the documented set of dangerous functions and statements.'),
    text: patternText.optional().describe('Its exact text matches this RE2 pattern somewhere; (?i) ignores case.'),
    output: patternText
      .optional()
      .describe(
        'It puts out a line that this RE2 pattern matches: then the session ends, or the output is held for review.',
      ),
    time: timeSchema.optional(),
    reasonMissing: only('The session was opened without a reason (--reason).'),
    budget: budgetSchema.optional(),
  })
  .refine((when) => Object.values(when).some((value) => value !== undefined), 'expected at least one condition')
  .describe('When: every condition given has to hold for one statement, each by any of its values.');

export const VERDICTS = ['allow', 'deny', 'review'] as const;

export const ruleSchema = z
  .strictObject({
    name,
    who: whoSchema.optional().describe('Whom the rule concerns; left out: everybody.'),
    to: toSchema.optional().describe('Which connections; left out: all.'),
    when: whenSchema.optional().describe('Which operations; left out: every one.'),
    then: z.enum(VERDICTS).describe('The verdict. The strictest of all rules that match wins: deny, review, allow.'),
    message: z.string().min(1).max(500).optional().describe('Told to the user with a deny or a review.'),
    reviewers: reviewersSchema.optional().describe('Review only: who decides.'),
    wait: durationText.optional().describe('Review only: how long the statement is held at most; left out: 10m.'),
    reason: z
      .literal('required')
      .optional()
      .describe('Review only: the session has to have a reason (--reason), or the statement is refused.'),
    alert: z
      .literal('first-seen')
      .optional()
      .describe(
        'Alerts when who it concerns touches a relation that it never touched before, by a matching statement.',
      ),
  })
  .describe('A rule about operations.');

export const detectorSchema = z
  .union([
    z.enum(DETECTOR_NAMES),
    z.strictObject({
      name: name.describe('Names what the pattern finds.'),
      pattern: patternText.describe('A RE2 pattern (linear time); every match is replaced.'),
    }),
  ])
  .describe('A built-in detector by name, or a pattern of your own.');

const useSchema = z.enum(['allow', 'deny', 'review']);

export const predicatesSchema = z
  .union([
    useSchema,
    z
      .strictObject({
        equality: useSchema.optional().describe('Compared with up to ten values: ssn = $1. Left out: allow.'),
        range: useSchema.optional().describe('Compared by order: <, between. Left out: deny, as all that follow.'),
        pattern: useSchema.optional().describe('Matched: like, ~, and operators not told apart.'),
        join: useSchema.optional().describe('Compared with another column.'),
        order: useSchema.optional().describe('Sorted by.'),
        group: useSchema.optional().describe('Grouped by, distinct, union; with as: hash left out: allow.'),
        computed: useSchema.optional().describe('Computed with in a condition, or for a number of rows.'),
        error: useSchema.optional().describe('Computed with so that it can fail by the value: ssn::int, salary + 1.'),
      })
      .refine((uses) => Object.values(uses).some((use) => use !== undefined), 'expected at least one kind'),
  ])
  .describe('Statements that use the columns without selecting them, so that values can be guessed.');

export const unmaskSchema = z
  .strictObject({
    max: durationText.describe('The longest that it may be lifted for, e.g. 1h.'),
    reviewers: reviewersSchema,
    reason: z.literal('required').optional().describe('Who asks has to say why.'),
  })
  .describe('May be lifted for one principal and a time, by a review. Left out: never.');

export const maskSchema = z
  .strictObject({
    name,
    to: toSchema.optional().describe('Which connections; left out: all.'),
    columns: several(text)
      .optional()
      .describe(
        'Columns: table.column or schema.table.column; wildcards: "*.card_number"; class:pii: those of a class.',
      ),
    detect: several(detectorSchema).optional().describe('What to find in the values of every other column.'),
    as: actionSchema.default('full'),
    safe: z
      .array(z.literal('count'))
      .min(1)
      .optional()
      .describe('Aggregates of the columns that are not masked: count, the number of values that are not NULL.'),
    predicates: predicatesSchema.optional(),
    reviewers: reviewersSchema.optional().describe('With predicates: review only: who decides.'),
    wait: durationText.optional().describe('With predicates: review only: how long at most; left out: 10m.'),
    unless: whoSchema.optional().describe('Who sees the values as they are.'),
    unmask: unmaskSchema.optional(),
  })
  .refine((mask) => mask.columns !== undefined || mask.detect !== undefined, 'expected columns or detect')
  .describe('A mask for values that come back.');

export const classesSchema = z
  .record(
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'expected a name of letters, digits, ".", "_" and "-", at most 64'),
    several(text),
  )
  .describe(
    'Classes of sensitive columns: { pii: [customers.ssn, "*.email"] }, meant as class:pii in a list of columns.',
  );

export const EXPECTATIONS = ['allow', 'deny', 'review', 'masked'] as const;

export const testSchema = z
  .strictObject({
    as: z
      .strictObject({
        groups: z.array(text).optional(),
        subject: text.optional(),
        email: text.optional(),
        kind: z.enum(['person', 'workload', 'agent']).optional(),
        actor: text.optional(),
        issuer: text.optional(),
        claims: z.record(text, z.string()).optional(),
      })
      .describe('The principal that asks; what is left out, it has not.'),
    to: text.describe('The name of a connection.'),
    does: text
      .optional()
      .describe(
        'Which operation is meant, where its text does not tell: a word of the protocol (SSH: shell, sftp-read, forward, …).',
      ),
    run: text
      .optional()
      .describe('What it runs, in the language of the target; with does: its path or address. Left out: it has none.'),
    expect: z.enum(EXPECTATIONS).describe('The verdict that has to come out; masked: allowed, with a column masked.'),
    rule: text.optional().describe('The rule or mask that has to be the reason.'),
    reason: text.optional().describe("The session's reason; left out: none given."),
    at: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('The moment at which it runs, e.g. 2026-01-05T09:00:00Z; needed where a rule has a time window.'),
  })
  .refine((test) => test.run !== undefined || test.does !== undefined, 'expected run')
  .describe(
    'A test of the policy, run by `policy test` and at every load; a failing one keeps the old policy in force.',
  );

const auditorSchema = z.strictObject({
  who: whoSchema,
  to: toSchema.optional().describe('Only what was recorded at these; left out: everything, and the log.'),
  reason: z.literal('required').optional().describe('They have to say why they read.'),
});
type AuditorLine = z.infer<typeof auditorSchema>;

export const rolesSchema = z
  .strictObject({
    admin: whoSchema.default({ groups: ['admins'] }).describe('Who administers the gateway.'),
    auditor: z
      .union([whoSchema.transform((who): AuditorLine[] => [{ who }]), z.array(auditorSchema).min(1)])
      .prefault({ groups: ['auditors'] })
      .describe('Who reads the record of others: a who, or lines that say where and whether a reason is needed.'),
  })
  .describe("Who has the gateway's own roles.");

/** The policy sections of a document, to be spread into the schema of the whole. */
export const policySections = {
  classes: classesSchema.default({}),
  access: z.array(accessSchema).default([]),
  rules: z.array(ruleSchema).default([]),
  masks: z.array(maskSchema).default([]),
  tests: z.array(testSchema).default([]),
  roles: rolesSchema.prefault({}),
};

export const policySchema = z.strictObject(policySections);

export type Who = z.infer<typeof whoSchema>;
export type To = z.infer<typeof toSchema>;
export type When = z.infer<typeof whenSchema>;
export type TimeWindow = z.infer<typeof timeSchema>;
export type AccessLine = z.infer<typeof accessSchema>;
export type Rule = z.infer<typeof ruleSchema>;
export type MaskAction = z.infer<typeof actionSchema>;
export type MaskLine = z.infer<typeof maskSchema>;
export type PolicyTest = z.infer<typeof testSchema>;
export type PolicyDocument = z.infer<typeof policySchema>;
