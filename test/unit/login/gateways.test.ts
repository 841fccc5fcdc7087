// The gateways that the user knows, and how they are named.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gatewayOrigin } from '../../../src/login/address.ts';
import { chooseIssuer } from '../../../src/login/discovery.ts';
import { openGateways } from '../../../src/login/gateways.ts';
import { userPaths } from '../../../src/login/paths.ts';
import { temporaryDirectory } from '../../support/process.ts';

function paths() {
  const config = temporaryDirectory('gateways');
  return { config, cache: join(config, 'cache'), data: join(config, 'data') };
}

describe('known gateways', () => {
  it('are remembered, the last one used as the current one', async () => {
    const where = paths();
    const gateways = openGateways(where);
    expect([gateways.all(), gateways.current()]).toEqual([[], undefined]);
    const one = { url: 'https://one:7443', ca: 'PEM', account: 'x' };
    const two = { url: 'https://two.example.com:7443' };
    await gateways.save(one, true);
    await gateways.save(two, true);
    await gateways.save({ ...one, since: 'now' }, false);
    const again = openGateways(where);
    expect(again.current()).toEqual(two);
    expect(again.all()).toEqual([two, { ...one, since: 'now' }]);
    expect(statSync(join(where.config, 'config.json')).mode & 0o777).toBe(0o600);
  });

  it('are found by address, by host and port, and by host where that is enough', async () => {
    const gateways = openGateways(paths());
    for (const url of ['https://a:7443', 'https://b:7443', 'https://b:8443']) await gateways.save({ url }, false);
    expect(gateways.find('https://a:7443')?.url).toBe('https://a:7443');
    expect(gateways.find('b:8443')?.url).toBe('https://b:8443');
    expect(gateways.find('a')?.url).toBe('https://a:7443');
    expect(gateways.find('b')).toBeUndefined();
  });

  it('keep what was pinned when their login is forgotten', async () => {
    const gateways = openGateways(paths());
    await gateways.save(
      { url: 'https://a:1', ca: 'PEM', account: 'x', store: 'file', principal: { subject: 'me' } },
      true,
    );
    await gateways.forget('https://a:1');
    expect(gateways.all()).toEqual([{ url: 'https://a:1', ca: 'PEM' }]);
  });

  it('leave the user’s settings alone', async () => {
    const where = paths();
    const file = join(where.config, 'config.json');
    writeFileSync(file, '{"settings":{"reason":"always"}}');
    await openGateways(where).save({ url: 'https://a:1' }, true);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      settings: { reason: 'always' },
      current: 'https://a:1',
    });
  });

  it('are not lost when many save at once', async () => {
    const where = paths();
    const urls = Array.from({ length: 12 }, (_, i) => `https://gw${i}:7443`);
    await Promise.all(urls.map((url) => openGateways(where).save({ url }, false)));
    expect(
      openGateways(where)
        .all()
        .map((known) => known.url)
        .sort(),
    ).toEqual([...urls].sort());
  });

  it('in a damaged file are an error with the file’s name', () => {
    const where = paths();
    writeFileSync(join(where.config, 'config.json'), '{');
    expect(() => openGateways(where).all()).toThrow(`'${join(where.config, 'config.json')}' is not JSON`);
  });

  it.each([
    ['[]', 'is no JSON object'],
    ['{ "gateways": 5 }', 'has "gateways" that are no list'],
    ['{ "gateways": [{ "url": "x" }] }', 'has no "url" in gateways[0] that is one'],
    ['{ "gateways": [], "current": 7 }', 'has a "current" that is no URL'],
  ])('in a file that was changed by hand to %s are an error of the user’s', (text, why) => {
    const where = paths();
    writeFileSync(join(where.config, 'config.json'), text);
    const found = expect.objectContaining({ fault: 'user', message: expect.stringContaining(why) });
    expect(() => openGateways(where).current()).toThrow(found);
  });
});

describe('an address', () => {
  it.each([
    ['gw.example.com', 'https://gw.example.com:7443'],
    ['gw.example.com:443', 'https://gw.example.com'],
    ['gw:8443', 'https://gw:8443'],
    ['https://gw.example.com', 'https://gw.example.com'],
    ['https://gw.example.com:7443/', 'https://gw.example.com:7443'],
    ['10.0.0.5', 'https://10.0.0.5:7443'],
    ['[::1]:7443', 'https://[::1]:7443'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://localhost:8080', 'http://localhost:8080'],
  ])('%s is %s', (text, origin) => {
    expect(gatewayOrigin(text)).toBe(origin);
  });

  it.each([
    'http://gw.example.com',
    'http://127.0.0.1.evil.com',
    'https://gw/path',
    'https://u:p@gw',
    'ftp://gw',
    'a b',
    '',
  ])("'%s' is refused", (text) => {
    expect(() => gatewayOrigin(text)).toThrow(expect.objectContaining({ code: 'usage', fix: expect.any(String) }));
  });
});

describe('the issuer', () => {
  const corp = { name: 'corp', issuer: 'https://c', clientId: 'x' };
  const local = { name: 'local', issuer: 'https://l', clientId: 'x' };

  it('is the named, the only, or the one used before', () => {
    expect(chooseIssuer([corp, local], 'local', 'corp')).toBe(local);
    expect(chooseIssuer([corp], undefined, undefined)).toBe(corp);
    expect(chooseIssuer([corp, local], undefined, 'local')).toBe(local);
  });

  it('is asked for, with all names, where that is none', () => {
    const naming = { code: 'usage', fix: 'pass --issuer with one of: corp, local' };
    expect(() => chooseIssuer([corp, local], undefined, undefined)).toThrow(expect.objectContaining(naming));
    expect(() => chooseIssuer([corp, local], 'crop', undefined)).toThrow(expect.objectContaining(naming));
    expect(() => chooseIssuer([], undefined, undefined)).toThrow(expect.objectContaining({ code: 'not_supported' }));
  });
});

describe('places', () => {
  it('follow the platform, or HOOPCTL_HOME for everything', () => {
    expect(userPaths({ HOME: '/h' }, 'linux')).toEqual({
      config: '/h/.config/hoopctl',
      cache: '/h/.cache/hoopctl',
      data: '/h/.local/share/hoopctl',
    });
    const xdg = { XDG_CONFIG_HOME: '/c', XDG_CACHE_HOME: '/d', XDG_DATA_HOME: '/e' };
    expect(userPaths({ HOME: '/h', ...xdg }, 'linux')).toEqual({
      config: '/c/hoopctl',
      cache: '/d/hoopctl',
      data: '/e/hoopctl',
    });
    expect(userPaths({ HOME: '/h', HOOPCTL_HOME: '/x' }, 'linux')).toEqual({
      config: '/x',
      cache: '/x/cache',
      data: '/x/data',
    });
  });
});
