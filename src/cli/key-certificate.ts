// A short-lived certificate of the gateway's for a key of the user's, where the user's own tools find it: beside the key.
// Refuses to know: what it says. The private key is read by its owner's tools alone.

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import { route } from './api.ts';
import type { Context } from './context.ts';
import { writeWhole } from './files.ts';
import { relativeTime } from './text.ts';

interface Issued {
  readonly certificate: string;
  readonly expiresAt: string;
  readonly identity: Readonly<Record<string, string>>;
  /** host:port. */
  readonly native?: string;
}

export interface CertificateWish {
  /** The protocol that it is for; also the folder. */
  readonly tool: string;
  /** A key's file, the private or the public half; left out: one of hoopctl's, made at first use. */
  readonly key: string | undefined;
  readonly ttl: string;
  readonly reason: string | undefined;
}

/** Errors: usage, what the gateway refuses with. */
export async function fetchCertificate(context: Context, wish: CertificateWish): Promise<void> {
  const { tool, ttl, reason } = wish;
  if (parseDuration(ttl) === undefined) throw userError('usage', `--ttl is '${ttl}', expected a duration such as 10m`);
  const api = await context.api();
  const host = new URL(api.access.url).host.replace(/[^\w.-]/g, '-');
  const directory = join(context.paths.config, tool);
  const key = wish.key === undefined ? await ownKey(directory, host) : keyFile(context, wish.key);
  const publicKey = readPublic(`${key}.pub`);
  const issued = await api.call<Issued>(route`certificates/${tool}`, {
    method: 'POST',
    body: { publicKey, ttl },
    reason,
    signal: context.signal,
  });
  const certificate = `${key}-cert.pub`;
  writeWhole(certificate, `${issued.certificate}\n`);
  const known = join(directory, `${host}.native.known_hosts`);
  if (issued.native !== undefined) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeWhole(known, `${knownName(issued.native)} ${issued.identity['host-key']}\n`);
  }
  const { expiresAt, native } = issued;
  await context.print({ key, certificate, expiresAt, native, knownHosts: known }, () => `${certificate}\n`);
  if (context.json) return;
  context.io.say(`good for every connection that you may reach; expires ${relativeTime(expiresAt, Date.now())}`);
  if (native === undefined) context.io.say('this gateway has no native listener to use it at');
  else context.io.say(`use it with: ssh ${identity(key)} -o UserKnownHostsFile=${known} ${destination(native)}`);
}

/** ssh finds the certificate by itself beside a private key; an agent's has to be named by its public half. */
function identity(key: string): string {
  return existsSync(key) ? `-i ${key}` : `-i ${key}.pub -o CertificateFile=${key}-cert.pub`;
}

/** `[host]:2222`, or `host` at port 22, as known_hosts has it. */
function knownName(native: string): string {
  const { hostname, port } = new URL(`tcp://${native}`);
  const plain = hostname.replace(/^\[|\]$/g, '');
  return port === '22' ? plain : `[${plain}]:${port}`;
}

function destination(native: string): string {
  const { hostname, port } = new URL(`tcp://${native}`);
  return `-p ${port} NAME@${hostname.replace(/^\[|\]$/g, '')}`;
}

async function ownKey(directory: string, host: string): Promise<string> {
  const key = join(directory, `${host}.key`);
  if (existsSync(`${key}.pub`)) return key;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'hoopctl', '-f', key]);
  } catch (error) {
    throw userError('not_found', `cannot make a key: ssh-keygen: ${(error as Error).message.split('\n')[0]}`, {
      fix: "install OpenSSH's client, or name a key that you have with --key",
      cause: error,
    });
  }
  return key;
}

/** Of either half the path without `.pub`. */
function keyFile({ io }: Context, given: string): string {
  return resolve(io.cwd, given.replace(/\.pub$/, ''));
}

function readPublic(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw userError('usage', `cannot read '${path}': ${(error as NodeJS.ErrnoException).code}`, {
      fix: 'the public half has to be beside the key; ssh-keygen -y makes it from the private one',
      cause: error,
    });
  }
}
