// The configuration document as a schema: what may be written in gateway.yaml, described for editors. A connection's
// `target`, `credentials` and `options` are its protocol's matter; access, rules, masks, tests and roles are the policy's.

import { z } from 'zod';
import { parseDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import { parseSecretRef } from '../core/secret.ts';
import type { Protocol } from '../protocol/contract.ts';
import { allowedUrl } from '../session/identity/keys.ts';
import { COSIGNATURE, parseVkey } from '../session/log/note.ts';
import { policySections } from '../session/policy/schema.ts';
import { parseRecipient, recipientProblem } from '../session/recorder/age/keys.ts';
import { exportsSchema } from './exports/schema.ts';
import { recordingStoreSchema } from './objects/schema.ts';
import { size } from './size.ts';
import { webhooksSchema } from './webhooks/schema.ts';

const text = z.string().min(1);

const duration = z
  .string()
  .refine((value) => (parseDuration(value) ?? 0) > 0, 'expected a duration such as 30s, 10m or 2h30m')
  .transform((value) => parseDuration(value) ?? 0);

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:7443`, `[::1]:7443`, `gw.example.com:7443`; `:7443` and `0.0.0.0:7443` are all addresses. */
export function parseAddress(written: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(written);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : match[2]!), port: Number(match[3]) };
}

/** Two listeners at one place: the second could not begin. 0 is whichever port is free. */
function checkPorts(listen: Readonly<Record<string, Address | undefined>>, context: z.RefinementCtx): void {
  const everywhere = ({ host }: Address) => host === '0.0.0.0' || host === '::';
  const before: [string, Address][] = [];
  for (const [name, where] of Object.entries(listen)) {
    if (where === undefined || where.port === 0) continue;
    const taken = before.find(
      ([, other]) => other.port === where.port && (other.host === where.host || everywhere(other) || everywhere(where)),
    );
    if (taken !== undefined) {
      const message = `expected another port than listen.${taken[0]} has`;
      context.addIssue({ code: 'custom', path: [name], message });
    }
    before.push([name, where]);
  }
}

const address = z
  .string()
  .refine((value) => parseAddress(value) !== undefined, 'expected host:port such as 127.0.0.1:7443')
  .transform((value) => parseAddress(value)!);

const issuerUrl = z
  .string()
  .refine(allowedUrl, 'expected an https:// URL, or http:// to this machine itself')
  .describe('The issuer exactly as its discovery document and its tokens name it.');

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected lower-case letters, digits, ".", "_" and "-"');

const vkey = z
  .string()
  .refine((value) => parseVkey(value)?.type === COSIGNATURE, 'expected NAME+ID+BASE64, the key of a witness')
  .transform((value) => parseVkey(value)!);

const issuer = z.strictObject({
  name: name.describe('How the record and the policy name it.'),
  issuer: issuerUrl,
  clientId: text.describe('The public client that hoopctl logs in with.'),
  audience: text.optional().describe('Further audience that its tokens may have, e.g. of access tokens.'),
  groups: text.default('groups').describe('The claim with the groups; a path with dots for a nested one.'),
  scopes: z.array(text).min(1).default(['openid', 'profile', 'email', 'offline_access']),
  caFile: text.optional().describe('PEM file with the authority to trust for it.'),
});

const workload = z.strictObject({
  name: name.describe('How the record and the policy name it; also the user name on native listeners.'),
  issuer: issuerUrl,
  audience: text.describe('The audience that its tokens have to be made for.'),
  subject: text.optional().describe('The claim that names the workload; left out: sub.'),
  groups: z.array(text).default([]).describe('The groups that such a workload has.'),
  when: z
    .record(text, z.union([text.transform((one) => [one]), z.array(text).min(1)]))
    .refine((when) => Object.keys(when).length > 0, 'expected at least one claim')
    .describe('Claims, each with what it may be; "*" is any text: { repository: "acme/*" }.'),
  caFile: text.optional(),
});

const identity = z
  .strictObject({
    embedded: z.boolean().optional().describe('The embedded issuer with local users; left out: only without issuers.'),
    issuers: z.array(issuer).default([]),
    workloads: z.array(workload).default([]),
  })
  .superRefine(({ issuers, workloads }, context) => {
    const seen = new Set(['local', 'service-accounts', 'gateway']);
    const check = (list: readonly { name: string }[], section: string) =>
      list.forEach((one, i) => {
        if (seen.has(one.name)) {
          context.addIssue({ code: 'custom', path: [section, i, 'name'], message: 'expected a name not used before' });
        }
        seen.add(one.name);
      });
    check(issuers, 'issuers');
    check(workloads, 'workloads');
  });

const recipient = z
  .string()
  .superRefine((value, context) => {
    const problem = recipientProblem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .transform(parseRecipient);

const encryptSchema = z
  .union([
    z.literal('off').transform(() => null),
    z.strictObject({
      recipients: z
        .array(recipient)
        .min(1)
        .describe("Who reads the content: age1…, of 'age-keygen' or 'hoopctl admin recording-key'."),
      gatewayReads: z
        .boolean()
        .default(false)
        .describe('The gateway too, by a key of its own: its search index and exports have the content, in the clear.'),
    }),
  ])
  .optional()
  .describe('What is said in sessions is encrypted for these, and for nobody else.');

const recordingSchema = z.strictObject({
  rows: z.int().min(0).optional().describe('Rows of each result that are recorded.'),
  bytes: size.optional().describe('Bytes of each result that are recorded.'),
  durability: z
    .enum(['buffered', 'synced'])
    .optional()
    .describe(
      'What the record of a statement survives before the statement runs: a kill of the gateway, or a loss of power.',
    ),
  onFailure: z
    .enum(['end-session', 'refuse-new', 'best-effort'])
    .optional()
    .describe('When recording fails: the session ends; also no new one begins; or it goes on unrecorded.'),
  encrypt: encryptSchema,
});

/** What every connection has, whatever its protocol. */
const connectionSections = {
  labels: z.record(name, z.string().max(200)).default({}).describe('What rules and access select it by.'),
  recording: z
    .union([z.literal('best-effort').transform(() => ({ onFailure: 'best-effort' as const })), recordingSchema])
    .prefault({})
    .describe('How its sessions are recorded; what is left out, `recordings.defaults` say.'),
  session: z.strictObject({ maxAge: duration.optional().describe('A session ends after this long.') }).prefault({}),
};

/** Keys of a connection that are the gateway's; the others are its protocol's. */
export const CONNECTION_KEYS: readonly string[] = ['protocol', ...Object.keys(connectionSections)];

export type ConnectionCommon = { protocol: string } & {
  [K in keyof typeof connectionSections]: z.output<(typeof connectionSections)[K]>;
};

function connectionOf(protocol: Protocol, word: z.ZodType): z.ZodObject {
  const { schema } = protocol as { schema: z.ZodType };
  if (!('safeExtend' in schema)) {
    throw userError('config_invalid', `the schema of protocol "${protocol.name}" is no z.strictObject`);
  }
  return (schema as z.ZodObject).safeExtend({ protocol: word, ...connectionSections });
}

/** A connection as one of that protocol, whatever it says of that itself. */
export function connectionAs(protocol: Protocol): z.ZodObject {
  return connectionOf(protocol, z.unknown().optional());
}

function connectionSchema(protocols: readonly Protocol[]) {
  const options = protocols.map((protocol) => connectionOf(protocol, z.literal(protocol.name)));
  return z.discriminatedUnion('protocol', options as unknown as [z.ZodObject, ...z.ZodObject[]]);
}

const retentionSchema = z
  .array(
    z.strictObject({
      labels: z
        .record(name, z.string())
        .describe('All of these, of the connection when it was recorded; {} is every one.'),
      keep: duration.describe('How long after its end.'),
      then: z
        .enum(['purge', 'erase-key'])
        .default('purge')
        .describe(
          'purge: it is removed everywhere; the log keeps a tombstone. erase-key: of an encrypted one only the key.',
        ),
    }),
  )
  .default([])
  .describe('The first that matches counts; what none matches is kept for good.');

const storeSchema = z
  .strictObject({
    postgres: z
      .string()
      .refine(
        (value) => parseSecretRef(value) !== undefined,
        'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND',
      )
      .describe('Where the URL postgres://user:password@host/database?sslmode=verify-full is found.'),
  })
  .describe('Left out: a file in the data directory. Several gateways may use one PostgreSQL database together.');

const metricsSchema = z
  .strictObject({
    token: z
      .string()
      .refine(
        (value) => parseSecretRef(value) !== undefined,
        'is written out (not shown), expected a reference: env:NAME, file:PATH or exec:COMMAND',
      )
      .optional()
      .describe('A bearer token that reads /metrics, from anywhere; this machine then needs it too.'),
    open: z.boolean().default(false).describe('Anybody may read /metrics, which names connections.'),
  })
  .prefault({})
  .describe('Who may read /metrics beside admins and auditors. Left out: this machine itself.');

/** The whole document for a gateway that knows these protocols. */
export function documentSchema(protocols: readonly Protocol[]) {
  return z.strictObject({
    listen: z
      .strictObject({
        gateway: address.optional().describe('HTTPS: API, tunnels, embedded issuer. Left out: 127.0.0.1:7443.'),
        ...Object.fromEntries(
          protocols.map(({ name }) => [name, address.optional().describe(`Native listener for ${name} clients.`)]),
        ),
      })
      .superRefine(checkPorts)
      .prefault({}),
    publicUrl: z
      .string()
      .refine(
        (value) => URL.canParse(value) && /^https:\/\/[^/]+\/?$/.test(value),
        'expected an https:// URL without a path',
      )
      .transform((value) => value.replace(/\/$/, ''))
      .optional()
      .describe('How clients reach the gateway; left out: made from listen.'),
    tls: z
      .strictObject({ cert: text.describe('PEM certificate chain.'), key: text.describe('PEM private key.') })
      .optional()
      .describe("Left out: the gateway's own authority and certificate, made at first start."),
    identity: identity.prefault({}),
    connections: z.record(name, connectionSchema(protocols)).default({}),
    store: storeSchema.optional(),
    metrics: metricsSchema,
    recordings: z
      .strictObject({
        compress: z.boolean().default(true).describe('Sealed recordings are compressed.'),
        defaults: z
          .array(
            recordingSchema.extend({
              labels: z.record(name, z.string()).describe('All of these; {} is every connection.'),
            }),
          )
          .default([])
          .describe('For connections by label; the first that matches counts, setting by setting.'),
        store: recordingStoreSchema.optional(),
        retention: retentionSchema,
      })
      .prefault({}),
    webhooks: webhooksSchema,
    exports: exportsSchema,
    log: z
      .strictObject({
        durability: z
          .enum(['buffered', 'synced'])
          .default('buffered')
          .describe('What an entry survives when what it is about goes on: a kill of the gateway, or a loss of power.'),
        witnesses: z
          .array(vkey)
          .default([])
          .describe("Keys of witnesses that may cosign the log's checkpoints, as 'hoopctl audit witness' prints them."),
      })
      .prefault({}),
    limits: z.record(text, z.int().min(0)).default({}).describe('Limits by name, in their own unit.'),
    stop: z.strictObject({ grace: duration.prefault('30s') }).prefault({}),
    change: z
      .strictObject({
        by: text.optional().describe('Who changed the document.'),
        approvedBy: text.optional().describe('Who approved it.'),
        reference: text.optional().describe('Where that can be looked up: a ticket, a commit.'),
      })
      .optional()
      .describe('What the document says of its own change, for the record and its reports. Not checked.'),
    ...policySections,
  });
}

export type GatewayDocument = z.output<ReturnType<typeof documentSchema>>;
