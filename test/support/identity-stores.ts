// Identity's stores in memory, for tests of what stands on them.

import type {
  OidcPayload,
  OidcStore,
  Revocation,
  RevocationStore,
  ServiceAccount,
  ServiceAccountStore,
  User,
  UserStore,
} from '../../src/session/identity/stores.ts';

export function memoryUsers(users: readonly (Partial<User> & { name: string; password: string })[]): UserStore {
  const kept = new Map(users.map((user) => [user.name, { groups: [], createdAt: 0, ...user }]));
  const strip = ({ password: _, ...user }: User & { password: string }): User => user;
  return {
    async create(user) {
      kept.set(user.name, { createdAt: 0, ...user });
      return strip(kept.get(user.name)!);
    },
    get: async (name) => (kept.has(name) ? strip(kept.get(name)!) : undefined),
    list: async () => [...kept.values()].map(strip),
    verifyPassword: async (name, password) => {
      const user = kept.get(name);
      return user?.password === password ? strip(user) : undefined;
    },
    async setPassword(name, password) {
      kept.get(name)!.password = password;
    },
    async setGroups(name, groups) {
      kept.set(name, { ...kept.get(name)!, groups });
    },
    remove: async (name) => kept.delete(name),
  };
}

export function memoryServiceAccounts(secrets: Readonly<Record<string, string>>): ServiceAccountStore {
  const account = (name: string): ServiceAccount => ({ name, groups: ['ci'], createdAt: 0, rotatedAt: 0 });
  const refuse = async () => {
    throw new Error('not in this test');
  };
  return {
    add: refuse,
    rotate: refuse,
    remove: refuse,
    get: async (name) => (name in secrets ? account(name) : undefined),
    list: async () => Object.keys(secrets).map(account),
    verifySecret: async (name, secret) => (secrets[name] === secret ? account(name) : undefined),
  };
}

export function memoryRevocations(): RevocationStore {
  const kept = new Map<string, Revocation>();
  const tokens = new Map<string, number>();
  const lifted: Revocation[] = [];
  return {
    async add(revocation) {
      kept.set(`${revocation.issuer}|${revocation.subject}`, revocation);
    },
    async remove(issuer, subject) {
      const gone = kept.get(`${issuer}|${subject}`);
      kept.delete(`${issuer}|${subject}`);
      if (gone !== undefined) lifted.push(gone);
      return gone?.at;
    },
    list: async () => [...kept.values()],
    lifted: async () => lifted,
    async revokeToken(jti, expiresAt) {
      tokens.set(jti, expiresAt);
    },
    revokedTokens: async (now) => [...tokens].filter(([, until]) => until > now).map(([jti]) => jti),
  };
}

export function memoryOidc(): OidcStore {
  const kept = new Map<string, { model: string; id: string; payload: OidcPayload; until: number }>();
  const live = (entry: { payload: OidcPayload; until: number } | undefined) =>
    entry !== undefined && entry.until > Date.now() ? entry.payload : undefined;
  const by = (model: string, fits: (payload: OidcPayload) => boolean) =>
    live([...kept.values()].find((entry) => entry.model === model && fits(entry.payload)));
  const removeWhere = (fits: (payload: OidcPayload) => boolean) => {
    for (const [key, { payload }] of kept) if (fits(payload)) kept.delete(key);
  };
  return {
    async upsert(model, id, payload, expiresIn) {
      const until = expiresIn ? Date.now() + expiresIn * 1000 : Number.POSITIVE_INFINITY;
      kept.set(`${model}:${id}`, { model, id, payload, until });
    },
    find: async (model, id) => live(kept.get(`${model}:${id}`)),
    findByUserCode: async (model, code) => by(model, (payload) => payload.userCode === code),
    findByUid: async (model, uid) => by(model, (payload) => payload.uid === uid),
    async consume(model, id) {
      const entry = kept.get(`${model}:${id}`);
      if (entry === undefined || entry.payload.consumed !== undefined) return false;
      entry.payload = { ...entry.payload, consumed: Math.floor(Date.now() / 1000) };
      return true;
    },
    async destroy(model, id) {
      kept.delete(`${model}:${id}`);
    },
    revokeByGrantId: async (grantId) => removeWhere((payload) => payload.grantId === grantId),
    revokeByAccountId: async (accountId) => removeWhere((payload) => payload.accountId === accountId),
    purge: async () => 0,
  };
}
