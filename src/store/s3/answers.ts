// What object storage answers: its errors, and the few elements of its XML that are looked at. Refuses to know: requests.

import { createHash } from 'node:crypto';

export class S3Error extends Error {
  readonly status: number | undefined;
  /** `NoSuchUpload`, `AccessDenied`, … as it said. */
  readonly code: string | undefined;

  constructor(
    message: string,
    { status, code, cause }: { status?: number | undefined; code?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.name = 'S3Error';
    this.status = status;
    this.code = code;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text of the first element of that name; undefined where there is none. */
export function tag(xml: string, name: string): string | undefined {
  const [first] = each(xml, name);
  return first?.replace(/&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g, (whole, decimal, hex, named) => {
    if (named !== undefined) return ENTITIES[named] ?? whole;
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** What stands inside each element of that name. Elements of one name never stand inside each other there. */
export function* each(xml: string, name: string): Generator<string> {
  for (let at = 0; ; ) {
    const start = xml.indexOf(`<${name}`, at);
    if (start < 0) return;
    const open = xml.indexOf('>', start);
    if (open < 0) return;
    at = open + 1;
    // `<Version` is also how `<VersionId>` begins.
    if (!/[\s>/]/.test(xml[start + name.length + 1]!) || xml[open - 1] === '/') continue;
    const end = xml.indexOf(`</${name}>`, at);
    if (end < 0) return;
    yield xml.slice(at, end);
    at = end;
  }
}

export function sha256(bytes: Uint8Array, encoding: 'hex' | 'base64'): string {
  return createHash('sha256').update(bytes).digest(encoding);
}
