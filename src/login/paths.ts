// Where the user's half keeps things: one place to ask, nothing created here.

import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Paths {
  /** Settings, pinned certificates, locks and, without a keychain, tokens. Private to the user (0700). */
  readonly config: string;
  /** Can be deleted at any time: completion names, compiled code. */
  readonly cache: string;
  /** Where `serve` keeps everything unless told otherwise. */
  readonly data: string;
}

/** `HOOPCTL_HOME` holds everything; else the platform's own places. */
export function userPaths(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform): Paths {
  if (env.HOOPCTL_HOME) {
    const home = env.HOOPCTL_HOME;
    return { config: home, cache: join(home, 'cache'), data: join(home, 'data') };
  }
  const home = env.HOME ?? homedir();
  if (platform === 'win32') {
    return {
      config: join(env.APPDATA ?? join(home, 'AppData', 'Roaming'), 'hoopctl'),
      cache: join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'hoopctl', 'cache'),
      data: join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'hoopctl', 'data'),
    };
  }
  return {
    config: join(env.XDG_CONFIG_HOME || join(home, '.config'), 'hoopctl'),
    cache: join(env.XDG_CACHE_HOME || join(home, '.cache'), 'hoopctl'),
    data: join(env.XDG_DATA_HOME || join(home, '.local', 'share'), 'hoopctl'),
  };
}
