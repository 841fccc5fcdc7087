// Common Event Format: `CEF:0|vendor|product|version|class|name|severity|extension`, ArcSight's guide of 2017 (version 25).
// Header: `\` and `|` are escaped, no line breaks. Extension: `\` and `=` are escaped, line breaks are `\n` and `\r`.

import { type ExportEvent, type Gist, gistOf, type Product, timeOf } from './event.ts';

/** The dictionary's lengths: receivers cut or refuse what is longer. */
const MAX = { user: 1023, custom: 4000, msg: 1023, name: 512 };

export function cef(event: ExportEvent, { version, gateway }: Product): string {
  const gist = gistOf(event);
  const head = ['hoopctl', 'hoopctl', version, event.name, gist.title.slice(0, MAX.name), String(gist.severity)];
  const extension = pairs(event, gist, gateway).map(([key, value]) => `${key}=${cefValue(value)}`);
  return `CEF:0|${head.map(cefHeader).join('|')}|${extension.join(' ')}`;
}

function pairs(event: ExportEvent, gist: Gist, gateway: string | undefined): [string, string][] {
  const { principal, client } = gist;
  const all: [string, string | number | undefined, number?][] = [
    ['rt', timeOf(event)],
    ['externalId', event.id],
    ['cnt', 1],
    ['cn1Label', 'sequence'],
    ['cn1', event.sequence],
    ['dvchost', gateway === undefined ? undefined : hostOf(gateway), 100],
    ['deviceExternalId', gateway === undefined ? undefined : idOf(gateway), 255],
    ['suser', gist.who, MAX.user],
    ['suid', principal.subject, MAX.user],
    ...address(client?.ip),
    ['spt', client?.port],
    ['app', gist.protocol],
    ['act', gist.verdict],
    ['outcome', gist.outcome],
    ['reason', gist.reason ?? gist.code, MAX.msg],
    ['msg', gist.message, MAX.msg],
    ...custom('cs1', 'connection', gist.connection),
    ...custom('cs2', 'session', gist.session),
    ...custom('cs3', 'rule', gist.rule),
    ...custom('cs4', 'review', gist.review),
    // Cut to fit its receiver it says so as one that is cut to the dictionary's length does.
    ...custom('cs5', 'statement', event.fields.cut === undefined ? gist.text : gist.text && `${gist.text}…`),
    ...custom('cn2', 'operation', gist.operation),
    ...custom('cn3', 'rows', gist.rows),
  ];
  return all.flatMap(([key, value, max = MAX.custom]): [string, string][] =>
    value === undefined ? [] : [[key, cut(String(value), max)]],
  );
}

/** `src` is for IPv4 alone. */
function address(ip: string | undefined): [string, string | undefined][] {
  if (ip?.includes(':') !== true) return [['src', ip]];
  return [
    ['c6a2Label', 'Source IPv6 Address'],
    ['c6a2', ip],
  ];
}

function custom(
  key: string,
  label: string,
  value: string | number | undefined,
): [string, string | number | undefined][] {
  return value === undefined
    ? []
    : [
        [`${key}Label`, label],
        [key, value],
      ];
}

export function cefHeader(text: string): string {
  return printable(text)
    .replace(/[\r\n]+/g, ' ')
    .replace(/[\\|]/g, '\\$&');
}

export function cefValue(text: string): string {
  return printable(text).replace(/[\\=]/g, '\\$&').replaceAll('\r', '\\r').replaceAll('\n', '\\n');
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function idOf(url: string): string | undefined {
  return (URL.canParse(url) && new URL(url).hash.slice(1)) || undefined;
}

/** NUL ends a text at many receivers: it stands as U+FFFD, as half a surrogate pair does. */
function printable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
