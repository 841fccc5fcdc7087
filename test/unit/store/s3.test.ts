// Recordings to object storage, against a real server: signed as botocore signs, whole and in parts, gone on with where it was
// cut, never taken for done where the storage has something else.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ObjectStorage } from '../../../src/gateway/objects/storage.ts';
import { readElsewhere } from '../../../src/store/elsewhere.ts';
import { each, S3Error, tag } from '../../../src/store/s3/answers.ts';
import { S3Client } from '../../../src/store/s3/client.ts';
import { readProgress, type Upload, upload } from '../../../src/store/s3/upload.ts';
import { describeWith } from '../../support/needs.ts';
import {
  ACCESS_KEY,
  BUCKET,
  botocoreSignatures,
  ObjectServer,
  REGION,
  SECRET_KEY,
} from '../../support/object-server.ts';

const NOW = Date.UTC(2026, 10, 29, 5);
const PART = 64 * 1024;
const hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describeWith(['python3-botocore'], 'object storage', () => {
  let server: ObjectServer;
  let root: string;
  let client: S3Client;

  beforeEach(async () => {
    server = await ObjectServer.start();
    root = mkdtempSync(join(tmpdir(), 's3-'));
    client = new S3Client({
      place: { endpoint: server.endpoint, bucket: BUCKET, region: REGION, addressing: 'path' },
      credentials: async () => ({ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }),
      timeoutMs: () => 5000,
    });
  });
  afterEach(async () => {
    await client.close();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  function job(files: Record<string, Buffer>, more: Partial<Upload> = {}): Upload {
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, name), bytes);
    return {
      session: 's-1',
      files: Object.keys(files).map((name) => join(root, name)),
      unlocked: [],
      ...{ spool: join(root, 'spool.json'), list: join(root, 's-1.objects.json'), keys: 'a/b/2026/11/29/' },
      ...{ endpoint: server.endpoint, bucket: BUCKET, partBytes: PART, headers: {}, ...more },
    };
  }
  const put = (asked = job({})) => upload(client, asked, () => NOW);
  const parts = () => server.asked.filter(({ url }) => url.includes('partNumber='));

  it('has whole files and files in parts, byte for byte, with their list', async () => {
    const [small, large] = [Buffer.from('small\n'), randomBytes(PART * 3 + 17)];
    const done = await put(job({ 's-1.jsonl.zst': small, 's-1.0002.jsonl.zst': large }));
    expect(done.files.map(({ key, bytes, sha256 }) => [key, bytes, sha256])).toEqual([
      ['a/b/2026/11/29/s-1.jsonl.zst', 6, hex(small)],
      ['a/b/2026/11/29/s-1.0002.jsonl.zst', large.length, hex(large)],
    ]);
    expect(readElsewhere(join(root, 's-1'))).toEqual(done);
    expect(existsSync(join(root, 'spool.json'))).toBe(false);
    expect(await all(client.get(done.files[1]!.key))).toEqual(large);
    expect(await all(client.get(done.files[1]!.key, PART, undefined, 100))).toEqual(large.subarray(PART, PART + 100));
    expect(parts()).toHaveLength(4);
  });

  it('signs every kind of request as botocore does, over the digest of its body', async () => {
    server.versioned = true;
    const headers = {
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'k  1',
    };
    const lock = { mode: 'COMPLIANCE', until: '2036-01-01T00:00:00.000Z' };
    const { files } = await put(
      job({ 'x.jsonl': Buffer.from('x'), 'y.jsonl': randomBytes(PART * 2) }, { headers, lock }),
    );
    await all(client.get(files[0]!.key, 0, files[0]!.version, 1));
    await client.versions(files[0]!.key);
    await client.remove('a/B.c/d_e-~0');
    await client.dropParts(files[0]!.key, 'a b/c+d');
    const signatures = botocoreSignatures(server);
    expect(signatures).toHaveLength(server.asked.length);
    for (const [ours, botocores, region, names] of signatures) {
      expect(ours).toBe(botocores);
      expect(region).toBe(REGION);
      expect(names).toEqual(expect.arrayContaining(['host', 'x-amz-content-sha256', 'x-amz-date']));
    }
    const [, ...others] = botocoreSignatures(server, 'another secret');
    expect(others.every(([ours, botocores]) => ours !== botocores)).toBe(true);
    const begins = server.asked.filter(({ method, url }) =>
      method === 'PUT' ? !/partNumber/.test(url) : /uploads/.test(url),
    );
    expect(begins).toHaveLength(2);
    for (const { headers: sent } of begins) {
      expect(sent).toMatchObject({ ...headers, 'x-amz-object-lock-mode': 'COMPLIANCE' });
      expect(sent['x-amz-object-lock-retain-until-date']).toBe(lock.until);
    }
    expect(JSON.stringify(server.asked)).not.toContain(`"${SECRET_KEY}"`);
  });

  it('goes on with the part at which it was cut', async () => {
    const large = randomBytes(PART * 5);
    const asked = job({ 'x.jsonl': large });
    server.cutAt = ({ url }) => url.includes('partNumber=4');
    await expect(put(asked)).rejects.toThrow(/cannot be reached/);
    expect(readProgress(asked.spool)!.upload).toMatchObject({ name: 'x.jsonl' });
    server.heal();
    server.asked.length = 0;
    const { files } = await put(asked);
    expect(parts().map(({ url }) => /partNumber=(\d)/.exec(url)![1])).toEqual(['4', '5']);
    expect(await all(client.get(files[0]!.key))).toEqual(large);
  });

  it('begins again where the storage has forgotten the parts, or the file is another one', async () => {
    const asked = job({ 'x.jsonl': randomBytes(PART * 3) });
    server.cutAt = ({ url }) => url.includes('partNumber=3');
    await expect(put(asked)).rejects.toThrow();
    server.heal();
    const begun = readProgress(asked.spool)!.upload!;
    await client.dropParts(`${asked.keys}x.jsonl`, begun.id);
    const { files } = await put(asked);
    expect(hex(await all(client.get(files[0]!.key)))).toBe(files[0]!.sha256);

    server.cutAt = ({ url }) => url.includes('partNumber=3');
    const other = job({ 'y.jsonl': randomBytes(PART * 3) });
    await expect(put(other)).rejects.toThrow();
    server.heal();
    const changed = randomBytes(PART * 3);
    const again = await put(job({ 'y.jsonl': changed }));
    expect(hex(await all(client.get(again.files[0]!.key)))).toBe(hex(changed));
  });

  it('sends nothing again that is there, when the answer that said so was lost', async () => {
    const asked = job({ 'x.jsonl': Buffer.from('whole'), 'y.jsonl': randomBytes(PART * 2) });
    // The object is there; the connection goes at the question whether it is.
    server.cutAt = ({ method }) => method === 'HEAD';
    await expect(put(asked)).rejects.toThrow();
    server.heal();
    server.cutAt = ({ method, url }) => method === 'HEAD' && url.includes('y.jsonl') && parts().length === 2;
    await expect(put(asked)).rejects.toThrow();
    server.heal();
    await put(asked);
    expect(server.asked.filter(({ method, url }) => method === 'PUT' && url.includes('x.jsonl'))).toHaveLength(1);
    expect(parts()).toHaveLength(2);
  });

  it('takes nothing for done that the storage has otherwise', async () => {
    const asked = job({ 'x.jsonl': Buffer.from('what was sent') });
    server.cutAt = ({ method, url }) => {
      if (method !== 'HEAD' || !url.includes('x.jsonl')) return false;
      const path = join(server.directory, BUCKET, `${asked.keys}x.jsonl._S3rver_object`);
      writeFileSync(path, readFileSync(path).fill('Z'));
      return false;
    };
    await expect(put(asked)).rejects.toThrow(/is not what was sent: its digest is another one/);
    expect(existsSync(asked.list)).toBe(false);
    // It says of itself that it is what was sent. The next time it is sent again.
    server.heal();
    const { files } = await put(asked);
    expect((await all(client.get(files[0]!.key))).toString()).toBe('what was sent');
  });

  it('sends again what was put together of parts and then damaged', async () => {
    const bytes = randomBytes(PART * 2);
    const asked = job({ 'x.jsonl': bytes });
    server.cutAt = ({ method, url }) => {
      const path = join(server.directory, BUCKET, `${asked.keys}x.jsonl._S3rver_object`);
      if (method !== 'HEAD' || !url.includes('x.jsonl') || !existsSync(path)) return false;
      writeFileSync(path, readFileSync(path).fill('Z'));
      return false;
    };
    await expect(put(asked)).rejects.toThrow(/its digest is another one/);
    server.heal();
    const { files } = await put(asked);
    expect(hex(await all(client.get(files[0]!.key)))).toBe(hex(bytes));
  });

  it('takes only a storage that says so for one without versions', async () => {
    let answer: [number, string] = [501, '<Error><Code>NotImplemented</Code></Error>'];
    const other = createServer((_, response) => response.writeHead(answer[0]).end(answer[1])).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const asks = new S3Client({
      place: {
        endpoint: `http://127.0.0.1:${(other.address() as AddressInfo).port}`,
        bucket: BUCKET,
        region: REGION,
        addressing: 'path',
      },
      credentials: async () => ({ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }),
      timeoutMs: () => 5000,
    });
    expect(await asks.versions('k')).toEqual([]);
    answer = [405, ''];
    expect(await asks.versions('k')).toEqual([]);
    for (const code of ['ExpiredToken', 'RequestTimeout', 'AuthorizationHeaderMalformed']) {
      answer = [400, `<Error><Code>${code}</Code></Error>`];
      await expect(asks.versions('k')).rejects.toMatchObject({ code });
    }
    await asks.close();
    other.close();
  });

  it('begins again where a part was lost, and gives up what it had begun with another file', async () => {
    const asked = job({ 'x.jsonl': randomBytes(PART * 3) });
    server.cutAt = ({ method, url }) => method === 'POST' && url.includes('uploadId=');
    await expect(put(asked)).rejects.toThrow();
    server.heal();
    const { id } = readProgress(asked.spool)!.upload!;
    server.lost = (url) => url.includes(encodeURIComponent(id));
    const { files } = await put(asked);
    expect(hex(await all(client.get(files[0]!.key)))).toBe(files[0]!.sha256);

    server.cutAt = ({ url }) => url.includes('partNumber=3');
    await expect(put(job({ 'y.jsonl': randomBytes(PART * 3) }))).rejects.toThrow();
    server.heal();
    const before = readProgress(asked.spool)!.upload!.id;
    await put(job({ 'y.jsonl': randomBytes(PART * 3) }));
    const dropped = server.asked.filter(({ method }) => method === 'DELETE').map(({ url }) => url);
    expect(dropped).toContainEqual(expect.stringContaining(encodeURIComponent(before)));
  });

  it('says of Object Lock what the storage has, whenever it was asked for', async () => {
    server.versioned = true;
    const until = (day: number) => ({ mode: 'COMPLIANCE', until: `2036-01-0${day}T00:00:00.000Z` });
    const asked = job({ 'x.jsonl': Buffer.from('locked before'), 'y.jsonl': Buffer.from('locked later') });
    server.cutAt = ({ method, url }) => method === 'HEAD' && url.includes('x.jsonl');
    await expect(put({ ...asked, lock: until(1) })).rejects.toThrow();
    server.heal();
    expect((await put({ ...asked, lock: until(2) })).retainUntil).toBe(until(1).until);
    // What went there before it was to be locked goes there once more.
    const other = job({ 'z.jsonl': Buffer.from('not locked') });
    server.cutAt = ({ method }) => method === 'HEAD';
    await expect(put(other)).rejects.toThrow();
    server.heal();
    expect((await put({ ...other, lock: until(3) })).retainUntil).toBe(until(3).until);
    expect(server.versionsOf(`${other.keys}z.jsonl`)[0]!.retainUntil).toBe(until(3).until);
    // And of what was proven before, nothing is said.
    const last = job({ 'v.jsonl': Buffer.from('first'), 'w.jsonl': Buffer.from('second') });
    server.cutAt = ({ method, url }) => method === 'HEAD' && url.includes('w.jsonl');
    await expect(put(last)).rejects.toThrow();
    server.heal();
    expect((await put({ ...last, lock: until(3) })).retainUntil).toBeUndefined();
  });

  it('waits for no answer that has no end, and takes no other bytes than it asked for', async () => {
    let reply: (answer: ServerResponse) => void = () => {};
    const other = createServer((_, answer) => reply(answer)).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const endpoint = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const asks = new S3Client({
      place: { endpoint, bucket: BUCKET, region: REGION, addressing: 'path' },
      credentials: async () => ({ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }),
      timeoutMs: () => 500,
    });
    for (const status of [200, 403]) {
      reply = (answer) => {
        answer.writeHead(status).flushHeaders();
        const drops = setInterval(() => answer.write(' '), 100);
        answer.on('close', () => clearInterval(drops));
      };
      await expect(asks.put('k', Buffer.from('x'), {})).rejects.toThrow(status === 403 ? /with 403/ : /has no end/);
      await expect(asks.versions('k')).rejects.toThrow(status === 403 ? /with 403/ : /has no end/);
    }
    reply = (answer) => answer.end('<R><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker></R>');
    await expect(asks.versions('k')).rejects.toThrow(/listed without an end/);
    reply = (answer) => answer.writeHead(206, { 'content-range': 'bytes 0-9/100' }).end('0123456789');
    await expect(all(asks.get('k', 50))).rejects.toThrow(/asked for from byte 50 on/);
    reply = (answer) => {
      answer.writeHead(200).flushHeaders();
      const drops = setInterval(() => answer.write('x'), 50);
      answer.on('close', () => clearInterval(drops));
    };
    await expect(all(asks.get('k'))).rejects.toThrow(/it sent \d+ bytes in \d+ ms/);
    reply = () => {};
    await expect(asks.put('k', Buffer.from('x'), {})).rejects.toThrow(/limits\.recording_store_ms/);
    await asks.close();
    other.close();
  });

  it('gives a slow way to the storage the time that it takes, as long as something goes on', async () => {
    const [BYTES, TIMEOUT_MS] = [64 * 1024 * 1024, 1500];
    let read = 0;
    const slow = createServer((incoming, answer) => {
      let allowed = 0;
      const timer = setInterval(() => {
        allowed += BYTES / 100;
        incoming.resume();
      }, 30);
      incoming.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read > allowed) incoming.pause();
      });
      incoming.on('end', () => answer.end());
      answer.on('close', () => clearInterval(timer));
    }).listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const asks = new S3Client({
      place: {
        endpoint: `http://127.0.0.1:${(slow.address() as AddressInfo).port}`,
        ...{ bucket: BUCKET, region: REGION, addressing: 'path' as const },
      },
      credentials: async () => ({ accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY }),
      timeoutMs: () => TIMEOUT_MS,
    });
    const began = performance.now();
    await asks.put('k', Buffer.alloc(BYTES, 1), {});
    expect(performance.now() - began).toBeGreaterThan(TIMEOUT_MS);
    expect(read).toBe(BYTES);
    await asks.close();
    slow.close();
  });

  it('says what the storage said, and no credential', async () => {
    const wrong = new S3Client({
      place: { endpoint: server.endpoint, bucket: 'no-such-bucket', region: REGION, addressing: 'path' },
      credentials: async () => ({ accessKeyId: ACCESS_KEY, secretAccessKey: 'secret-that-stays' }),
      timeoutMs: () => 5000,
    });
    const error = await wrong.put('k', Buffer.from('x'), {}).catch((thrown: S3Error) => thrown);
    expect(error).toBeInstanceOf(S3Error);
    expect(error).toMatchObject({ status: 404, code: 'NoSuchBucket' });
    expect(String((error as Error).message)).toMatch(
      /^PUT s3:\/\/no-such-bucket\/k was answered with 404, NoSuchBucket: /,
    );
    expect(String((error as Error).stack)).not.toContain('secret-that-stays');
    // Not for an object that is gone: everything would be sent again when the bucket is back.
    await expect(wrong.head('k')).rejects.toMatchObject({ code: 'NoSuchBucket' });
    expect(await client.head('k')).toBeUndefined();
    await wrong.close();
  });

  it('removes every version, and what has none', async () => {
    await client.put('k/one', Buffer.from('1'), {});
    expect(await client.versions('k/one')).toEqual([]);
    await client.remove('k/one');
    expect(await client.head('k/one')).toBeUndefined();
    server.versioned = true;
    for (const text of ['1', '2']) await client.put('k/two', Buffer.from(text), {});
    await client.put('k/two-more', Buffer.from('3'), {});
    await client.remove('k/two');
    const versions = await client.versions('k/two');
    expect(versions).toHaveLength(3);
    for (const version of versions) await client.remove('k/two', version);
    expect(await client.versions('k/two')).toEqual([]);
    expect(server.keys()).toEqual(['k/two-more']);
  });

  it('looks for what is said to be removed', async () => {
    const listed = '<ListVersionsResult><Version><Key>k</Key><VersionId>v1</VersionId></Version></ListVersionsResult>';
    let [versions, head] = ['', 200];
    const liar = createServer(({ method }, answer) => {
      if (method === 'GET') answer.end(versions);
      else answer.writeHead(method === 'HEAD' ? head : 204).end();
    }).listen(0, '127.0.0.1');
    await once(liar, 'listening');
    const endpoint = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    const variable = (name: string) => ({ from: 'env' as const, name });
    const storage = new ObjectStorage({
      configured: () => ({
        ...{ endpoint, bucket: BUCKET, region: REGION, prefix: '', addressing: 'path', keepLocal: 0 },
        credentials: { accessKeyId: variable('A'), secretAccessKey: variable('B') },
      }),
      read: async () => 'secret',
      limit: (bound) => bound,
    });
    const removed = () => storage.remove({ endpoint, bucket: BUCKET }, ['k']);
    await expect(removed()).rejects.toMatchObject({ code: 'store_failed', message: /and still has it/ });
    versions = listed;
    await expect(removed()).rejects.toThrow(/cannot remove s3:\/\/.*\/k: .*still has it/);
    // Who may not list is not told whether there is one.
    versions = '';
    for (head of [404, 403]) await removed();
    head = 500;
    await expect(removed()).rejects.toThrow(/with 500/);
    await storage.stop();
    liar.close();
  });

  it('finds elements of XML by their whole name', () => {
    const xml = '<A><VersionId>1</VersionId><Version x="y"><Key>a&amp;b&#x41;</Key></Version><Version/><Version></A>';
    expect([...each(xml, 'Version')]).toEqual(['<Key>a&amp;b&#x41;</Key>']);
    expect(tag(xml, 'Key')).toBe('a&bA');
    expect(tag('<Key', 'Key')).toBeUndefined();
  });
});
