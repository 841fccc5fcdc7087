// One syslog message (RFC 5424) and its frame on a TLS stream (RFC 5425 §4.3: octet counting).
// Refuses to know: sockets, what the message's own text is.

import { type ExportEvent, gistOf } from './event.ts';
import { fitting } from './shorten.ts';

export interface SyslogOptions {
  readonly facility: number;
  /** As receivers shall file it; the machine's name. */
  readonly hostname: string;
  /** Octets of a whole message; RFC 5425 §4.3.1 wants receivers to take 8192. */
  readonly maxBytes: number;
  /** Begins the text with U+FEFF, which says that it is UTF-8 (RFC 5424 §6.4). */
  readonly mark: boolean;
  /** The message's text. */
  readonly write: (event: ExportEvent) => string;
}

/** 32473 is the number that RFC 5612 keeps for who has none of his own. */
const SD_ID = 'hoopctl@32473';
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/;

export function syslogMessage(event: ExportEvent, options: SyslogOptions): string {
  const gist = gistOf(event);
  const { facility, hostname, mark, write, maxBytes } = options;
  const priority = facility * 8 + severityOf(gist.severity);
  const elements: Record<string, string | number | undefined> = {
    id: event.id,
    sequence: event.sequence,
    session: gist.session,
    connection: gist.connection,
    principal: gist.who,
    verdict: gist.verdict,
    rule: gist.rule,
  };
  const data = Object.entries(elements).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${parameter(String(value))}"`],
  );
  // Of a line that somebody changed it may be any text: the nil value then.
  const at = TIMESTAMP.test(event.at) ? event.at : '-';
  const head = `<${priority}>1 ${at} ${word(hostname, 255)} hoopctl - ${word(event.name, 32)} `;
  const front = `${head}[${SD_ID} ${data.join(' ')}] ${mark ? '\ufeff' : ''}`;
  return front + fitting(event, maxBytes - Buffer.byteLength(front), write);
}

/** `MSG-LEN SP SYSLOG-MSG`. */
export function framed(message: string): Buffer {
  const bytes = Buffer.from(message, 'utf8');
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}

/**
 * PARAM-VALUE (§6.3.3): these three are escaped. Control characters are written as receivers do it (`#012`; §8.2 allows it):
 * nobody's name begins a line of its own in a file. Long ones are cut: their place is the text.
 */
export function parameter(text: string): string {
  const short = text.length > 256 ? `${text.slice(0, 255)}…` : text;
  return short
    .toWellFormed()
    .replace(/["\\\]]/g, '\\$&')
    .replace(/\p{Cc}/gu, (one) => `#${one.codePointAt(0)!.toString(8).padStart(3, '0')}`);
}

/** PRINTUSASCII without spaces; the nil value for nothing. */
function word(text: string, max: number): string {
  const kept = text.replace(/[^!-~]/g, '?').slice(0, max);
  return kept === '' ? '-' : kept;
}

/** Ours (0 to 10) as syslog's (7 to 0). */
function severityOf(severity: number): number {
  if (severity >= 9) return 2;
  if (severity >= 8) return 3;
  if (severity >= 6) return 4;
  return severity >= 3 ? 5 : 6;
}
