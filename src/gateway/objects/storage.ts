// The object storage of recordings as it is configured now: what is there is read, and removed with all its versions.
// Refuses to know: what goes there and when (shipper.ts), S3 (store/s3).

import { ourError, peerError, userError } from '../../core/errors.ts';
import { type Limit, limit } from '../../core/limits.ts';
import type { SecretRef } from '../../core/secret.ts';
import { addressOf, type Elsewhere, MISSING, type ObjectFile, type ObjectReader } from '../../store/elsewhere.ts';
import { S3Error } from '../../store/s3/answers.ts';
import { S3Client, type S3Credentials, type S3Place } from '../../store/s3/client.ts';
import { nameOf } from '../../target/credentials.ts';
import type { S3Configuration } from './schema.ts';

/** How long object storage may take to be connected to, to answer, and to go on with taking or sending bytes. */
export const OBJECTS_MS: Limit = limit('recording_store_ms', 'ms', 30_000);

export interface ObjectStorageOptions {
  /** Undefined: there is none. */
  readonly configured: () => S3Configuration | undefined;
  readonly read: (reference: SecretRef) => Promise<string>;
  readonly limit: (bound: Limit) => Limit;
}

/** Not yet: something has to be over first, or the storage to answer. */
export class NotRemoved extends Error {
  /** Milliseconds since the epoch, where that is known. */
  readonly until: number | undefined;

  constructor(message: string, until?: number) {
    super(message);
    this.until = until;
  }
}

export class ObjectStorage implements ObjectReader {
  readonly #options: ObjectStorageOptions;
  /** By place: a recording stays where it was put when the configuration names another bucket. */
  readonly #clients = new Map<string, S3Client>();

  constructor(options: ObjectStorageOptions) {
    this.#options = options;
  }

  get configured(): S3Configuration | undefined {
    return this.#options.configured();
  }

  async *read(where: Elsewhere, file: ObjectFile, from: number, length?: number): AsyncGenerator<Uint8Array> {
    try {
      yield* this.#client(where).get(file.key, from, file.version, length);
    } catch (thrown) {
      throw this.#told(`read ${addressOf(where, file)}`, thrown);
    }
  }

  /** The first of them that is not there as it was; undefined: all are. Errors: `store_failed`. */
  async lost(where: Elsewhere, files: readonly ObjectFile[]): Promise<ObjectFile | undefined> {
    const client = this.#client(where);
    for (const file of files) {
      try {
        const head = await client.head(file.key, file.version);
        if (head?.bytes !== file.bytes || (head.sha256 ?? file.sha256) !== file.sha256) return file;
      } catch (thrown) {
        throw this.#told(`ask for ${addressOf(where, file)}`, thrown);
      }
    }
    return undefined;
  }

  /** With every version of each. Errors: `NotRemoved`, `store_failed`. */
  async remove(where: Pick<Elsewhere, 'endpoint' | 'bucket'>, keys: readonly string[]): Promise<void> {
    const client = this.#client(where);
    for (const key of keys) {
      try {
        const versions = await client.versions(key);
        // Each by its name: without one, a bucket with versions would only put a mark before them.
        for (const version of versions) await this.#removeVersion(client, key, version);
        if (versions.length === 0) await client.remove(key);
        if (await isStillThere(client, key, versions)) {
          throw new S3Error('it said that it has removed it, and still has it');
        }
      } catch (thrown) {
        throw this.#told(`remove ${addressOf(where, { key })}`, thrown);
      }
    }
  }

  async dropParts(where: Pick<Elsewhere, 'endpoint' | 'bucket'>, key: string, upload: string): Promise<void> {
    try {
      await this.#client(where).dropParts(key, upload);
    } catch (thrown) {
      throw this.#told(`give up the upload of ${addressOf(where, { key })}`, thrown);
    }
  }

  /** Errors: those of the references. */
  async credentials(): Promise<S3Credentials> {
    const { credentials } = this.#required();
    const read = async (reference: SecretRef) => {
      const found = await this.#options.read(reference).catch((thrown: NodeJS.ErrnoException) => {
        const why = thrown.code ?? thrown.message;
        throw userError('credentials_unavailable', `cannot find the object storage's ${nameOf(reference)}: ${why}`, {
          fix: 'set what recordings.store.s3.credentials in the configuration refers to',
        });
      });
      return found.trim();
    };
    return {
      accessKeyId: await read(credentials.accessKeyId),
      secretAccessKey: await read(credentials.secretAccessKey),
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: await read(credentials.sessionToken) }),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  async #removeVersion(client: S3Client, key: string, version: string): Promise<void> {
    try {
      await client.remove(key, version);
    } catch (thrown) {
      if (!(thrown instanceof S3Error) || thrown.status !== 403) throw thrown;
      const until = await client.head(key, version).then(
        (head) => head?.retainUntil,
        () => undefined,
      );
      if (until === undefined) throw thrown;
      throw new NotRemoved(`Object Lock keeps ${key} until ${new Date(until).toISOString()}`, until);
    }
  }

  #required(): S3Configuration {
    const { configured } = this;
    if (configured !== undefined) return configured;
    throw ourError('store_failed', 'there is a recording in object storage, and none is configured', {
      fix: 'put recordings.store.s3 back into the configuration',
    });
  }

  #client({ endpoint, bucket }: Pick<Elsewhere, 'endpoint' | 'bucket'>): S3Client {
    const configured = this.#required();
    if (configured.endpoint !== endpoint) {
      throw ourError('store_failed', `there is a recording at ${endpoint}, and ${configured.endpoint} is configured`, {
        fix: 'move the objects, and change the endpoint in the .objects.json files beside the recordings',
      });
    }
    const place = { ...placeOf(configured), bucket };
    const name = JSON.stringify(place);
    let client = this.#clients.get(name);
    if (client === undefined) {
      const timeoutMs = () => this.#options.limit(OBJECTS_MS).value;
      client = new S3Client({ place, credentials: () => this.credentials(), timeoutMs });
      this.#clients.set(name, client);
    }
    return client;
  }

  #told(what: string, thrown: unknown): unknown {
    if (!(thrown instanceof S3Error)) return thrown;
    return peerError('store_failed', `cannot ${what}: ${thrown.message}`, {
      fix: 'the object storage has to answer; the gateway goes on meanwhile',
      cause: thrown,
      ...(thrown.status === 404 && thrown.code !== 'NoSuchBucket' ? { details: MISSING } : {}),
    });
  }
}

/** What is said to be removed goes on record for good: it is looked for, not believed. */
async function isStillThere(client: S3Client, key: string, versions: readonly string[]): Promise<boolean> {
  if (versions.length > 0) return (await client.versions(key)).length > 0;
  return await client.head(key).then(
    (head) => head !== undefined,
    (thrown: unknown) => {
      // Who may not list is told this of what is not there.
      if (thrown instanceof S3Error && thrown.status === 403) return false;
      throw thrown;
    },
  );
}

export function placeOf({ endpoint, bucket, region, addressing, caFile }: S3Configuration): S3Place {
  return { endpoint, bucket, region, addressing, ...(caFile === undefined ? {} : { caFile }) };
}
