// The PostgreSQL part of a connection's configuration. Refuses to know: access, rules, where the document came from.

import { z } from 'zod';

const port = z.number().int().min(1).max(65_535);

export const target = z.strictObject({
  /** Name or address of the server, as the gateway (or its agent) reaches it. */
  host: z.string().min(1),
  port: port.default(5432),
  /** The database that a client gets when it asks for none. */
  database: z.string().min(1),
  /** Further databases that a client may ask for; `*`: any. */
  databases: z.union([z.literal('*'), z.array(z.string().min(1))]).default([]),
  /** As libpq's sslmode; `require` encrypts and trusts any certificate. */
  tls: z.enum(['disable', 'require', 'verify-ca', 'verify-full']).default('verify-full'),
  /** Certificates to trust instead of the system's. */
  caFile: z.string().min(1).optional(),
});

export const options = z.strictObject({
  /** What is refused unless it is named here. */
  allow: z.array(z.enum(['replication', 'function-call'])).default([]),
  /** Whether the principal is told to the server in application_name. */
  applicationName: z.boolean().default(true),
});

export const schema = z.strictObject({
  target,
  /** A secret is a reference: `env:`, `file:`, `exec:`. */
  credentials: z.strictObject({ user: z.string().min(1), password: z.string().min(1).optional() }),
  options: options.prefault({}),
});

export type PostgresConfig = z.infer<typeof schema>;
