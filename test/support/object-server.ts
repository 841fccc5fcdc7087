// Object storage on this machine: s3rver, and in front of it what s3rver has not: a list of all that was asked, a network that
// can be cut, the end of an upload in parts, versions and Object Lock as S3's documentation says them (s3rver knows none of
// these, and checks no signature: that is done by botocore, over the list).

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYSTEM_PYTHON } from './needs.ts';
import { filesUnder } from './process.ts';

// biome-ignore lint/suspicious/noExplicitAny: it has no types
const S3rver = createRequire(import.meta.url)('s3rver') as any;

export const BUCKET = 'recordings';
export const REGION = 'eu-central-1';
export const ACCESS_KEY = 'S3RVER';
export const SECRET_KEY = 'S3RVER';

export interface Asked {
  readonly method: string;
  /** As it came, with its query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
}

interface Version {
  readonly id: string;
  readonly marker: boolean;
  readonly retainUntil: string | undefined;
}

const LOCKED =
  '<Error><Code>AccessDenied</Code><Message>Access Denied because object protected by object lock.</Message></Error>';

export class ObjectServer {
  readonly directory: string;
  readonly asked: Asked[] = [];
  /** Whether the bucket keeps versions, and with them Object Lock. */
  versioned = false;
  /** Looks at each request before it goes on; true: the connection is cut instead. */
  cutAt: ((asked: Asked) => boolean) | undefined;
  /** Uploads in parts of which a part was lost, by their URL. */
  lost: (url: string) => boolean = () => false;
  readonly #front: Server;
  readonly #sockets = new Set<Socket>();
  // biome-ignore lint/suspicious/noExplicitAny: it has no types
  readonly #s3rver: any;
  #back = 0;
  #down = false;
  #versions = new Map<string, Version[]>();
  #locks = new Map<string, string | undefined>();
  readonly #given = new Set<string>();
  #next = 1;

  private constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'objects-'));
    const configureBuckets = [{ name: BUCKET, configs: [] }];
    this.#s3rver = new S3rver({
      port: 0,
      address: '127.0.0.1',
      silent: true,
      directory: this.directory,
      configureBuckets,
    });
    this.#front = createServer((incoming, answer) => void this.#serve(incoming, answer));
    this.#front.on('connection', (socket) => {
      if (this.#down) socket.resetAndDestroy();
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<ObjectServer> {
    const server = new ObjectServer();
    server.#back = (await server.#s3rver.run()).port;
    server.#front.listen(0, '127.0.0.1');
    await once(server.#front, 'listening');
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#front.address() as AddressInfo).port}`;
  }

  /** For a gateway's configuration. */
  configuration(more: Record<string, unknown> = {}): Record<string, unknown> {
    const credentials = { accessKeyId: 'env:S3_KEY', secretAccessKey: 'env:S3_SECRET' };
    return { s3: { endpoint: this.endpoint, bucket: BUCKET, region: REGION, credentials, ...more } };
  }

  readonly env = { S3_KEY: ACCESS_KEY, S3_SECRET: SECRET_KEY };

  /** Resets every connection, and refuses new ones. */
  cut(): void {
    this.#down = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  heal(): void {
    this.#down = false;
    this.cutAt = undefined;
  }

  /** Every key that there is, and every file of the storage that holds bytes. */
  keys(): string[] {
    const found = filesUnder(join(this.directory, BUCKET));
    return found.filter((name) => name.endsWith('._S3rver_object')).map((name) => name.replace('._S3rver_object', ''));
  }

  versionsOf(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  async stop(): Promise<void> {
    this.cut();
    this.#front.close();
    await this.#s3rver.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const body = Buffer.concat(chunks);
    const headers = incoming.headers as Record<string, string>;
    const asked: Asked = { method: incoming.method!, url: incoming.url!, headers, bytes: body.length };
    this.asked.push(asked);
    if (this.cutAt?.(asked) === true) {
      this.cut();
      return;
    }
    if (this.#answerUploads(asked, answer) || (this.versioned && this.#answerVersions(asked, answer))) return;
    const forwarded = request(
      { host: '127.0.0.1', port: this.#back, method: asked.method, path: asked.url, headers: { ...headers } },
      (back) => {
        const status = back.statusCode ?? 500;
        const more = this.versioned && status < 300 ? this.#note(asked) : {};
        answer.writeHead(status, { ...back.headers, ...more });
        back.pipe(answer);
      },
    );
    forwarded.on('error', () => answer.destroy());
    forwarded.end(body);
  }

  #answerUploads({ method, url }: Asked, answer: ServerResponse): boolean {
    const id = new URL(url, this.endpoint).searchParams.get('uploadId');
    if (id === null) return false;
    if (method === 'DELETE') {
      this.#given.add(id);
      answer.writeHead(204).end();
      return true;
    }
    if (method === 'POST' && this.lost(url)) {
      answer.writeHead(400, { 'content-type': 'application/xml' }).end('<Error><Code>InvalidPart</Code></Error>');
      return true;
    }
    if (!this.#given.has(id)) return false;
    answer.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchUpload</Code></Error>');
    return true;
  }

  /** What a bucket with versions answers where one without would do something else. */
  #answerVersions({ method, url }: Asked, answer: ServerResponse): boolean {
    const { pathname, searchParams } = new URL(url, this.endpoint);
    const key = decodeURIComponent(pathname).split('/').slice(2).join('/');
    const xml = (status: number, text: string) => {
      answer.writeHead(status, { 'content-type': 'application/xml' }).end(text);
      return true;
    };
    if (method === 'GET' && searchParams.has('versions')) {
      const prefix = searchParams.get('prefix') ?? '';
      const entries = [...this.#versions]
        .filter(([name]) => name.startsWith(prefix))
        .flatMap(([name, versions]) =>
          versions.map(({ id, marker }) => {
            const tag = marker ? 'DeleteMarker' : 'Version';
            return `<${tag}><Key>${name}</Key><VersionId>${id}</VersionId></${tag}>`;
          }),
        );
      return xml(200, `<ListVersionsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListVersionsResult>`);
    }
    if (method !== 'DELETE' || searchParams.has('uploadId')) return false;
    const versions = this.#versions.get(key) ?? [];
    const version = searchParams.get('versionId');
    if (version === null) {
      this.#versions.set(key, [{ id: `v${this.#next++}`, marker: true, retainUntil: undefined }, ...versions]);
      return xml(204, '');
    }
    const found = versions.find(({ id }) => id === version);
    if (found?.retainUntil !== undefined && Date.parse(found.retainUntil) > Date.now()) return xml(403, LOCKED);
    const left = versions.filter((one) => one !== found);
    this.#versions.set(key, left);
    // The bytes go with the last version that has any.
    if (left.some(({ marker }) => !marker)) return xml(204, '');
    this.#versions.delete(key);
    return false;
  }

  #note({ method, url, headers }: Asked): Record<string, string> {
    const { pathname, searchParams } = new URL(url, this.endpoint);
    const key = decodeURIComponent(pathname).split('/').slice(2).join('/');
    const until = headers['x-amz-object-lock-retain-until-date'];
    if (method === 'POST' && searchParams.has('uploads')) this.#locks.set(key, until);
    const whole = method === 'PUT' && !searchParams.has('uploadId');
    if (whole || (method === 'POST' && searchParams.has('uploadId'))) {
      const version: Version = {
        id: `v${this.#next++}`,
        marker: false,
        retainUntil: whole ? until : this.#locks.get(key),
      };
      this.#versions.set(key, [version, ...(this.#versions.get(key) ?? [])]);
      return { 'x-amz-version-id': version.id };
    }
    const newest = this.#versions.get(key)?.find(({ marker }) => !marker);
    if ((method !== 'HEAD' && method !== 'GET') || newest === undefined) return {};
    const { id, retainUntil } = newest;
    const lock = retainUntil === undefined ? undefined : { 'x-amz-object-lock-retain-until-date': retainUntil };
    return { 'x-amz-version-id': id, ...lock };
  }
}

const ORACLE = `
import json, sys
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

secret, endpoint = sys.argv[1], sys.argv[2]
for line in sys.stdin:
    asked = json.loads(line)
    fields = dict(part.strip().split("=", 1) for part in asked["headers"]["authorization"].split(" ", 1)[1].split(","))
    key, date, region, service, _ = fields["Credential"].split("/")
    names = fields["SignedHeaders"].split(";")
    signed = {name: asked["headers"][name] for name in names if name != "host"}
    request = AWSRequest(asked["method"], endpoint + asked["url"], headers=signed)
    request.context["timestamp"] = asked["headers"]["x-amz-date"]
    auth = S3SigV4Auth(Credentials(key, secret), service, region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    print(json.dumps([fields["Signature"], auth.signature(text, request), region, names]))
`;

/** For each request: the signature that it had, the one that botocore makes of it, the region, the headers that are signed. */
export function botocoreSignatures(
  { asked, endpoint }: Pick<ObjectServer, 'asked' | 'endpoint'>,
  secret = SECRET_KEY,
): [string, string, string, string[]][] {
  const input = asked.map((one) => `${JSON.stringify(one)}\n`).join('');
  const output = execFileSync(SYSTEM_PYTHON, ['-c', ORACLE, secret, endpoint], { input, maxBuffer: 64 * 1024 * 1024 });
  return output
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}
