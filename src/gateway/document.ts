// The configuration document as a schema: what may be written in gateway.yaml, described for editors. A connection's
// `target`, `credentials` and `options` are its protocol's matter; access, rules, masks, tests and roles are the policy's.

import { z } from 'zod';
import { parseDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import type { Protocol } from '../protocol/contract.ts';
import { allowedUrl } from '../session/identity/keys.ts';
import { policySections } from '../session/policy/schema.ts';
import { DEFAULT_ROW_LIMITS } from '../session/recorder/recording.ts';
import { webhooksSchema } from './webhooks/schema.ts';

const text = z.string().min(1);

const duration = z
  .string()
  .refine((value) => (parseDuration(value) ?? 0) > 0, 'expected a duration such as 30s, 10m or 2h30m')
  .transform((value) => parseDuration(value) ?? 0);

const UNITS: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

const size = z
  .union([z.int().min(0), z.string().regex(/^\d+ ?(B|KB|MB|GB|KiB|MiB|GiB)$/, 'expected a size such as 64KiB or 1MiB')])
  .transform((value) => {
    if (typeof value === 'number') return value;
    const [, amount, unit] = /^(\d+) ?(\w+)$/.exec(value)!;
    return Number(amount) * UNITS[unit!]!;
  });

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

const address = z
  .string()
  .refine((value) => parseAddress(value) !== undefined, 'expected host:port such as 127.0.0.1:7443')
  .transform((value) => parseAddress(value)!);

const issuerUrl = z
  .string()
  .refine(allowedUrl, 'expected an https:// URL, or http:// to this machine itself')
  .describe('The issuer exactly as its discovery document and its tokens name it.');

const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'expected lower-case letters, digits, ".", "_" and "-"');

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

/** What every connection has, whatever its protocol. */
const connectionSections = {
  labels: z.record(name, z.string().max(200)).default({}).describe('What rules and access select it by.'),
  recording: z
    .strictObject({
      rows: z.int().min(0).default(DEFAULT_ROW_LIMITS.rows).describe('Rows of each result that are recorded.'),
      bytes: size.default(DEFAULT_ROW_LIMITS.bytes).describe('Bytes of each result that are recorded.'),
    })
    .prefault({}),
  session: z.strictObject({ maxAge: duration.optional().describe('A session ends after this long.') }).prefault({}),
};

/** Keys of a connection that are the gateway's; the others are its protocol's. */
export const CONNECTION_KEYS: readonly string[] = ['protocol', ...Object.keys(connectionSections)];

export type ConnectionCommon = { protocol: string } & {
  [K in keyof typeof connectionSections]: z.output<(typeof connectionSections)[K]>;
};

function connectionSchema(protocols: readonly Protocol[]) {
  const options = protocols.map((protocol) => {
    const { schema } = protocol as { schema: z.ZodType };
    if (!('safeExtend' in schema)) {
      throw userError('config_invalid', `the schema of protocol "${protocol.name}" is no z.strictObject`);
    }
    return (schema as z.ZodObject).safeExtend({ protocol: z.literal(protocol.name), ...connectionSections });
  });
  return z.discriminatedUnion('protocol', options as unknown as [z.ZodObject, ...z.ZodObject[]]);
}

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
    webhooks: webhooksSchema,
    limits: z.record(text, z.int().min(0)).default({}).describe('Limits by name, in their own unit.'),
    stop: z.strictObject({ grace: duration.prefault('30s') }).prefault({}),
    ...policySections,
  });
}

export type GatewayDocument = z.output<ReturnType<typeof documentSchema>>;
