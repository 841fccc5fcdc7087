// A destination as configured → something that delivers to it. Refuses to know: cursors, retries.

import { hostname } from 'node:os';
import { parseSecretRef, type SecretRef } from '../../core/secret.ts';
import type { ExportEvent, Product } from '../../session/export/event.ts';
import { writerOf } from '../../session/export/formats.ts';
import { otlpRequest } from '../../session/export/otlp.ts';
import { fitting } from '../../session/export/shorten.ts';
import { framed, syslogMessage } from '../../session/export/syslog.ts';
import { nameOf } from '../../target/credentials.ts';
import { type PostOptions, readNamed, reasonOf, send, signedHeaders } from '../webhooks/post.ts';
import { DeliveryError, type Destination } from './destination.ts';
import { FileDestination } from './file.ts';
import { type HttpOptions, OtlpDestination, WebhookDestination } from './http.ts';
import type { ExportConfiguration, HttpExport, SyslogExport } from './schema.ts';
import { ConfirmedSyslog, FlushedSyslog, type SyslogTarget } from './syslog.ts';

export interface Opening extends PostOptions {
  readonly product: Product;
  readonly timeoutMs: () => number;
  /** Of one event in a request. */
  readonly eventBytes: number;
  /** The receiver took a request but not all in it, and they may not be sent again. */
  readonly rejected: (name: string, count: number, why: string) => void;
}

export function openDestination(one: ExportConfiguration, mark: Destination['mark'], means: Opening): Destination {
  if (one.to === 'file') return new FileDestination(one, writerOf(one.format, means.product), mark);
  if (one.to === 'syslog') return syslog(one, means);
  const http = httpOptions(one, means);
  if (one.to === 'otlp') {
    const encode = (events: readonly ExportEvent[]) =>
      otlpRequest(events, means.product, means.clock.now(), means.eventBytes);
    const headers = async (resolve: (text: string) => Promise<string>) => {
      const entries = Object.entries(one.headers).map(async ([name, value]) => [name, await resolve(value)] as const);
      return Object.fromEntries(await Promise.all(entries));
    };
    return new OtlpDestination(http, headers, encode, (count, why) => means.rejected(one.name, count, why));
  }
  return new WebhookDestination(http, encodeWebhook(one.format, means), (id, body) =>
    signedHeaders(means, { secret: one.secret }, { id, body }),
  );
}

/** `type`, `timestamp`, `data` as Standard Webhooks has them; the events are `data.events`. */
function encodeWebhook(
  format: 'json' | 'ocsf',
  { product, clock, eventBytes }: Opening,
): (events: readonly ExportEvent[]) => string {
  const { text } = writerOf(format, product);
  return (events) => {
    const all = events.map((one) => fitting(one, eventBytes, text));
    const head = { type: 'record.events', timestamp: new Date(clock.now()).toISOString(), gateway: product.gateway };
    return `${JSON.stringify(head).slice(0, -1)},"data":{"format":"${format}","events":[${all.join()}]}}`;
  };
}

function httpOptions({ url, caFile, certFile, key }: HttpExport, means: Opening): HttpOptions {
  return {
    timeoutMs: means.timeoutMs,
    post: (posted, signal, judge) => send(means, { url, caFile, certFile, key, ...posted }, signal, judge),
  };
}

function syslog(one: SyslogExport, { product, read, timeoutMs }: Opening): Destination {
  const { text } = writerOf(one.format, product);
  const { facility, maxBytes, mark } = one;
  const options = { facility, maxBytes, mark, hostname: hostname(), write: text };
  const Connection = one.confirm === 'close' ? ConfirmedSyslog : FlushedSyslog;
  return new Connection({
    target: () => syslogTarget(one, read),
    frame: (event) => framed(syslogMessage(event, options)),
    timeoutMs,
  });
}

async function syslogTarget(
  { address, serverName, caFile, certFile, key }: SyslogExport,
  read: (reference: SecretRef) => Promise<string>,
): Promise<SyslogTarget> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const file = (path: string | undefined) => {
    try {
      return path === undefined ? undefined : readNamed(path);
    } catch (error) {
      throw new DeliveryError((error as Error).message);
    }
  };
  const reference = key === undefined ? undefined : parseSecretRef(key);
  const unread = (error: unknown) => {
    throw new DeliveryError(`its key is not there: ${nameOf(reference!)} cannot be read: ${reasonOf(error)}`);
  };
  const secret = reference === undefined ? undefined : await read(reference).catch(unread);
  const port = Number(address.slice(colon + 1));
  return { host, port, serverName: serverName ?? host, ca: file(caFile), cert: file(certFile), key: secret };
}
