// The gateways that the user knows: what was pinned for each, which issuer was used, which is current. No secrets here.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { userError } from '../core/errors.ts';
import { withLock } from './lock.ts';
import type { Paths } from './paths.ts';

export interface IssuerRef {
  /** The gateway's name for it: `corp`, `local`. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes?: readonly string[];
  readonly audience?: string;
}

export interface KnownGateway {
  /** Origin: `https://gw.example.com:7443`. */
  readonly url: string;
  /** PEM that was accepted for it; undefined: the system's CAs. */
  readonly ca?: string;
  readonly issuer?: IssuerRef;
  /** Where its tokens are. */
  readonly store?: 'keychain' | 'file';
  /** The keychain's account name; one for each login, so that two homes do not share one. */
  readonly account?: string;
  /** Who logged in, for `status` without asking the gateway. */
  readonly principal?: { readonly subject: string; readonly email?: string; readonly groups?: readonly string[] };
  /** ISO time of the login. */
  readonly since?: string;
}

export interface Gateways {
  all(): readonly KnownGateway[];
  current(): KnownGateway | undefined;
  /** By origin, or by host where that is unambiguous. */
  find(name: string): KnownGateway | undefined;
  /** Adds, or replaces what it gives then; `current` makes it the one that is meant when none is named. */
  save(gateway: KnownGateway, current: boolean): Promise<KnownGateway | undefined>;
  /** Forgets the login but keeps what was pinned: the next login must notice a changed certificate. */
  forget(url: string): Promise<void>;
}

interface Document {
  settings?: Record<string, unknown>;
  gateways?: KnownGateway[];
  current?: string;
}

const LOCK_WAIT_MS = 10_000;

const MEND = 'correct it, or move it away and log in again with "hoopctl login"';

/** What a hand has changed is looked at before it is believed. Errors: what is wrong, in words. */
function checked(value: unknown): Document {
  const isRecord = (one: unknown): one is Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one);
  if (!isRecord(value)) throw new Error('is no JSON object');
  const { gateways = [], current } = value;
  if (current !== undefined && typeof current !== 'string') throw new Error('has a "current" that is no URL');
  if (!Array.isArray(gateways)) throw new Error('has "gateways" that are no list');
  const known = (one: unknown) => isRecord(one) && typeof one.url === 'string' && URL.canParse(one.url);
  const wrong = gateways.findIndex((one) => !known(one));
  if (wrong !== -1) throw new Error(`has no "url" in gateways[${wrong}] that is one`);
  return value as Document;
}

/** Reads the file itself and writes through `conf`, which is slow to load and only needed then. */
export function openGateways(paths: Paths): Gateways {
  const file = join(paths.config, 'config.json');
  const read = (): Document => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
      throw userError('config_unreadable', `cannot read '${file}': ${(error as Error).message}`, { cause: error });
    }
    try {
      return checked(JSON.parse(text));
    } catch (error) {
      const why = error instanceof SyntaxError ? `is not JSON: ${error.message}` : (error as Error).message;
      throw userError('config_invalid', `'${file}' ${why}`, { fix: MEND, cause: error });
    }
  };
  const update = (change: (document: Document) => Document): Promise<void> =>
    withLock(join(paths.config, 'locks', 'config'), LOCK_WAIT_MS, async () => {
      mkdirSync(paths.config, { recursive: true, mode: 0o700 });
      const { default: Conf } = await import('conf');
      const conf = new Conf<Record<string, unknown>>({
        cwd: paths.config,
        configName: 'config',
        configFileMode: 0o600,
        accessPropertiesByDotNotation: false,
      });
      conf.store = change(read()) as Record<string, unknown>;
    });
  const all = (): readonly KnownGateway[] => read().gateways ?? [];
  return {
    all,
    current: () => {
      const { gateways = [], current } = read();
      return gateways.find((known) => known.url === current);
    },
    find: (name) => {
      const matches = all().filter((known) => known.url === name || new URL(known.url).host === name);
      if (matches.length > 0) return matches[0];
      const byHost = all().filter((known) => new URL(known.url).hostname === name);
      return byHost.length === 1 ? byHost[0] : undefined;
    },
    save: async (gateway, current) => {
      let replaced: KnownGateway | undefined;
      await update((document) => {
        const known = document.gateways ?? [];
        replaced = known.find(({ url }) => url === gateway.url);
        const others = known.filter((one) => one !== replaced);
        return { ...document, gateways: [...others, gateway], ...(current ? { current: gateway.url } : {}) };
      });
      return replaced;
    },
    forget: (url) =>
      update((document) => ({
        ...document,
        gateways: (document.gateways ?? []).map((known) =>
          known.url === url ? { url, ...(known.ca === undefined ? {} : { ca: known.ca }) } : known,
        ),
      })),
  };
}
