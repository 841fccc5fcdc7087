// Open Cybersecurity Schema Framework 1.3: a login is Authentication (3002), what a session does at a database is Datastore
// Activity (6005), everything else API Activity (6003). What has no place there stands in `unmapped`.

import { type ExportEvent, type Gist, gistOf, type Product, timeOf } from './event.ts';

const OCSF_VERSION = '1.3.0';

interface Class {
  readonly category: readonly [number, string];
  readonly class: readonly [number, string];
  readonly activity: readonly [number, string];
  readonly more: object;
}

export function ocsf(event: ExportEvent, product: Product): string {
  const gist = gistOf(event);
  const found = classOf(event, gist, product);
  const [category, categoryName] = found.category;
  const [uid, className] = found.class;
  const [activity, activityName] = found.activity;
  const { text: _, ...unmapped } = event.fields;
  const duration = gist.microseconds === undefined ? {} : { duration: Math.round(gist.microseconds / 1000) };
  return JSON.stringify({
    metadata: {
      version: OCSF_VERSION,
      product: { name: 'hoopctl', vendor_name: 'hoopctl', version: product.version },
      uid: event.id,
      sequence: event.sequence,
      event_code: event.name,
      log_name: event.from === 'log' ? 'log' : 'recording',
      ...(product.gateway === undefined ? {} : { log_provider: product.gateway }),
      ...(gist.session === undefined ? {} : { correlation_uid: correlation(gist) }),
    },
    time: timeOf(event),
    category_uid: category,
    category_name: categoryName,
    class_uid: uid,
    class_name: className,
    activity_id: activity,
    activity_name: activityName,
    type_uid: uid * 100 + activity,
    type_name: `${className}: ${activityName}`,
    ...severity(gist.severity),
    ...status(gist),
    ...duration,
    message: gist.title,
    ...found.more,
    actor: actor(gist),
    src_endpoint: gist.client === undefined ? { name: 'gateway' } : endpoint(gist.client),
    unmapped,
  });
}

function classOf(event: ExportEvent, gist: Gist, product: Product): Class {
  if (event.name === 'log.login' || event.name === 'log.token') return authentication(event, gist);
  if (event.from === 'session' && gist.protocol !== undefined && product.datastore(gist.protocol)) {
    return datastore(event, gist);
  }
  return api(event, gist);
}

function authentication({ name, fields }: ExportEvent, gist: Gist): Class {
  const activity =
    name === 'log.login'
      ? ([1, 'Logon'] as const)
      : fields.what === 'issued'
        ? ([4, 'Service Ticket Request'] as const)
        : fields.what === 'revoked'
          ? ([2, 'Logoff'] as const)
          : other(typeof fields.what === 'string' ? fields.what : 'token');
  const more = { user: user(gist), service: { name: gist.connection ?? 'hoopctl' }, is_remote: true };
  return { category: [3, 'Identity & Access Management'], class: [3002, 'Authentication'], activity, more };
}

function datastore(event: ExportEvent, gist: Gist): Class {
  const query = gist.text === undefined ? {} : { query_info: { query_string: gist.text, uid: correlation(gist) } };
  const more = { type_id: 1, type: 'Database', database: { name: gist.connection ?? 'unknown', type_id: 0 }, ...query };
  const activity = datastoreActivity(event);
  return { category: [6, 'Application Activity'], class: [6005, 'Datastore Activity'], activity, more };
}

const DOES: Readonly<Record<string, readonly [number, string]>> = {
  update: [2, 'Update'],
  insert: [5, 'Write'],
  create: [6, 'Create'],
  delete: [7, 'Delete'],
  truncate: [7, 'Delete'],
  drop: [7, 'Delete'],
  alter: [2, 'Update'],
  merge: [2, 'Update'],
  ...Object.fromEntries(['grant', 'revoke', 'set-role', 'call', 'do-block', 'load'].map((word) => [word, other(word)])),
};

function datastoreActivity({ kind, fields }: ExportEvent): readonly [number, string] {
  if (kind === 'open') return [3, 'Connect'];
  if (kind === 'result' || kind === 'rows') return [4, 'Query'];
  if (kind !== 'intent') return other(kind);
  const parts = Array.isArray(fields.parts) ? (fields.parts as ({ does?: unknown } | null)[]) : [];
  const does = parts.flatMap((part) => (Array.isArray(part?.does) ? (part.does as string[]) : []));
  const found = does.find((one) => typeof one === 'string' && Object.hasOwn(DOES, one));
  return found === undefined ? [4, 'Query'] : DOES[found]!;
}

function api(event: ExportEvent, gist: Gist): Class {
  const { fields, name } = event;
  const word = [fields.how, fields.what, fields.action, fields.state].find((one) => typeof one === 'string');
  const resources = gist.connection === undefined ? {} : { resources: [{ name: gist.connection, type: 'connection' }] };
  const request = gist.session === undefined ? {} : { request: { uid: correlation(gist) } };
  const more = {
    api: {
      operation: word === undefined ? name : `${name}: ${word}`,
      service: { name: event.from === 'session' ? (gist.protocol ?? 'hoopctl') : 'hoopctl' },
      ...request,
      ...(gist.code === undefined
        ? {}
        : { response: { error: gist.code, ...(gist.message === undefined ? {} : { error_message: gist.message }) } }),
    },
    ...resources,
    ...(gist.text === undefined ? {} : { raw_data: gist.text }),
  };
  const activity = name === 'log.playback' || name === 'log.export' ? ([2, 'Read'] as const) : other(event.kind);
  return { category: [6, 'Application Activity'], class: [6003, 'API Activity'], activity, more };
}

function other(word: string): readonly [99, string] {
  return [99, word];
}

/** The same for a statement and its result. */
function correlation({ session, operation }: Gist): string {
  return operation === undefined ? `${session}` : `${session}/${operation}`;
}

function actor(gist: Gist): object {
  const { actor: agent, issuer } = gist.principal;
  const app = agent === undefined ? {} : { app_name: agent };
  if (gist.who === undefined) return { app_name: agent ?? 'hoopctl' };
  const session =
    gist.session === undefined ? {} : { session: { uid: gist.session, ...(issuer === undefined ? {} : { issuer }) } };
  return { ...app, user: user(gist), ...session };
}

const EMAIL = /^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$/;

function user({ who, principal }: Gist): object {
  const { subject, email, issuer, groups, kind } = principal;
  return {
    name: email ?? subject ?? who ?? 'unknown',
    ...(subject === undefined ? {} : { uid: subject }),
    ...(email !== undefined && EMAIL.test(email) ? { email_addr: email } : {}),
    ...(issuer === undefined ? {} : { domain: issuer }),
    ...(groups === undefined ? {} : { groups: groups.map((name) => ({ name })) }),
    ...(kind === 'workload' ? { type_id: 3, type: 'System' } : kind === undefined ? {} : { type_id: 1, type: 'User' }),
  };
}

function endpoint({ ip, port }: NonNullable<Gist['client']>): object {
  return { ip, ...(port === undefined ? {} : { port }) };
}

function severity(value: number): object {
  if (value >= 9) return { severity_id: 5, severity: 'Critical' };
  if (value >= 8) return { severity_id: 4, severity: 'High' };
  if (value >= 6) return { severity_id: 3, severity: 'Medium' };
  return value >= 3 ? { severity_id: 2, severity: 'Low' } : { severity_id: 1, severity: 'Informational' };
}

function status({ outcome, code, message }: Gist): object {
  const detail = {
    ...(code === undefined ? {} : { status_code: code }),
    ...(message === undefined ? {} : { status_detail: message }),
  };
  if (outcome === undefined) return { status_id: 0, status: 'Unknown', ...detail };
  return outcome === 'success'
    ? { status_id: 1, status: 'Success', ...detail }
    : { status_id: 2, status: 'Failure', ...detail };
}
