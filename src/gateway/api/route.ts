// One table of routes: what validates a request also documents it. Built on hono; refuses to know what any route does.

import type { Context, Hono } from 'hono';
import type { z } from 'zod';
import { type HoopctlError, userError } from '../../core/errors.ts';
import { type Limit, limitExceeded } from '../../core/limits.ts';
import type { Authenticated } from '../../session/identity/authenticator.ts';
import { type LiveEnd, type WatchCaller, withEnd } from './live.ts';

/** Who may call: anybody, anybody with a token, or somebody with a role. */
export type Auth = 'none' | 'token' | 'auditor' | 'admin';

/** An answer that goes on: JSON Lines or bytes. */
export interface StreamAnswer {
  readonly contentType: string;
  /**
   * It goes on until somebody stops: it ends with the caller's token, and when this says that they may not be told any more;
   * a line `{end}` says so.
   */
  readonly live?: () => boolean;
  readonly lines: AsyncIterable<string | Uint8Array>;
}

export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Undefined where `auth` is `none`. */
  readonly caller: Authenticated;
  readonly roles: readonly Role[];
  /** `Hoopctl-Reason`, decoded. */
  readonly reason: string | undefined;
  /** The client's address. */
  readonly address: string;
  /** Aborted when the client is gone, the gateway stops, or a live answer may not go on. */
  readonly signal: AbortSignal;
  readonly raw: Context;
}

export type Role = 'admin' | 'auditor';

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** With `:name` for parameters, as hono wants it. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly auth: Auth;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly form?: z.ZodType;
  readonly answer: z.ZodType | { readonly stream: string };
  handle(call: Call<never, never, never>): Promise<unknown>;
}

type Output<T> = T extends z.ZodType ? z.output<T> : undefined;

/** Gives `handle` the types of the schemas beside it. */
export function route<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  F extends z.ZodType | undefined = undefined,
  A extends z.ZodType | { readonly stream: string } = z.ZodType,
>(definition: {
  readonly method: Route['method'];
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly auth: Auth;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** A form-encoded body, in place of JSON. */
  readonly form?: F;
  readonly answer: A;
  handle(
    call: Call<Output<P>, Output<Q>, F extends z.ZodType ? z.output<F> : Output<B>>,
  ): Promise<A extends z.ZodType ? z.input<A> : StreamAnswer>;
}): Route {
  return definition as unknown as Route;
}

/** What the table needs from outside. */
export interface RouteHost {
  authenticate(context: Context, auth: Auth): Promise<{ caller: Authenticated | undefined; roles: readonly Role[] }>;
  /** The client's address, as the socket has it. */
  address(context: Context): string;
  /** Aborted when the gateway stops: what streams ends then. */
  readonly stopping: AbortSignal;
  readonly watchCaller: WatchCaller;
  /** The longest body that is read. */
  bodyLimit(): Limit;
}

export function mount(app: Hono, routes: readonly Route[], host: RouteHost): void {
  for (const one of routes) {
    app.on(one.method.toUpperCase(), one.path, async (context) => {
      const { caller, roles } = await host.authenticate(context, one.auth);
      const over = new AbortController();
      const call = {
        params: check(one.params, context.req.param(), 'path'),
        query: check(one.query, context.req.query(), 'query'),
        body: await bodyOf(one, context, host.bodyLimit()),
        caller,
        roles,
        reason: decodeHeader(context.req.header('hoopctl-reason'), 'Hoopctl-Reason'),
        address: host.address(context),
        signal: AbortSignal.any([context.req.raw.signal, host.stopping, over.signal]),
        raw: context,
      };
      const answer = await one.handle(call as never);
      if (!('stream' in one.answer)) {
        context.header('cache-control', 'no-store');
        return context.json(answer as object);
      }
      const { contentType, lines, live } = answer as StreamAnswer;
      const told = live !== undefined && caller !== undefined ? endingWith(caller, { live, lines }, over, host) : lines;
      return new Response(toStream(told), {
        headers: { 'content-type': contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
      });
    });
  }
}

function endingWith(
  caller: Authenticated,
  { live, lines }: Required<Pick<StreamAnswer, 'live' | 'lines'>>,
  over: AbortController,
  { watchCaller }: RouteHost,
): StreamAnswer['lines'] {
  let end: LiveEnd | undefined;
  const stop = watchCaller(caller, live, (why) => {
    end = why;
    over.abort();
  });
  return withEnd(lines, stop, () => end);
}

async function bodyOf(one: Route, context: Context, bound: Limit): Promise<unknown> {
  if (one.form !== undefined) {
    const text = await readText(context, bound);
    const type = context.req.header('content-type') ?? '';
    if (!type.startsWith('application/x-www-form-urlencoded')) {
      throw userError('usage', `content type is "${type}", expected application/x-www-form-urlencoded`);
    }
    return check(one.form, Object.fromEntries(new URLSearchParams(text)), 'form');
  }
  if (one.body === undefined) return undefined;
  const text = await readText(context, bound);
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    throw userError('usage', 'body is not JSON');
  }
  return check(one.body, value, 'body');
}

/** Errors: limit_exceeded, before more than the limit is in memory. */
async function readText(context: Context, bound: Limit): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of context.req.raw.body ?? []) {
    size += chunk.length;
    if (size > bound.value) throw limitExceeded(bound, size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function check(schema: z.ZodType | undefined, value: unknown, what: string): unknown {
  if (schema === undefined) return undefined;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${[what, ...issue.path].join('.')}: ${issue.message}`);
  throw userError('usage', `request refused: ${problems.join('; ')}`, { fix: 'see /openapi.json' }) as HoopctlError;
}

/** What a store keeps and a terminal may show: no control characters but tabs and line breaks, no half of a surrogate pair. */
export function isPlain(text: string): boolean {
  return !/[[\p{Cc}\p{Cs}]--[\t\n\r]]/v.test(text);
}

/** A header's percent-encoded UTF-8 (RFC 8187 §3.2.1 without its prefix); undefined where it says nothing. Errors: usage. */
export function decodeHeader(value: string | undefined, name: string): string | undefined {
  if (value === undefined || value === '') return undefined;
  let text: string;
  try {
    text = decodeURIComponent(value).slice(0, 1000);
  } catch {
    throw userError('usage', `header ${name} is no percent-encoded UTF-8`);
  }
  if (!isPlain(text.toWellFormed())) throw userError('usage', `header ${name} has control characters in it`);
  return text.trim() === '' ? undefined : text.toWellFormed();
}

function toStream(lines: AsyncIterable<string | Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = lines[Symbol.asyncIterator]();
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(typeof next.value === 'string' ? Buffer.from(next.value) : next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
