// What a PostgreSQL client got, from the server's bytes alone: protocol 3.0 read by its documentation, with no code of src.

export interface ClientResult {
  columns: string[] | undefined;
  rows: (string | null)[][];
  /** The command tag; undefined where an error ended it. */
  tag: string | undefined;
  error: { code: string; message: string } | undefined;
}

/** Every command's result in order: simple and extended queries, COPY TO STDOUT in text format. */
export function clientResults(bytes: Buffer): ClientResult[] {
  const results: ClientResult[] = [];
  let columns: string[] | undefined;
  let rows: (string | null)[][] = [];
  let copied: Buffer[] | undefined;
  const over = (end: Pick<ClientResult, 'tag' | 'error'>) => {
    if (copied !== undefined) rows = copyRows(Buffer.concat(copied).toString());
    results.push({ columns: rows.length > 0 && copied === undefined ? columns : undefined, rows, ...end });
    rows = [];
    copied = undefined;
  };
  for (let at = 0; at + 5 <= bytes.length; ) {
    const type = String.fromCharCode(bytes[at]!);
    const length = bytes.readInt32BE(at + 1);
    const body = bytes.subarray(at + 5, at + 1 + length);
    at += 1 + length;
    if (type === 'T') columns = rowDescription(body);
    else if (type === 'D') rows.push(dataRow(body));
    else if (type === 'H') copied = [];
    else if (type === 'd') copied?.push(body);
    else if (type === 'C') over({ tag: text(body, 0), error: undefined });
    else if (type === 'E') over({ tag: undefined, error: errorOf(body) });
  }
  return results;
}

function text(body: Buffer, at: number): string {
  return body.toString('utf8', at, body.indexOf(0, at));
}

function rowDescription(body: Buffer): string[] {
  const names: string[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count--) {
    const name = text(body, at);
    names.push(name);
    at += Buffer.byteLength(name) + 1 + 18;
  }
  return names;
}

function dataRow(body: Buffer): (string | null)[] {
  const values: (string | null)[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(0, length);
  }
  return values;
}

function errorOf(body: Buffer): { code: string; message: string } {
  const fields: Record<string, string> = {};
  for (let at = 0; body[at] !== 0; ) {
    const value = text(body, at + 1);
    fields[String.fromCharCode(body[at]!)] = value;
    at += 2 + Buffer.byteLength(value);
  }
  return { code: fields.C ?? '', message: fields.M ?? '' };
}

const ESCAPES: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function copyRows(data: string): (string | null)[][] {
  const lines = data.split('\n').slice(0, -1);
  const value = (field: string) => field.replace(/\\(.)/g, (_, one: string) => ESCAPES[one] ?? one);
  return lines.map((line) => line.split('\t').map((field) => (field === '\\N' ? null : value(field))));
}
