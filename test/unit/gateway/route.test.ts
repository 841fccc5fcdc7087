import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { limit } from '../../../src/core/limits.ts';
import { mount, route } from '../../../src/gateway/api/route.ts';
import { RefusalLog } from '../../../src/gateway/refusals.ts';
import { until } from '../../support/gateway-house.ts';

let server: ServerType;
let url: string;
const stopping = new AbortController();
let open = 0;

beforeAll(async () => {
  const app = new Hono();
  app.onError((error, context) => context.json({ message: error.message }, 400));
  const base = { tag: 'test', auth: 'none', summary: 'a test' } as const;
  mount(
    app,
    [
      route({
        ...base,
        method: 'post',
        path: '/items/:id',
        params: z.object({ id: z.coerce.number() }),
        body: z.strictObject({ name: z.string() }),
        answer: z.object({ id: z.number(), name: z.string(), reason: z.string().optional() }),
        handle: async ({ params, body, reason }) => ({ id: params.id, name: body.name, ...(reason ? { reason } : {}) }),
      }),
      route({
        ...base,
        method: 'get',
        path: '/stream',
        answer: { stream: 'application/x-ndjson' },
        handle: async ({ signal }) => ({ contentType: 'application/x-ndjson', lines: endless(signal) }),
      }),
    ],
    {
      authenticate: async () => ({ caller: undefined, roles: [] }),
      address: () => 'test:0',
      stopping: stopping.signal,
      watchCaller: () => () => {},
      bodyLimit: () => limit('request_bytes', 'bytes', 100),
    },
  );
  server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});

describe('a reason', () => {
  it.each(['', ' ', '%20%09'])('that says nothing (%j) is none', async (reason) => {
    const answer = await fetch(`${url}/items/1`, {
      method: 'POST',
      headers: { 'hoopctl-reason': reason },
      body: '{"name":"a"}',
    });
    expect(await answer.json()).toEqual({ id: 1, name: 'a' });
  });
});

/** One line, then nothing until somebody ends it: what a quiet session looks like to whoever watches. */
async function* endless(signal: AbortSignal): AsyncGenerator<string> {
  open += 1;
  try {
    yield '{"first":true}\n';
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  } finally {
    open -= 1;
  }
}

const post = (path: string, body: string, headers = {}) => fetch(url + path, { method: 'POST', body, headers });

describe('a route', () => {
  it('is handed what its schemas made of the request', async () => {
    const answer = await post('/items/7', '{"name":"x"}', { 'hoopctl-reason': encodeURIComponent('für Ä') });
    expect(await answer.json()).toEqual({ id: 7, name: 'x', reason: 'für Ä' });
  });

  it('refuses what does not fit, with every place', async () => {
    const answer = await post('/items/x', '{"nme":"x"}');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ message: expect.stringContaining('path.id') });
    expect(await (await post('/items/7', '{"nme":1}')).json()).toMatchObject({
      message: expect.stringMatching(/body\.name.*unrecognized|unrecognized.*body\.name|body\.name/i),
    });
    expect(await (await post('/items/7', '{')).json()).toEqual({ message: 'body is not JSON' });
    expect(await (await post('/items/7', '{"name":"x"}', { 'hoopctl-reason': '%ff' })).json()).toMatchObject({
      message: expect.stringContaining('Hoopctl-Reason'),
    });
  });

  it('reads no more of a body than the limit', async () => {
    const answer = await post('/items/7', JSON.stringify({ name: 'x'.repeat(200) }));
    expect(await answer.json()).toMatchObject({ message: expect.stringContaining('request_bytes') });
  });
});

describe('a stream', () => {
  it('is let go when its reader is gone, although nothing comes any more', async () => {
    const stop = new AbortController();
    const answer = await fetch(`${url}/stream`, { signal: stop.signal });
    const reader = answer.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).toBe('{"first":true}\n');
    expect(open).toBe(1);
    stop.abort();
    await until(() => open === 0);
  });

  it('ends when the gateway stops', async () => {
    const answer = await fetch(`${url}/stream`);
    await until(() => open === 1);
    stopping.abort();
    expect(await answer.text()).toBe('{"first":true}\n');
    expect(open).toBe(0);
  });
});

describe('refusals in the log', () => {
  it('are bounded for each who tries, and what was left out is counted', () => {
    let now = 0;
    const entries: Record<string, unknown>[] = [];
    const log = new RefusalLog({ append: (_kind, fields) => void entries.push({ ...fields }) }, { now: () => now });
    for (let i = 0; i < 50; i++) log.note('login', '192.0.2.1', { i });
    log.note('login', '192.0.2.2', { other: true });
    expect(entries).toHaveLength(21);
    now += 60_000;
    log.note('login', '192.0.2.1', { later: true });
    expect(entries.at(-1)).toEqual({ later: true, leftOut: 30 });
  });

  it('are bounded for all together', () => {
    let count = 0;
    const log = new RefusalLog({ append: () => void count++ }, { now: () => 0 });
    for (let i = 0; i < 5000; i++) log.note('login', `address ${i}`, {});
    expect(count).toBe(1000);
  });
});
