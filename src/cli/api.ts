// The gateway's HTTP API as a client: one request in, JSON or an error of ours out. Renews the token once when refused.
// Refuses to know: any verb, how a token is got.

import { asHoopctlError, type ErrorCode, type HoopctlError, peerError, userError } from '../core/errors.ts';
import type { GatewayAccess } from '../login/access.ts';
import { type HttpAnswer, type HttpRequest, readText, send } from '../login/http.ts';

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly reason?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface Api {
  readonly access: GatewayAccess;
  /** The JSON answer. Errors: what the gateway said, with its code; gateway_unreachable; login_needed. */
  call<T>(path: string, request?: ApiRequest): Promise<T>;
  /** The bytes of the answer as they come. */
  bytes(path: string, request?: ApiRequest): AsyncIterable<Buffer>;
  /**
   * A JSON Lines answer, object by object, for as long as it lasts. When the gateway ends it because the token has expired,
   * it is asked for again with another; `renewed` is called then, and what it gives comes first.
   */
  lines<T>(path: string, request?: LinesRequest<T>): AsyncIterable<T>;
}

export interface LinesRequest<T> extends ApiRequest {
  renewed?(): Promise<readonly T[]>;
  /** Called once, when the gateway answers and does not refuse. */
  answered?(): void;
}

/** Path below `/api/v1`; each part is encoded: `` route`sessions/${id}/kill` ``. */
export function route(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.reduce((path, part, i) => path + part + (i < values.length ? encodeURIComponent(values[i]!) : ''), '');
}

/** How long a live answer that begins anew may take to say its first line. */
const SETTLE_MS = 500;

export function createApi(access: GatewayAccess): Api {
  const exchange = async (path: string, request: ApiRequest, stream: boolean): Promise<HttpAnswer> => {
    const url = new URL(`/api/v1/${path}`, access.url);
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, String(value));
    }
    const attempt = async (renew: boolean): Promise<HttpAnswer> => {
      const headers = await access.headers({ ...(request.reason ? { reason: request.reason } : {}), renew });
      const options: HttpRequest = {
        method: request.method ?? 'GET',
        headers: request.body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        body: request.body === undefined ? undefined : JSON.stringify(request.body),
        signal: request.signal,
        stream,
      };
      return send(url, { ca: access.ca }, options);
    };
    let answer = await attempt(false);
    if (answer.status === 401) {
      // Our idea of the token's life can be wrong (a revoked key, a clock that jumped): one fresh token, one more try.
      const refusal = await refused(answer);
      if (refusal.code === 'principal_revoked') throw refusal;
      answer = await attempt(true);
    }
    if (answer.status < 200 || answer.status > 299) throw await refused(answer);
    return answer;
  };

  async function* bytes(path: string, request: LinesRequest<unknown> = {}): AsyncGenerator<Buffer> {
    const { body } = await exchange(path, request, true);
    request.answered?.();
    try {
      for await (const chunk of body) yield chunk as Buffer;
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw peerError('gateway_unreachable', 'the stream from the gateway broke off', { cause: error });
    } finally {
      body.destroy();
    }
  }

  async function* lines<T>(path: string, request: LinesRequest<T> = {}): AsyncGenerator<T> {
    for (let again = false; ; again = true) {
      let end: { code: ErrorCode; message: string } | undefined;
      const { answered, ...silent } = request;
      const items = once<{ end?: typeof end } | undefined>(path, again ? silent : request);
      try {
        let next = items.next();
        if (again && request.renewed !== undefined) {
          // Once the new answer has begun, or says nothing: what changed meanwhile is in one or the other.
          await Promise.race([next, new Promise((resolve) => setTimeout(resolve, SETTLE_MS))]);
          yield* await request.renewed();
        }
        for (let item = await next; item.done !== true; next = items.next(), item = await next) {
          if (item.value?.end?.code === undefined) yield item.value as T;
          else end = item.value?.end;
        }
      } finally {
        await items.return(undefined);
      }
      if (end === undefined) return;
      if (end.code !== 'token_expired') throw userError(end.code, end.message, { fix: "run 'hoopctl status'" });
    }
  }

  async function* once<T>(path: string, request: LinesRequest<unknown>): AsyncGenerator<T> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of bytes(path, request)) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) if (line.trim() !== '') yield parseJson<T>(line);
    }
    if (rest.trim() !== '') yield parseJson<T>(rest);
  }

  return {
    access,
    call: async <T>(path: string, request: ApiRequest = {}) => {
      const answer = await exchange(path, request, false);
      const text = await readText(answer);
      return (text === '' ? undefined : parseJson<T>(text)) as T;
    },
    bytes,
    lines,
  };
}

function parseJson<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw peerError('gateway_error', 'the gateway answered with something that is not JSON', {
      fix: 'check that the address is a hoopctl gateway and no proxy answers for it',
      cause: error,
    });
  }
}

/** Codes that say something about the user's request, not about the gateway. */
const THEIRS = new Set<ErrorCode>([
  'gateway_error',
  'gateway_unreachable',
  'gateway_stopping',
  'internal',
  'store_failed',
  'recording_failed',
]);

/** An error answer `{error:{code,message,next,rule?,session?}}` as an error of ours, by its status where it is not JSON. */
export async function refused(answer: HttpAnswer): Promise<HoopctlError> {
  const text = await readText(answer).catch((error: unknown) => {
    throw asHoopctlError(error);
  });
  let said: Record<string, unknown> | undefined;
  try {
    const parsed = JSON.parse(text) as { error?: unknown };
    // OAuth's own form (RFC 6749 §5.2) at the token endpoint: {error: "invalid_grant", error_description}.
    if (typeof parsed.error === 'string')
      said = { message: (parsed as Record<string, unknown>).error_description ?? parsed.error };
    else said = parsed.error as Record<string, unknown> | undefined;
  } catch {
    said = undefined;
  }
  const string = (key: string): string | undefined =>
    typeof said?.[key] === 'string' ? (said[key] as string) : undefined;
  const code = (string('code') ?? codeOf(answer.status)) as ErrorCode;
  const message = string('message') ?? `the gateway answered with HTTP status ${answer.status}`;
  const make = THEIRS.has(code) ? peerError : userError;
  return make(code, message, {
    ...pick('fix', string('next')),
    ...pick('rule', string('rule')),
    ...pick('session', string('session')),
    ...(typeof said?.details === 'object' && said.details !== null
      ? { details: said.details as Record<string, string | number | boolean> }
      : {}),
  });
}

function pick<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]: string });
}

function codeOf(status: number): ErrorCode {
  if (status === 401) return 'token_invalid';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  return 'gateway_error';
}
