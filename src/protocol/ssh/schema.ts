// The SSH part of a connection's configuration. Refuses to know: access, rules, where the document came from.

import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { parsePinned } from './keys/host-keys.ts';

const port = z.number().int().min(1).max(65_535);

const pinned = z.string().refine((text) => parsePinned(text) !== undefined, {
  message: 'expected a public key (ssh-ed25519 AAAA…) or its fingerprint (SHA256:…)',
});

const authority = z.string().refine((text) => 'key' in (parsePinned(text) ?? {}), {
  message: "expected an authority's public key (ssh-ed25519 AAAA…)",
});

const hostShape = {
  /** Name or address of the host, as the gateway (or its agent) reaches it. */
  host: z.string().min(1),
  port: port.default(22),
  /** The host's own keys, or their fingerprints. */
  hostKeys: z.array(pinned).min(1).optional(),
  /** Keys that sign certificates of hosts. */
  hostAuthorities: z.array(authority).min(1).optional(),
  /** A known_hosts file that has the host under `host` (and `port`). */
  knownHosts: z.string().refine(isAbsolute, { message: 'expected an absolute path' }).optional(),
  /** The name that the file or certificate has, where it is not `host`. */
  hostKeyAlias: z.string().min(1).optional(),
};

type Pins = { readonly [K in 'hostKeys' | 'hostAuthorities' | 'knownHosts']?: unknown };
const isKnown = (one: Pins) => (one.hostKeys ?? one.hostAuthorities ?? one.knownHosts) !== undefined;
const UNKNOWN = {
  message:
    'the host is not known: give hostKeys, hostAuthorities or knownHosts (ssh-keyscan shows its keys; check them by another way)',
};

/** The account of whoever it is: the local part of an e-mail address in this domain, or a claim. */
const own = z.union([z.strictObject({ email: z.string().min(1) }), z.strictObject({ claim: z.string().min(1) })]);

export const credentials = z
  .strictObject({
    /** The account on the host. */
    user: z.union([z.string().min(1), own]),
    /** A private key in OpenSSH's or PEM format, as a reference. */
    key: z.string().min(1).optional(),
    passphrase: z.string().min(1).optional(),
    password: z.string().min(1).optional(),
    /** `session`: a certificate for each session, signed by the gateway's authority. */
    certificate: z.literal('session').optional(),
  })
  .refine((one) => one.key !== undefined || one.password !== undefined || one.certificate !== undefined, {
    message: 'no way to log in to the host: give key, password or certificate: session',
  });

const jump = z.strictObject({ ...hostShape, credentials }).refine(isKnown, UNKNOWN);

export const target = z
  .strictObject({
    ...hostShape,
    /** Hosts to go through, the first being the one that the gateway dials. */
    jump: z.array(jump).max(5).default([]),
  })
  .refine(isKnown, UNKNOWN);

export const options = z.strictObject({
  /** What is refused unless it is named here. */
  allow: z.array(z.enum(['agent-forwarding', 'x11', 'subsystems'])).default([]),
  /** `commands`: an interactive shell asks before each command, which is decided and recorded as one. */
  shell: z.enum(['plain', 'commands']).default('plain'),
  /** What becomes of a shell that does not ask any more. */
  onLeave: z.enum(['end', 'note']).default('end'),
  /** Bytes of every file read or written by sftp that the record keeps, from its beginning. */
  keepFiles: z.number().int().min(0).max(1_073_741_824).default(0),
  /** What goes to the client as it is though masks apply, and is refused there unless it is named here. */
  unmasked: z.array(z.enum(['transfers', 'sftp', 'forward'])).default([]),
  /** Files that sftp reads are masked where masks apply: text up to a limit, nothing else. */
  masked: z.array(z.enum(['sftp'])).default([]),
  /** Variables that a client may set, `*` as in LC_*. */
  environment: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*\*?$/)).default(['LANG', 'LC_*', 'TERM', 'COLORTERM']),
});

export const schema = z.strictObject({ target, credentials, options: options.prefault({}) });

export type SshConfig = z.infer<typeof schema>;
export type Credentials = z.infer<typeof credentials>;
export type HostConfig = Omit<SshConfig['target'], 'jump'>;
