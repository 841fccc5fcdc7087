// Opens a page in the user's browser, only where there is one in front of the user.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Io } from './io.ts';

/** The program that opens a page, or undefined: over SSH the browser would open on somebody else's screen. */
export function browserCommand(io: Io): string | undefined {
  const { env, platform } = io;
  if (!io.interactive || env.SSH_CONNECTION || env.SSH_TTY || env.SSH_CLIENT) return undefined;
  if (platform === 'darwin') return 'open';
  if (platform === 'win32' || (!env.DISPLAY && !env.WAYLAND_DISPLAY)) return undefined;
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'xdg-open');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** Starts it and lets it be; whether it worked is not known. `url` is a web address that was checked. */
export async function openBrowser(command: string, url: string): Promise<void> {
  const { spawn } = await import('node:child_process');
  const child = spawn(command, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
