// The gateway's administration behind one door: through its API, or, with `--data`, on its own store on this machine (the
// first administrator has no login yet). Refuses to know: how results are shown.

import type { AccountItem, Admin, RevocationItem, UserItem } from './administration.ts';
import type { Api } from './api.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';

/** The option that every admin verb has. */
export const ADMIN_OPTIONS = {
  data: { value: 'DIR', trusted: true, help: "work on a gateway's own data on this machine, without a login" },
} as const;

export async function openAdmin(context: Context, data: string | undefined): Promise<Admin> {
  if (data === undefined) return apiAdmin(await context.api(), context.signal);
  const { localAdmin } = await import('./admin-local.ts');
  return localAdmin(data, `${context.io.user} on this machine`, context.io.env);
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
    revoke: (issuer, subject, reason) => post('admin/revocations', { issuer, subject, reason }),
    revocations: async () => (await get<{ revocations: RevocationItem[] }>('admin/revocations')).revocations,
    unrevoke: (issuer, subject) => remove('admin/revocations', { issuer, subject }),
    [Symbol.asyncDispose]: async () => {},
  };
}
