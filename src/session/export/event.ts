// One line of the record as an event for somebody else's system: who, where, what, how it came out, taken from wherever
// that kind of line has it. Refuses to know: any format, where events go.

import { isIP } from 'node:net';
import type { RecordEvent } from '../recorder/follow.ts';

/** What the first line of a recording says of all others. */
export type Opening = Readonly<Record<string, unknown>>;

/** An event with its place in one destination's stream. */
export interface ExportEvent extends RecordEvent {
  /** From 1, without gaps, of one destination. */
  readonly sequence: number;
  /** `log.login`, `session.intent`: the kind with where it is from. */
  readonly name: string;
  /** Of a session's line: the fields of its first one. Undefined for the log's and where it cannot be read. */
  readonly opening: Opening | undefined;
}

/** Who writes: the same in every event. */
export interface Product {
  readonly version: string;
  /** The gateway's URL, with its id as the fragment where several may have the same one; offline: none. */
  readonly gateway: string | undefined;
  /** Whether a protocol's operations are statements to a database. */
  readonly datastore: (protocol: string) => boolean;
}

/** Lines of nothing but what came back: rows of a result, what went through a terminal. */
const CONTENT: ReadonlySet<string> = new Set(['rows', 'data']);

/** Made with what came back or, as a rule, without: then an event of nothing else is undefined. */
export function exportEvent(event: RecordEvent, opening: Opening | undefined, rows: boolean): ExportEvent | undefined {
  if (!rows && event.from === 'session' && CONTENT.has(event.kind)) return undefined;
  const { values, ...rest } = event.fields;
  const fields = rows || values === undefined ? event.fields : rest;
  return { ...event, fields, opening, name: `${event.from}.${event.kind}`, sequence: 0 };
}

/** What most formats have a place for. */
export interface Gist {
  /** E-mail or subject, with the agent, as `sessions ls` shows it. */
  readonly who: string | undefined;
  readonly principal: Principalish;
  readonly connection: string | undefined;
  readonly protocol: string | undefined;
  readonly session: string | undefined;
  readonly client: { readonly ip: string; readonly port: number | undefined } | undefined;
  /** One line for a person. */
  readonly title: string;
  readonly outcome: 'success' | 'failure' | undefined;
  /** 0 (nothing) to 10 (wake somebody). */
  readonly severity: number;
  readonly verdict: string | undefined;
  readonly rule: string | undefined;
  readonly review: string | undefined;
  readonly reason: string | undefined;
  readonly operation: number | undefined;
  readonly text: string | undefined;
  readonly rows: number | undefined;
  readonly microseconds: number | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

interface Principalish {
  readonly subject?: string;
  readonly issuer?: string;
  readonly email?: string;
  readonly kind?: string;
  readonly actor?: string;
  readonly groups?: readonly string[];
}

const string = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
const object = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};

export function gistOf(event: ExportEvent): Gist {
  const { fields, opening = {}, kind } = event;
  const of = (key: string) => fields[key] ?? opening[key];
  // `by` is how the reviewer is called; `reviewer` who that is.
  const written = of('principal') ?? fields.reviewer ?? fields.by ?? fields.user;
  const principal: Principalish = typeof written === 'string' ? { subject: written } : principalOf(object(written));
  const error = object(fields.error);
  const outcome = outcomeOf(event);
  return {
    who: nameOf(principal),
    principal,
    connection: string(of('connection')),
    protocol: string(of('protocol')),
    session: event.session ?? string(fields.session),
    client: addressOf(string(fields.client) ?? string(fields.address) ?? string(opening.client)),
    title: titleOf(event),
    outcome,
    severity: severityOf(event, outcome),
    verdict: string(fields.verdict),
    rule: string(fields.rule),
    review: string(fields.review),
    reason: string(of('reason')),
    operation: number(fields.op),
    text: event.from === 'session' && kind === 'intent' ? string(fields.text) : undefined,
    rows: kind === 'result' ? number(fields.rows) : undefined,
    microseconds: number(fields.us),
    code: string(error.code) ?? string(fields.code),
    message: string(error.message) ?? string(fields.message),
  };
}

/** Of a line that somebody changed a member may be anything: no event is to keep those after it from going out. */
function principalOf({ groups, ...rest }: Readonly<Record<string, unknown>>): Principalish {
  const named = ['subject', 'issuer', 'email', 'kind', 'actor'].flatMap((key) => {
    const value = string(rest[key]);
    return value === undefined ? [] : [[key, value]];
  });
  const all = Array.isArray(groups) ? groups.filter((one): one is string => typeof one === 'string') : undefined;
  return { ...Object.fromEntries(named), ...(all === undefined ? {} : { groups: all }) };
}

/** Milliseconds since the epoch; 0 for a time that is none. */
export function timeOf({ at }: Pick<RecordEvent, 'at'>): number {
  return Date.parse(at) || 0;
}

function nameOf({ subject, email, actor }: Principalish): string | undefined {
  const who = email ?? subject;
  return who === undefined || actor === undefined ? who : `${who} (agent: ${actor})`;
}

/** `127.0.0.1:51234`, `[::1]:51234`, `10.0.0.1`, `2001:db8::1`. */
export function addressOf(text: string | undefined): Gist['client'] {
  if (text === undefined) return undefined;
  const match = isIP(text) > 0 ? [text, text] : /^\[?([0-9a-fA-F.:]+?)\]?(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const ip = match[1]!.replace(/^::ffff:(?=\d+\.)/i, '');
  return { ip, port: match[2] === undefined ? undefined : Number(match[2]) };
}

function outcomeOf({ name, fields }: ExportEvent): Gist['outcome'] {
  if (fields.verdict === 'deny' || fields.ok === false || name === 'log.failure' || isDamage(name, fields)) {
    return 'failure';
  }
  if (name === 'session.result') return fields.status === 'ok' ? 'success' : 'failure';
  if (name === 'log.review' || name === 'session.review') {
    const { state } = fields;
    return state === 'denied' || state === 'expired' || state === 'cancelled' ? 'failure' : 'success';
  }
  if (fields.verdict === 'review' || name === 'session.note' || name === 'session.masks') return undefined;
  if (name === 'log.policy' && fields.what === 'refused') return 'failure';
  return 'success';
}

function severityOf({ name, fields }: ExportEvent, outcome: Gist['outcome']): number {
  if (fields.action === 'break-glass') return 8;
  if (name === 'log.failure' || isDamage(name, fields)) return 9;
  if (name === 'session.result') return outcome === 'failure' ? 3 : 1;
  if (outcome === 'failure') return 6;
  return fields.verdict === 'review' || name.endsWith('.review') || name.startsWith('log.') ? 3 : 1;
}

/** What was purged is not there by somebody's order. */
function isDamage(name: string, fields: ExportEvent['fields']): boolean {
  return name === 'session.changed' || (name === 'session.missing' && fields.purged === undefined);
}

const TITLES: Readonly<Record<string, string>> = {
  'log.start': 'the gateway started',
  'log.stop': 'the gateway stopped',
  'log.login': 'login',
  'log.token': 'token',
  'log.access': 'access to a connection',
  'log.session': 'session',
  'log.recording': 'recording sealed',
  'log.review': 'review',
  'log.grant': 'grant',
  'log.policy': 'policy',
  'log.admin': 'administration',
  'log.playback': 'recording looked at',
  'log.export': 'record exported',
  'log.failure': 'failure',
  'session.open': 'session began',
  'session.policy': 'policy changed',
  'session.intent': 'statement',
  'session.review': 'review of a statement',
  'session.masks': 'columns masked',
  'session.rows': 'rows of a result',
  'session.data': 'input or output',
  'session.unmask': 'masks lifted or put back',
  'session.segment': 'recording goes on in another file',
  'session.result': 'result of a statement',
  'session.note': 'note',
  'session.end': 'session ended',
  'session.seal': 'recording sealed',
  'session.missing': 'lines of a recording are missing',
  'session.changed': 'a recording was changed',
};

function titleOf({ name, kind, fields }: ExportEvent): string {
  const title = TITLES[name] ?? kind;
  const word = string(fields.what) ?? string(fields.action) ?? string(fields.state) ?? string(fields.verdict);
  const state = name === 'log.login' ? (fields.ok === false ? 'refused' : 'ok') : word;
  return state === undefined ? title : `${title}: ${state}`;
}

/** What a line says beside the gist, with who and where: the JSON of all formats that carry JSON. */
export function document(event: ExportEvent, { gateway }: Product): Record<string, unknown> {
  const { id, sequence, at, name, session, opening, fields } = event;
  return {
    id,
    sequence,
    at,
    kind: name,
    ...(gateway === undefined ? {} : { gateway }),
    ...(session === undefined ? {} : { session: { id: session, ...sessionFacts(opening, event.kind) } }),
    data: fields,
  };
}

/** The first line itself has them in its data. */
function sessionFacts(opening: Opening | undefined, kind: string): Record<string, unknown> {
  if (opening === undefined || kind === 'open') return {};
  const { principal, connection, protocol, labels, client, via } = opening;
  const { claims: _, ...who } = object(principal);
  return { principal: who, connection, protocol, labels, client, via };
}
