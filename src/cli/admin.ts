// The gateway's administration behind one door: through its API, or, with `--data`, on its own store on this machine (the
// first administrator has no login yet). Refuses to know: how results are shown.

import type { Api } from './api.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';

export interface UserItem {
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly createdAt: string | number;
}

export interface AccountItem {
  readonly name: string;
  readonly groups: readonly string[];
  readonly description?: string;
  readonly createdAt: string | number;
  readonly rotatedAt: string | number;
}

export interface RevocationItem {
  readonly issuer: string;
  readonly subject: string;
  readonly reason?: string;
  readonly by: string;
  readonly at: string | number;
}

export interface NewUser {
  readonly name: string;
  readonly email?: string;
  readonly groups: readonly string[];
  readonly password: string;
}

export interface NewAccount {
  readonly name: string;
  readonly groups: readonly string[];
  readonly description?: string;
}

export interface Admin extends AsyncDisposable {
  addUser(user: NewUser): Promise<UserItem>;
  users(): Promise<readonly UserItem[]>;
  setPassword(name: string, password: string): Promise<void>;
  setGroups(name: string, groups: readonly string[]): Promise<void>;
  removeUser(name: string): Promise<void>;
  addAccount(account: NewAccount): Promise<AccountItem & { secret: string }>;
  accounts(): Promise<readonly AccountItem[]>;
  rotateAccount(name: string): Promise<AccountItem & { secret: string }>;
  removeAccount(name: string): Promise<void>;
  /** How many live sessions were cut; undefined where that is not known. */
  revoke(issuer: string, subject: string, reason: string | undefined): Promise<number | undefined>;
  revocations(): Promise<readonly RevocationItem[]>;
  unrevoke(issuer: string, subject: string): Promise<void>;
}

/** The option that every admin verb has. */
export const ADMIN_OPTIONS = {
  data: { value: 'DIR', trusted: true, help: "work on a gateway's own data on this machine, without a login" },
} as const;

export async function openAdmin(context: Context, data: string | undefined): Promise<Admin> {
  if (data === undefined) return apiAdmin(await context.api(), context.signal);
  const { localAdmin } = await import('./admin-local.ts');
  return localAdmin(data, `${context.io.user} on this machine`);
}

function apiAdmin(api: Api, signal: AbortSignal): Admin {
  const post = <T>(path: string, body: unknown): Promise<T> => api.call<T>(path, { method: 'POST', body, signal });
  const remove = (path: string, query = {}): Promise<void> => api.call(path, { method: 'DELETE', query, signal });
  const get = <T>(path: string): Promise<T> => api.call<T>(path, { signal });
  return {
    addUser: (user) => post('admin/users', user),
    users: async () => (await get<{ users: UserItem[] }>('admin/users')).users,
    setPassword: (name, password) => post(route`admin/users/${name}/password`, { password }),
    setGroups: (name, groups) => post(route`admin/users/${name}/groups`, { groups }),
    removeUser: (name) => remove(route`admin/users/${name}`),
    addAccount: (account) => post('admin/service-accounts', account),
    accounts: async () => (await get<{ serviceAccounts: AccountItem[] }>('admin/service-accounts')).serviceAccounts,
    rotateAccount: (name) => post(route`admin/service-accounts/${name}/rotate`, {}),
    removeAccount: (name) => remove(route`admin/service-accounts/${name}`),
    revoke: async (issuer, subject, reason) =>
      (await post<{ sessionsEnded?: number }>('admin/revocations', { issuer, subject, reason })).sessionsEnded,
    revocations: async () => (await get<{ revocations: RevocationItem[] }>('admin/revocations')).revocations,
    unrevoke: (issuer, subject) => remove('admin/revocations', { issuer, subject }),
    [Symbol.asyncDispose]: async () => {},
  };
}
