// Starts the second, separately run issuer (issuer-main.ts) and mints workload tokens with it.

import { fileURLToPath } from 'node:url';
import { freePort, type Running, start } from './process.ts';

export interface IssuerSettings {
  /** Groups of each account; an account is whatever name is typed into its login page. */
  groups?: Record<string, string[]>;
  accessTokenSeconds?: number;
  idTokenSeconds?: number;
  deviceCodeSeconds?: number;
  /** Claims of a token minted for a plain GET or empty POST of /mint. */
  workload?: Record<string, unknown>;
}

export interface Issuer {
  /** `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  readonly process: Running;
  /** A signed token with these claims (`aud`, `sub`, `seconds` to live, …), as a CI system gives one to a job. */
  mint(claims: Record<string, unknown>): Promise<string>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startIssuer(settings: IssuerSettings = {}): Promise<Issuer> {
  const port = await freePort();
  const main = fileURLToPath(new URL('./issuer-main.ts', import.meta.url));
  const child = start(process.execPath, [main, String(port), JSON.stringify(settings)]);
  const [, issuer = ''] = await child.waitFor(/"issuer":"([^"]+)"/, 'stdout');
  const stop = async () => {
    await child.stop('SIGTERM', 2000);
  };
  return {
    issuer,
    process: child,
    mint: async (claims) => {
      const answer = await fetch(`${issuer}/mint`, { method: 'POST', body: JSON.stringify(claims) });
      return ((await answer.json()) as { value: string }).value;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
