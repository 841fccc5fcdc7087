// Users of the embedded issuer, service accounts, revocations. Every change is in the gateway's log.

import { z } from 'zod';
import { asHoopctlError, userError } from '../../core/errors.ts';
import { LOCAL_ISSUER, SERVICE_ACCOUNTS } from '../../session/identity/authenticator.ts';
import { displayName, type Principal } from '../../session/identity/principal.ts';
import type { Parts } from '../parts.ts';
import { issuerNames, keptIssuers, unseen } from '../whom.ts';
import { isPlain, type Route, route } from './route.ts';
import { iso, nameParams, okShape, timeShape } from './shapes.ts';

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/, 'expected up to 64 letters, digits and . _ @ + -')
  .describe('Unique.');
const groups = z.array(z.string().min(1).max(128)).default([]);
const userShape = z.object({
  name: z.string(),
  email: z.string().optional(),
  groups: z.array(z.string()),
  createdAt: timeShape,
});
const accountShape = z.object({
  name: z.string(),
  groups: z.array(z.string()),
  description: z.string().optional(),
  createdAt: timeShape,
  rotatedAt: timeShape,
});
const secretShape = accountShape.extend({ secret: z.string().describe('Shown once.') });

export function adminRoutes(parts: Parts): Route[] {
  return [...userRoutes(parts), ...accountRoutes(parts), ...revocationRoutes(parts)];
}

function userRoutes(parts: Parts): Route[] {
  const { users } = parts.stores;
  const base = { tag: 'admin', auth: 'admin' } as const;
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/admin/users',
      summary: 'Users of the embedded issuer.',
      answer: z.object({ users: z.array(userShape) }),
      handle: async () => ({ users: (await users.list()).map(showUser) }),
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/users',
      summary: 'Adds a user.',
      body: z.strictObject({ name, email: z.email().optional(), groups, password: z.string() }),
      answer: userShape,
      async handle({ body, caller }) {
        const { name, groups } = body;
        return onRecord(parts, caller.principal, 'user added', { name, groups }, async () => {
          const user = await users.create(body);
          await parts.revocations.remove(LOCAL_ISSUER, user.name, caller.principal);
          return showUser(user);
        });
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/users/:name/groups',
      summary: "Sets a user's groups, in force from the next token on.",
      params: nameParams,
      body: z.strictObject({ groups: z.array(z.string().min(1).max(128)) }),
      answer: okShape,
      async handle({ params, body, caller }) {
        const fields = { name: params.name, groups: body.groups };
        await onRecord(parts, caller.principal, 'user groups set', fields, () =>
          users.setGroups(params.name, body.groups),
        );
        return { ok: true as const };
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/users/:name/password',
      summary: "Sets a user's password and ends the user's logins.",
      params: nameParams,
      body: z.strictObject({ password: z.string() }),
      answer: okShape,
      async handle({ params, body, caller }) {
        await onRecord(parts, caller.principal, 'user password set', { name: params.name }, async () => {
          await users.setPassword(params.name, body.password);
          await parts.stores.oidc.revokeByAccountId(params.name);
        });
        return { ok: true as const };
      },
    }),
    route({
      ...base,
      method: 'delete',
      path: '/api/v1/admin/users/:name',
      summary: "Removes a user, ends the user's logins and cuts live sessions.",
      params: nameParams,
      answer: okShape,
      async handle({ params, caller }) {
        await onRecord(parts, caller.principal, 'user removed', { name: params.name }, async () => {
          if (!(await users.remove(params.name))) throw notFound('user', params.name);
          await parts.stores.oidc.revokeByAccountId(params.name);
          await revoke(parts, LOCAL_ISSUER, params.name, 'user removed', caller.principal);
        });
        return { ok: true as const };
      },
    }),
  ];
}

function accountRoutes(parts: Parts): Route[] {
  const { serviceAccounts } = parts.stores;
  const base = { tag: 'admin', auth: 'admin' } as const;
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/admin/service-accounts',
      summary: 'Service accounts.',
      answer: z.object({ serviceAccounts: z.array(accountShape) }),
      handle: async () => ({ serviceAccounts: (await serviceAccounts.list()).map(showAccount) }),
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/service-accounts',
      summary: 'Adds a service account; its secret is in the answer and nowhere else, ever.',
      body: z.strictObject({ name, groups, description: z.string().max(500).optional() }),
      answer: secretShape,
      async handle({ body, caller }) {
        const { name, groups } = body;
        return onRecord(parts, caller.principal, 'service account added', { name, groups }, async () => {
          const { account, secret } = await serviceAccounts.add(body);
          await parts.revocations.remove(SERVICE_ACCOUNTS, account.name, caller.principal);
          return { ...showAccount(account), secret };
        });
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/service-accounts/:name/rotate',
      summary: 'Makes a new secret; the old one stops working at once.',
      params: nameParams,
      answer: secretShape,
      async handle({ params, caller }) {
        const fields = { name: params.name };
        const { account, secret } = await onRecord(parts, caller.principal, 'service account rotated', fields, () =>
          serviceAccounts.rotate(params.name),
        );
        return { ...showAccount(account), secret };
      },
    }),
    route({
      ...base,
      method: 'delete',
      path: '/api/v1/admin/service-accounts/:name',
      summary: 'Removes a service account and cuts its live sessions.',
      params: nameParams,
      answer: okShape,
      async handle({ params, caller }) {
        await onRecord(parts, caller.principal, 'service account removed', { name: params.name }, async () => {
          if (!(await serviceAccounts.remove(params.name))) throw notFound('service account', params.name);
          await revoke(parts, SERVICE_ACCOUNTS, params.name, 'service account removed', caller.principal);
        });
        return { ok: true as const };
      },
    }),
  ];
}

function revocationRoutes(parts: Parts): Route[] {
  const base = { tag: 'admin', auth: 'admin' } as const;
  const whom = { issuer: z.string().min(1), subject: z.string().min(1) };
  return [
    route({
      ...base,
      method: 'get',
      path: '/api/v1/admin/revocations',
      summary: 'Principals that may do nothing any more.',
      answer: z.object({
        revocations: z.array(z.object({ ...whom, reason: z.string().optional(), by: z.string(), at: timeShape })),
      }),
      handle: async () => ({ revocations: parts.revocations.list().map((one) => ({ ...one, at: iso(one.at) })) }),
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/admin/revocations',
      summary: 'Revokes a principal: its tokens are refused and its live sessions end at once.',
      body: z.strictObject({
        ...whom,
        reason: z.string().max(500).refine(isPlain, 'expected a text without control characters').optional(),
      }),
      answer: z.object({
        ok: z.literal(true),
        sessionsEnded: z.int(),
        warning: z.string().optional().describe('The principal was never seen: it may be misspelt.'),
      }),
      async handle({ body, caller }) {
        // Another gateway of the same store may have other issuers.
        const others = (await keptIssuers(parts.stores.keyValues)) ?? [];
        const issuers = [...issuerNames(parts.configuration()), ...others];
        const warning = await unseen(body, [...new Set(issuers)], parts.stores);
        // Not only for as long as it stands: who is let in again says anew who that is.
        if (body.issuer === LOCAL_ISSUER) await parts.stores.oidc.revokeByAccountId(body.subject);
        const ended = await revoke(parts, body.issuer, body.subject, body.reason, caller.principal);
        return { ok: true as const, sessionsEnded: ended, ...(warning === undefined ? {} : { warning }) };
      },
    }),
    route({
      ...base,
      method: 'delete',
      path: '/api/v1/admin/revocations',
      summary: 'Lifts a revocation.',
      query: z.object(whom),
      answer: okShape,
      async handle({ query, caller }) {
        const lifted = await parts.revocations.remove(query.issuer, query.subject, caller.principal);
        if (!lifted) throw notFound('revocation of', query.subject);
        return { ok: true as const };
      },
    }),
  ];
}

/** On record before it is done: what cannot be written is not done. What then fails is on record as that, too. */
async function onRecord<T>(
  { audit }: Parts,
  by: Principal,
  what: string,
  fields: object,
  change: () => Promise<T>,
): Promise<T> {
  audit.append('admin', { what, by: displayName(by), ...fields });
  try {
    return await change();
  } catch (thrown) {
    try {
      audit.append('admin', {
        what: `${what}: failed`,
        by: displayName(by),
        ...fields,
        code: asHoopctlError(thrown).code,
      });
    } catch {
      // The log has told of its own failure; why the change failed is what its caller wants to know.
    }
    throw thrown;
  }
}

/** Tokens are refused and live sessions end from here on; how many those were. */
async function revoke(
  parts: Parts,
  issuer: string,
  subject: string,
  reason: string | undefined,
  by: Principal,
): Promise<number> {
  const live = parts.live.list().filter(({ who }) => who.issuer === issuer && who.subject === subject).length;
  await parts.revocations.add({ issuer, subject, by, ...(reason === undefined ? {} : { reason }) });
  return live;
}

function notFound(kind: string, which: string) {
  return userError('not_found', `there is no ${kind} "${which}"`);
}

function showUser(user: { name: string; email?: string; groups: readonly string[]; createdAt: number }) {
  return {
    name: user.name,
    ...(user.email === undefined ? {} : { email: user.email }),
    groups: [...user.groups],
    createdAt: iso(user.createdAt),
  };
}

function showAccount(account: {
  name: string;
  groups: readonly string[];
  description?: string;
  createdAt: number;
  rotatedAt: number;
}) {
  return {
    name: account.name,
    groups: [...account.groups],
    ...(account.description === undefined ? {} : { description: account.description }),
    createdAt: iso(account.createdAt),
    rotatedAt: iso(account.rotatedAt),
  };
}
