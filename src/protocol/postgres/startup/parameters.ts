// The startup parameters: which database, what goes on to the server, what a guarded session must refuse.
// Refuses to know: how they travelled.

import { type HoopctlError, userError } from '../../../core/errors.ts';
import { isUtf8, misread } from '../machine/reading.ts';
import type { PostgresConfig } from '../schema.ts';
import { ROLE_PARAMETERS } from '../sql/vocabulary.ts';

/** NAMEDATALEN - 1: the server cuts application_name there. */
const NAME_BYTES = 63;

/** On a native listener the database names the connection: `prod-db`, or `prod-db/other` for another database of it. */
export function connectionAndDatabase(asked: string | undefined): { connection?: string; database?: string } {
  if (asked === undefined || asked === '') return {};
  const slash = asked.indexOf('/');
  return slash < 0 ? { connection: asked } : { connection: asked.slice(0, slash), database: asked.slice(slash + 1) };
}

/** The database to open. Throws not_found, naming what there is. */
export function chooseDatabase(config: PostgresConfig, connection: string, asked: string | undefined): string {
  const { database, databases } = config.target;
  if (asked === undefined || asked === '' || asked === connection || asked === database) return database;
  if (databases === '*' || databases.includes(asked)) return asked;
  const names = [...new Set([database, ...databases])].map((name) => `"${name}"`).join(', ');
  throw userError('not_found', `database "${asked}" is not reachable through connection "${connection}"`, {
    fix: `ask for ${names}`,
  });
}

/** What `options` sets: `-c name=value`, `--name=value`; undefined for a switch that is neither (postgres.c). */
export function settingsIn(options: string): { name: string; value: string }[] | undefined {
  const words = [...options.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) => word.replace(/\\([\s\S])/g, '$1'));
  const settings: { name: string; value: string }[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    let text: string | undefined;
    if (word === '-c' || word === '--') text = words[++i];
    else if (word.startsWith('-c') || word.startsWith('--')) text = word.slice(2);
    const match = text === undefined ? null : /^([^=]+)=([\s\S]*)$/.exec(text);
    if (match === null) return undefined;
    settings.push({ name: match[1]!.replaceAll('-', '_').toLowerCase(), value: match[2]! });
  }
  return settings;
}

const NAMING = new Set(['search_path', 'role', 'session_authorization']);
const OWN = new Set(['user', 'database', 'replication', 'options', 'application_name']);

/** Every setting that the parameters ask for, `options` unfolded; undefined when `options` has something else in it. */
function settingsOf(parameters: ReadonlyMap<string, string>): { name: string; value: string }[] | undefined {
  const settings = settingsIn(parameters.get('options') ?? '');
  if (settings === undefined) return undefined;
  for (const [name, value] of parameters) if (!OWN.has(name)) settings.push({ name: name.toLowerCase(), value });
  return settings;
}

/** Whether unqualified names resolve as they do by default for the user. */
export function namesPinned(parameters: ReadonlyMap<string, string>): boolean {
  const settings = settingsOf(parameters);
  return settings !== undefined && !settings.some(({ name }) => NAMING.has(name));
}

/** Says how values are written, and what drivers ask for by themselves: nothing that a rule is about. */
const WRITTEN = new Set([
  ...['client_encoding', 'datestyle', 'intervalstyle', 'timezone', 'extra_float_digits', 'bytea_output'],
  'standard_conforming_strings',
]);

/** What is set at the start, as the statements that would: to be decided like these. */
export function settingsAsked(parameters: ReadonlyMap<string, string>): { text: string; does: readonly string[] }[] {
  return (settingsOf(parameters) ?? [])
    .filter(({ name }) => !WRITTEN.has(name))
    .map(({ name, value }) => ({
      text: `set ${name} = ${value}`,
      does: ROLE_PARAMETERS.has(name) ? ['set', 'set-role'] : ['set'],
    }));
}

/** Options that are no settings: among what cannot be read there may be a role. */
export function optionsProblem(parameters: ReadonlyMap<string, string>): HoopctlError | undefined {
  if (settingsOf(parameters) !== undefined) return undefined;
  const options = parameters.get('options');
  return userError('denied', `startup options "${options}" are refused: only settings are let through`, {
    fix: 'give settings as -c name=value',
  });
}

/** A guarded session: the reason why these parameters would make the gateway misread statements. */
export function guardProblem(parameters: ReadonlyMap<string, string>): HoopctlError | undefined {
  const settings = settingsOf(parameters);
  if (settings === undefined) return optionsProblem(parameters);
  for (const setting of settings) {
    if (setting.name === 'client_encoding' && unsetEncoding(setting.value)) continue;
    const parameter = misread(setting);
    if (parameter === undefined) continue;
    return userError(
      'denied',
      `"${parameter}" cannot be "${setting.value}" here: the gateway would read statements otherwise than the server`,
      {
        fix: parameter === 'client_encoding' ? 'set PGCLIENTENCODING=UTF8' : 'leave it on',
      },
    );
  }
  return undefined;
}

/** SQL_ASCII is what a C locale asks for: no conversion. It loses nothing by UTF8. */
const unsetEncoding = (value: string): boolean => /^sql_?ascii$/i.test(value);

export interface Upstream {
  readonly user: string;
  readonly database: string;
  readonly principal: string;
  readonly guarded: boolean;
  readonly tellPrincipal: boolean;
}

/** What the server gets: the client's own settings, our user and database. */
export function upstreamParameters(parameters: ReadonlyMap<string, string>, to: Upstream): Map<string, string> {
  const out = new Map([
    ['user', to.user],
    ['database', to.database],
  ]);
  for (const [name, value] of parameters) {
    if (name !== 'user' && name !== 'database' && !name.startsWith('_pq_.')) out.set(name, value);
  }
  const application = parameters.get('application_name') ?? '';
  if (to.tellPrincipal) out.set('application_name', applicationName(application, to.principal));
  if (to.guarded && !isUtf8(out.get('client_encoding') ?? '')) out.set('client_encoding', 'UTF8');
  return out;
}

/** `psql (alice@example.com via hoopctl)`, cut so that the principal stays whole as long as it can. */
export function applicationName(application: string, principal: string): string {
  const ascii = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?');
  const suffix = ascii(`(${principal} via hoopctl)`);
  const room = NAME_BYTES - suffix.length - 1;
  const name = ascii(application).slice(0, Math.max(0, room));
  return (name === '' ? suffix : `${name} ${suffix}`).slice(0, NAME_BYTES);
}

/** `replication`: any true value, or `database`; PostgreSQL reads it as a boolean with one more word. */
export function wantsReplication(parameters: ReadonlyMap<string, string>): boolean {
  const value = parameters.get('replication')?.toLowerCase();
  return value !== undefined && !/^(f(a(l(s(e)?)?)?)?|no?|off?|0)$/.test(value);
}
