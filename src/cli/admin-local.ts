// Administration on a gateway's own data directory, without its API: for the first administrator, and for when nobody can
// log in. Works while the gateway runs; what was done goes into the gateway's log when that next looks.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../core/clock.ts';
import { asHoopctlError, userError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { openPlace, readPlace } from '../gateway/place.ts';
import { keptIssuers, unseen } from '../gateway/whom.ts';
import type { Admin } from './administration.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The names of the two issuers that the gateway itself is, as its API knows them. */
const LOCAL = 'local';
const SERVICE_ACCOUNTS = 'service-accounts';

/**
 * `by`: who sits at this machine. The directory has to be there: a mistyped one would get users nobody ever sees. `env`:
 * where a store that is no file is found, as the gateway finds it.
 */
export async function localAdmin(directory: string, by: string, env: Environment): Promise<Admin> {
  const place = readPlace(directory);
  if (place?.store === undefined && !existsSync(join(directory, 'store.db'))) {
    throw userError('not_found', `'${directory}' is no gateway's data directory`, {
      fix: "give the --data of 'hoopctl serve', and start that once first",
    });
  }
  const store = await openPlace({ data: directory, place, clock: systemClock, log: silentLog, env });
  const note = (action: string, fields: object): Promise<void> =>
    store.outbox.push('admin', { action, by, local: true, ...fields });
  /** For the log before it is done, and where it then fails that as well. */
  const noted = async <T>(action: string, fields: object, change: () => Promise<T>): Promise<T> => {
    await note(action, fields);
    try {
      return await change();
    } catch (thrown) {
      await note(`${action}: failed`, { ...fields, code: asHoopctlError(thrown).code }).catch(() => {});
      throw thrown;
    }
  };
  const missing = (what: string, name: string) => userError('not_found', `there is no ${what} '${name}'`);
  return {
    addUser: ({ name, ...user }) =>
      noted('user added', { name, groups: user.groups }, async () => {
        const added = await store.users.create({ name, ...user });
        await store.revocations.remove(LOCAL, name);
        return added;
      }),
    users: () => store.users.list(),
    setPassword: (name, password) =>
      noted('user password set', { name }, async () => {
        await store.users.setPassword(name, password);
        await store.oidc.revokeByAccountId(name);
      }),
    setGroups: (name, groups) => noted('user groups set', { name, groups }, () => store.users.setGroups(name, groups)),
    removeUser: (name) =>
      noted('user removed', { name }, async () => {
        if (!(await store.users.remove(name))) throw missing('user', name);
        await store.oidc.revokeByAccountId(name);
        await store.revocations.add({ issuer: LOCAL, subject: name, reason: 'user removed', by, at: Date.now() });
      }),
    addAccount: (wanted) =>
      noted('service account added', { name: wanted.name, groups: wanted.groups }, async () => {
        const { account, secret } = await store.serviceAccounts.add(wanted);
        await store.revocations.remove(SERVICE_ACCOUNTS, account.name);
        return { ...account, secret };
      }),
    accounts: () => store.serviceAccounts.list(),
    rotateAccount: (name) =>
      noted('service account rotated', { name }, async () => {
        const { account, secret } = await store.serviceAccounts.rotate(name);
        return { ...account, secret };
      }),
    removeAccount: (name) =>
      noted('service account removed', { name }, async () => {
        if (!(await store.serviceAccounts.remove(name))) throw missing('service account', name);
        const reason = 'service account removed';
        await store.revocations.add({ issuer: SERVICE_ACCOUNTS, subject: name, reason, by, at: Date.now() });
      }),
    async revoke(issuer, subject, reason) {
      const warning = await unseen({ issuer, subject }, await keptIssuers(store.keyValues), store);
      await note('revoke', { issuer, subject, reason });
      if (issuer === LOCAL) await store.oidc.revokeByAccountId(subject);
      await store.revocations.add({ issuer, subject, by, at: Date.now(), ...(reason === undefined ? {} : { reason }) });
      return warning === undefined ? {} : { warning };
    },
    revocations: () => store.revocations.list(),
    unrevoke: (issuer, subject) =>
      noted('unrevoke', { issuer, subject }, async () => {
        if ((await store.revocations.remove(issuer, subject)) === undefined) throw missing('revocation of', subject);
      }),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
