// Where secrets of the user are kept: the operating system's keychain, or a file only the user can read.
// Refuses to know: what the secrets are.

import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../core/errors.ts';
import type { Paths } from './paths.ts';

export interface SecretStore {
  readonly kind: 'keychain' | 'file';
  /** Undefined when there is none. Errors: keychain_unavailable. */
  get(account: string): Promise<string | undefined>;
  /** Errors: keychain_unavailable; what was kept before is kept then. */
  set(account: string, secret: string): Promise<void>;
  delete(account: string): Promise<void>;
}

export type KeychainChoice = 'auto' | 'secret-service' | 'file';

const SERVICE = 'hoopctl';

/** A prompter that nobody answers must not hang a script; a person needs time to type a password. */
const TIMEOUT_MS = { terminal: 60_000, script: 5_000 };

export interface KeychainOptions {
  readonly paths: Paths;
  readonly platform: NodeJS.Platform;
  readonly interactive: boolean;
}

/** The system's keychain. On Linux the Secret Service alone: the kernel keyring would forget at reboot without a word. */
export function systemKeychain(options: KeychainOptions): SecretStore {
  const timeout = options.interactive ? TIMEOUT_MS.terminal : TIMEOUT_MS.script;
  const entry = async (account: string) => {
    const { AsyncEntry } = await import('keytar');
    return new AsyncEntry(
      SERVICE,
      account,
      options.platform === 'linux' ? { linux: { store: 'secret-service' } } : undefined,
    );
  };
  const guard = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${timeout / 1000} s`)), timeout);
    try {
      return await Promise.race([work(), late]);
    } catch (error) {
      throw userError('keychain_unavailable', `cannot ${what} the keychain: ${shorten(error)}`, {
        fix: "unlock the keychain, or set HOOPCTL_KEYCHAIN=file and run 'hoopctl login' again",
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    kind: 'keychain',
    get: (account) => guard('read from', async () => (await (await entry(account)).getPassword()) ?? undefined),
    set: (account, secret) => guard('write to', async () => (await entry(account)).setPassword(secret)),
    delete: (account) => guard('delete from', async () => void (await (await entry(account)).deletePassword())),
  };
}

function shorten(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  // libdbus says at length that it would not start one either.
  if (/DBUS_SESSION_BUS_ADDRESS|dbus-daemon/.test(line)) return 'there is no session bus (D-Bus)';
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

/** Files with mode 0600 in a folder with mode 0700. */
export function fileStore(paths: Paths): SecretStore {
  const folder = join(paths.config, 'tokens');
  const fileOf = (account: string): string =>
    join(folder, `${createHash('sha256').update(account).digest('hex').slice(0, 32)}`);
  return {
    kind: 'file',
    get: async (account) => {
      const path = fileOf(account);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      // A backup or a careless copy may have opened it up. (Windows reports 0666 and ignores this.)
      if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o600);
      return readFileSync(path, 'utf8');
    },
    set: async (account, secret) => {
      // Written aside and renamed: a crash leaves the old secret or the new one, never half of one.
      const aside = `${fileOf(account)}.${createHash('sha256').update(secret).digest('hex').slice(0, 8)}`;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        chmodSync(folder, 0o700);
        writeFileSync(aside, secret, { mode: 0o600 });
        renameSync(aside, fileOf(account));
      } catch (error) {
        rmSync(aside, { force: true });
        throw userError('keychain_unavailable', `cannot keep the login in '${folder}': ${(error as Error).message}`, {
          fix: 'see that there is room on the disk, and that you may write there',
          cause: error,
        });
      }
    },
    delete: async (account) => rmSync(fileOf(account), { force: true }),
  };
}

/** The store of that kind, for a login that was made earlier. */
export function storeOf(kind: SecretStore['kind'], options: KeychainOptions): SecretStore {
  return kind === 'file' ? fileStore(options.paths) : systemKeychain(options);
}

/**
 * Stores a new secret in the best place there is. `warning` says why it went to a file where that was not asked for.
 * Errors: keychain_unavailable when `secret-service` was demanded.
 */
export async function storeSecret(
  choice: KeychainChoice,
  options: KeychainOptions,
  account: string,
  secret: string,
): Promise<{ readonly store: SecretStore; readonly warning?: string }> {
  const file = fileStore(options.paths);
  if (choice !== 'file') {
    const keychain = systemKeychain(options);
    try {
      await keychain.set(account, secret);
      return { store: keychain };
    } catch (error) {
      if (choice === 'secret-service') throw error;
      await file.set(account, secret);
      const folder = join(options.paths.config, 'tokens');
      return {
        store: file,
        warning: `${(error as Error).message}; the login is kept in a file that only you can read, below '${folder}'`,
      };
    }
  }
  await file.set(account, secret);
  return { store: file };
}
