import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/core/log.ts';
import { createAuthority, issueServerCertificate } from '../../../src/gateway/certificates/authority.ts';
import { Certificates } from '../../../src/gateway/certificates/certificates.ts';
import { until } from '../../support/gateway-house.ts';

const DAY = 86_400_000;
let directory: string;
let now: number;
const opened: Certificates[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hoopctl-certificates-'));
  now = Date.now();
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
  rmSync(directory, { recursive: true, force: true });
});

async function open(more: object = {}): Promise<Certificates> {
  const certificates = await Certificates.open({
    directory,
    names: ['localhost', '127.0.0.1', '::1', 'gw.example.com'],
    clock: { now: () => now },
    log: silentLog,
    ...more,
  });
  opened.push(certificates);
  return certificates;
}

const leaf = (certificates: Certificates) => new X509Certificate(certificates.current.cert);

describe('the gateway’s own certificate', () => {
  it('is made at first start for every name, signed by an authority that is kept, with private keys', async () => {
    const certificates = await open();
    const server = leaf(certificates);
    for (const name of ['localhost', 'gw.example.com']) expect(server.checkHost(name)).toBe(name);
    for (const ip of ['127.0.0.1', '::1']) expect(server.checkIP(ip)).toBe(ip);
    const authority = new X509Certificate(certificates.authority!);
    expect(server.checkIssued(authority)).toBe(true);
    expect(authority.ca).toBe(true);
    expect(certificates.fingerprint).toBe(authority.fingerprint256);
    for (const key of ['ca-key.pem', 'server-key.pem']) {
      expect(statSync(join(directory, key)).mode & 0o777).toBe(0o600);
    }
  });

  it('stays the same at the next start, and is renewed when it runs out, by the same authority', async () => {
    const first = await open();
    expect(leaf(await open()).serialNumber).toBe(leaf(first).serialNumber);
    now += 340 * DAY;
    const renewed = await open();
    expect(leaf(renewed).serialNumber).not.toBe(leaf(first).serialNumber);
    expect(renewed.fingerprint).toBe(first.fingerprint);
  });

  it('is renewed while the gateway runs', async () => {
    const certificates = await open();
    const before = leaf(certificates).serialNumber;
    const seen: string[] = [];
    certificates.watch((one) => void seen.push(new X509Certificate(one.cert).serialNumber));
    await certificates.renew();
    expect(seen).toEqual([]);
    now += 340 * DAY;
    await certificates.renew();
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toBe(before);
  });

  it('is made anew for a further name', async () => {
    const first = await open();
    const second = await open({ names: ['localhost', 'new.example.com'] });
    expect(leaf(second).serialNumber).not.toBe(leaf(first).serialNumber);
    expect(leaf(second).checkHost('new.example.com')).toBe('new.example.com');
  });

  it('is made anew when a kill left a key that belongs to another', async () => {
    await open();
    const other = await issueServerCertificate(await createAuthority(new Date(now)), ['localhost'], new Date(now));
    writeFileSync(join(directory, 'server-key.pem'), other.key);
    const repaired = await open();
    expect(leaf(repaired).checkIssued(new X509Certificate(repaired.authority!))).toBe(true);
  });

  it('is accepted by a client that trusts the authority', async () => {
    const certificates = await open();
    const server = createServer({ cert: certificates.current.cert, key: certificates.current.key }, (socket) =>
      socket.end(),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const socket = connect({ port, host: '127.0.0.1', ca: certificates.authority });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(true);
    socket.destroy();
    server.close();
  });
});

describe('a certificate that was given', () => {
  async function given(names: string[]) {
    const issued = await issueServerCertificate(await createAuthority(new Date(now)), names, new Date(now));
    writeFileSync(join(directory, 'given.pem'), issued.certificate);
    writeFileSync(join(directory, 'given-key.pem'), issued.key);
    return { cert: join(directory, 'given.pem'), key: join(directory, 'given-key.pem') };
  }

  it('is used as it is, and read again when it changes', async () => {
    const files = await given(['gw.example.com']);
    const certificates = await open({ given: files, watchMs: 20 });
    const before = leaf(certificates).serialNumber;
    expect(certificates.authority).toBeUndefined();
    await given(['gw.example.com']);
    await until(() => leaf(certificates).serialNumber !== before);
  });

  it('that is broken later leaves the old one in use', async () => {
    const files = await given(['gw.example.com']);
    const certificates = await open({ given: files, watchMs: 20 });
    const before = leaf(certificates).serialNumber;
    let complaints = 0;
    const other = await open({ given: files, watchMs: 20, log: { ...silentLog, error: () => void complaints++ } });
    writeFileSync(files.cert, 'not a certificate');
    await until(() => complaints > 0);
    expect(leaf(other).serialNumber).toBe(before);
    expect(leaf(certificates).serialNumber).toBe(before);
  });

  it('is refused at start when the key is another one’s', async () => {
    const files = await given(['gw.example.com']);
    const other = await issueServerCertificate(await createAuthority(new Date(now)), ['x'], new Date(now));
    writeFileSync(files.key, other.key);
    await expect(open({ given: files })).rejects.toMatchObject({ code: 'config_invalid' });
    expect(readFileSync(files.key, 'utf8')).toBe(other.key);
  });
});
