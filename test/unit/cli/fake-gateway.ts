// A gateway that answers what it is told to, and remembers what it was asked; and a home whose user may call it.

import type { IncomingMessage } from 'node:http';
import { type ScriptedGateway, scriptedGateway, unsigned } from '../login/servers.ts';
import { hoopctl, type MemoryOptions, type Ran } from './memory-io.ts';

export interface Asked {
  readonly call: string;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeGateway extends ScriptedGateway {
  readonly asked: Asked[];
  /** `hoopctl ARGV…` by somebody who has a token for it. */
  run(argv: readonly string[], options?: MemoryOptions): Promise<Ran>;
  token: string;
}

export type Answers = Record<string, unknown>;

/** `answers`: `GET /path?query` below /api/v1 → JSON, `[status, JSON]`, or text sent as it is. */
export async function fakeGateway(answers: Answers): Promise<FakeGateway> {
  const asked: Asked[] = [];
  const gateway = await scriptedGateway({
    routes: {
      '*': (request, body) => {
        const path = (request.url ?? '').replace('/api/v1/', '');
        const call = `${request.method} ${path}`;
        if (path.startsWith('/') || path.startsWith('token')) return undefined;
        asked.push({ call, body: body === '' ? undefined : JSON.parse(body), headers: request.headers });
        const answer = answers[call] ?? answers[call.split('?')[0]!];
        if (answer === undefined) return [404, { error: { code: 'not_found', message: `nothing at ${call}` } }];
        return Array.isArray(answer) ? (answer as [number, unknown]) : [200, answer];
      },
    },
  });
  const token = unsigned({ iss: gateway.url, aud: 'gateway', sub: 'alice' });
  const fake: FakeGateway = Object.assign(gateway as FakeGateway, { asked, token });
  fake.run = (argv, options = {}) =>
    hoopctl(argv, { ...options, env: { HOOPCTL_GATEWAY: gateway.url, HOOPCTL_TOKEN: token, ...options.env } });
  return fake;
}
