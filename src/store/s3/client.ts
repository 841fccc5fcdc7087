// S3-compatible object storage, as much of it as recordings need: objects written whole or in parts, read, looked at, removed
// with all their versions. Every request is signed (aws4fetch) over the digest of its body; undici carries it. Its errors say
// what the storage said, never a credential. Refuses to know: recordings, where credentials come from.

import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { AwsV4Signer } from 'aws4fetch';
import { Agent, type Dispatcher, request } from 'undici';
import { each, S3Error, sha256, tag } from './answers.ts';

export interface S3Place {
  /** `https://host[:port]`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** `https://host/bucket/key` or `https://bucket.host/key`. */
  readonly addressing: 'path' | 'host';
  readonly caFile?: string | undefined;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3ClientOptions {
  readonly place: S3Place;
  /** Asked for each request: they may change. */
  readonly credentials: () => Promise<S3Credentials>;
  /** How long it may take to connect, to answer, and to go on with taking or sending bytes. */
  readonly timeoutMs: () => number;
  readonly now?: () => number;
}

export interface ObjectHead {
  readonly bytes: number;
  /** As the object's own metadata has it: hex, of the whole. */
  readonly sha256: string | undefined;
  /** As the storage computed it, base64; `…-N` for N parts: of their digests. Undefined where it computes none. */
  readonly checksum: string | undefined;
  readonly version: string | undefined;
  /** Until then Object Lock lets nobody remove it. Milliseconds since the epoch. */
  readonly retainUntil: number | undefined;
}

interface Ask {
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

type Answer = Dispatcher.ResponseData;
type Method = 'GET' | 'PUT' | 'POST' | 'HEAD' | 'DELETE';

/** How much of an answer that is no object is read at most: a page of versions has 1000, each some hundred bytes. */
const ANSWER_BYTES = 4 * 1024 * 1024;
/** Objects that come more slowly are given up: they would hold who reads them for good, one drop at a time. */
const SLOWEST_BYTES_PER_S = 4096;
/** Of a body, what is handed on at once. */
const PIECE_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

export class S3Client {
  readonly #options: S3ClientOptions;
  readonly #agent: Agent;

  constructor(options: S3ClientOptions) {
    this.#options = options;
    const { caFile } = options.place;
    const ca = caFile === undefined ? {} : { ca: readFileSync(caFile) };
    this.#agent = new Agent({ connect: { ...ca, timeout: options.timeoutMs() }, connections: 16, pipelining: 0 });
  }

  /** The whole object. Errors: `S3Error`. */
  async put(key: string, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<string | undefined> {
    const checksum = { 'x-amz-checksum-sha256': sha256(body, 'base64') };
    const answer = await this.#ask('PUT', { key, body, headers: { ...headers, ...checksum } });
    await this.#drained('PUT', key, answer);
    return header(answer, 'x-amz-version-id');
  }

  /** Undefined where there is no such object. Errors: `S3Error`, where there is no such bucket too. */
  async head(key: string, version?: string): Promise<ObjectHead | undefined> {
    const query = versionQuery(version);
    const answer = await this.#ask('HEAD', { key, query, headers: { 'x-amz-checksum-mode': 'ENABLED' } }).catch(absent);
    if (answer === undefined) {
      // An answer to HEAD has no words of its own: that it is the bucket which is not there is said to GET only.
      const said = await this.#ask('GET', { key, query, headers: { range: 'bytes=0-0' } }).catch(absent);
      said?.body.on('error', () => {}).destroy();
      return undefined;
    }
    await this.#drained('HEAD', key, answer);
    const until = Date.parse(header(answer, 'x-amz-object-lock-retain-until-date') ?? '');
    return {
      bytes: Number(header(answer, 'content-length')),
      sha256: header(answer, 'x-amz-meta-sha256'),
      checksum: header(answer, 'x-amz-checksum-sha256'),
      version: header(answer, 'x-amz-version-id'),
      retainUntil: Number.isNaN(until) ? undefined : until,
    };
  }

  /** Its bytes from there on, `length` of them at most. Errors: `S3Error`. */
  async *get(key: string, from = 0, version?: string, length?: number): AsyncGenerator<Uint8Array> {
    const last = length === undefined ? '' : from + length - 1;
    const query = versionQuery(version);
    const headers: Record<string, string> = from === 0 && last === '' ? {} : { range: `bytes=${from}-${last}` };
    const { body, statusCode, headers: said } = await this.#ask('GET', { key, query, headers });
    if (statusCode === 206 && !String(said['content-range'] ?? `bytes ${from}-`).startsWith(`bytes ${from}-`)) {
      body.on('error', () => {}).destroy();
      throw new S3Error(`GET ${this.#where(key)} was asked for from byte ${from} on, and answered otherwise`);
    }
    // Who does not know ranges sends all of it.
    let skip = statusCode === 206 ? 0 : from;
    let left = length ?? Number.POSITIVE_INFINITY;
    try {
      for await (const chunk of steady(body, this.#options.timeoutMs())) {
        const rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
        const wanted = rest.length > left ? rest.subarray(0, left) : rest;
        left -= wanted.length;
        if (wanted.length > 0) yield wanted;
        if (left <= 0) return;
      }
    } catch (thrown) {
      throw unreached('GET', this.#where(key), thrown);
    } finally {
      body.destroy();
    }
  }

  /** The id of the upload. Errors: `S3Error`. */
  async beginParts(key: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const all = { ...headers, 'x-amz-checksum-algorithm': 'SHA256' };
    const text = await this.#text('POST', { key, query: { uploads: '' }, headers: all });
    const id = tag(text, 'UploadId');
    if (id === undefined) throw new S3Error('it began an upload in parts and did not say which');
    return id;
  }

  /** The part's ETag. Errors: `S3Error`, `NoSuchUpload` among them. */
  async putPart(key: string, upload: string, number: number, body: Uint8Array): Promise<string> {
    const headers = { 'x-amz-checksum-sha256': sha256(body, 'base64') };
    const query = { partNumber: String(number), uploadId: upload };
    const answer = await this.#ask('PUT', { key, query, headers, body });
    await this.#drained('PUT', key, answer);
    const etag = header(answer, 'etag');
    if (etag === undefined) throw new S3Error('it took a part and gave no ETag for it');
    return etag;
  }

  /** Errors: `S3Error`, also where it says so in an answer with status 200. */
  async endParts(key: string, upload: string, parts: readonly { etag: string; sha256: string }[]): Promise<void> {
    const one = ({ etag, sha256: digest }: { etag: string; sha256: string }, i: number) =>
      `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag><ChecksumSHA256>${digest}</ChecksumSHA256></Part>`;
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.map(one).join('')}</CompleteMultipartUpload>`);
    const headers = { 'content-type': 'application/xml' };
    const text = await this.#text('POST', { key, query: { uploadId: upload }, headers, body });
    const code = text.includes('<Error>') ? tag(text, 'Code') : undefined;
    if (code !== undefined) throw new S3Error(`it could not put the parts together: ${code}`, { code });
  }

  /** Nothing happens where there is none. Errors: `S3Error`. */
  async dropParts(key: string, upload: string): Promise<void> {
    const answer = await this.#ask('DELETE', { key, query: { uploadId: upload } }).catch(absent);
    if (answer !== undefined) await this.#drained('DELETE', key, answer);
  }

  /** Without a version: where the bucket keeps versions, it only puts a mark before them. Errors: `S3Error`. */
  async remove(key: string, version?: string): Promise<void> {
    const query = versionQuery(version);
    const answer = await this.#ask('DELETE', { key, query }).catch(absent);
    if (answer !== undefined) await this.#drained('DELETE', key, answer);
  }

  /** Every version of that very key, delete marks among them; none where the storage knows no versions. Errors: `S3Error`. */
  async versions(key: string): Promise<readonly string[]> {
    const found: string[] = [];
    let from: Record<string, string> = {};
    for (;;) {
      const query = { versions: '', prefix: key, ...from };
      const text = await this.#text('GET', { query }).catch((thrown: unknown) => {
        if (thrown instanceof S3Error && knowsNoVersions(thrown)) return '';
        throw thrown;
      });
      for (const kind of ['Version', 'DeleteMarker']) {
        for (const entry of each(text, kind)) {
          const version = tag(entry, 'VersionId');
          if (tag(entry, 'Key') === key && version !== undefined) found.push(version);
        }
      }
      const next = tag(text, 'NextKeyMarker');
      if (tag(text, 'IsTruncated') !== 'true' || next === undefined) return found;
      const after = { 'key-marker': next, 'version-id-marker': tag(text, 'NextVersionIdMarker') ?? '' };
      if (after['key-marker'] === from['key-marker'] && after['version-id-marker'] === from['version-id-marker']) {
        throw new S3Error(`GET ${this.#where(key)}: the versions are listed without an end`);
      }
      from = after;
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #where(key: string | undefined): string {
    return `s3://${this.#options.place.bucket}/${key ?? ''}`;
  }

  async #text(method: Method, ask: Ask): Promise<string> {
    const answer = await this.#ask(method, ask);
    return this.#inTime(answer, beginning).catch((thrown: unknown) => {
      throw unreached(method, this.#where(ask.key), thrown);
    });
  }

  async #drained(method: Method, key: string, answer: Answer): Promise<void> {
    await this.#inTime(answer, ({ body }) => body.dump()).catch((thrown: unknown) => {
      throw unreached(method, this.#where(key), thrown);
    });
  }

  /** An answer that is no object is short: one that comes in drops, never too late for the next, would hold an upload for good. */
  async #inTime<T>(answer: Answer, read: (answer: Answer) => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error('its answer has no end')), this.#options.timeoutMs());
    const reading = read(answer);
    reading.catch(() => {});
    try {
      return await Promise.race([reading, late.promise]);
    } catch (thrown) {
      answer.body.on('error', () => {}).destroy();
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  #url({ key, query = {} }: Ask): URL {
    const { endpoint, bucket, addressing } = this.#options.place;
    const url = new URL(endpoint);
    if (addressing === 'host') url.hostname = `${bucket}.${url.hostname}`;
    url.pathname = addressing === 'host' ? `/${key ?? ''}` : `/${bucket}/${key ?? ''}`;
    // Not as a form has it: there a space is a plus sign, which signers read as one.
    url.search = Object.entries(query)
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join('&');
    return url;
  }

  /** An answer that says yes. Errors: `S3Error`. */
  async #ask(method: Method, ask: Ask): Promise<Answer> {
    const { place, timeoutMs, credentials, now = Date.now } = this.#options;
    const { headers = {}, body = NOTHING } = ask;
    const signed = await new AwsV4Signer({
      ...(await credentials()),
      ...{ service: 's3', region: place.region, method, url: this.#url(ask).href },
      headers: { ...headers, 'x-amz-content-sha256': sha256(body, 'hex') },
      datetime: new Date(now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    }).sign();
    let answer: Answer;
    try {
      answer = await request(signed.url, {
        method,
        headers: { ...Object.fromEntries(signed.headers), ...sized(body) },
        ...(method === 'PUT' || method === 'POST' ? { body: inPieces(body) } : {}),
        dispatcher: this.#agent,
        headersTimeout: timeoutMs(),
        bodyTimeout: timeoutMs(),
      });
    } catch (thrown) {
      throw unreached(method, this.#where(ask.key), thrown);
    }
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer;
    const text = await this.#inTime(answer, beginning).catch(() => '');
    throw refused(method, this.#where(ask.key), answer.statusCode, text);
  }
}

/** How long an answer may take counts from the last piece that went out: a slow way to the storage is none that hangs. */
function inPieces(body: Uint8Array): Uint8Array | Readable {
  if (body.length <= PIECE_BYTES) return body;
  const pieces = function* () {
    for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
  };
  return Readable.from(pieces(), { highWaterMark: 1 });
}

/** S3 takes no body of which it is not told how long it is. */
function sized(body: Uint8Array): Record<string, string> {
  return body.length <= PIECE_BYTES ? {} : { 'content-length': String(body.length) };
}

/** As it comes; never slower than SLOWEST_BYTES_PER_S for `timeoutMs`. What its reader does meanwhile is not waited for. */
async function* steady(body: AsyncIterable<Uint8Array>, timeoutMs: number): AsyncGenerator<Uint8Array> {
  let [waitedMs, bytes, from] = [0, 0, performance.now()];
  for await (const chunk of body) {
    waitedMs += performance.now() - from;
    bytes += chunk.length;
    if (waitedMs > timeoutMs) {
      if ((bytes * 1000) / waitedMs < SLOWEST_BYTES_PER_S) {
        throw new Error(`it sent ${bytes} bytes in ${Math.round(waitedMs)} ms`);
      }
      [waitedMs, bytes] = [0, 0];
    }
    yield chunk;
    from = performance.now();
  }
}

function refused(method: Method, where: string, status: number, text: string): S3Error {
  const [code, message] = [tag(text, 'Code'), tag(text, 'Message')];
  // An answer to HEAD has no words of its own.
  const hint = method === 'HEAD' && status === 403 ? 'also where there is no such object, without s3:ListBucket' : '';
  const said = [code, message?.replace(/[^\x20-\x7e]/g, '?').slice(0, 200), hint].filter(Boolean).join(': ');
  return new S3Error(`${method} ${where} was answered with ${status}${said && `, ${said}`}`, { status, code });
}

function unreached(method: Method, where: string, thrown: unknown): S3Error {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const why = /^UND_ERR_(HEADERS|BODY)_TIMEOUT$/.test(code ?? '')
    ? 'it neither took nor sent anything for as long as limits.recording_store_ms allows'
    : `the object storage cannot be reached: ${code ?? message}`;
  return new S3Error(`${method} ${where}: ${why}`, { cause: thrown });
}

function absent(thrown: unknown): undefined {
  if (thrown instanceof S3Error && thrown.status === 404 && thrown.code !== 'NoSuchBucket') return undefined;
  throw thrown;
}

/** Only what says so in so many words: a request that was refused for another reason must not pass for one without versions. */
function knowsNoVersions({ status, code }: S3Error): boolean {
  if (code !== undefined) return code === 'NotImplemented' || code === 'MethodNotAllowed';
  return status === 405 || status === 501;
}

function versionQuery(version: string | undefined): Record<string, string> {
  return version === undefined ? {} : { versionId: version };
}

function header({ headers }: Answer, name: string): string | undefined {
  const value = headers[name];
  const text = Array.isArray(value) ? value[0] : value;
  // S3's word for a bucket that has kept no versions so far.
  return name === 'x-amz-version-id' && text === 'null' ? undefined : text;
}

async function beginning({ body }: Answer): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES) throw new S3Error(`an answer has more than ${ANSWER_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
