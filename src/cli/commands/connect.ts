// `hoopctl connect NAME[=PORT]…`: local ports to connections, for as long as it runs.

import type { Client } from '../../client/client.ts';
import type { ClientEvent } from '../../client/events.ts';
import { type HealthServer, serveHealth } from '../../client/health.ts';
import { parseDuration } from '../../core/clock.ts';
import { userError } from '../../core/errors.ts';
import { newRunId } from '../../core/ids.ts';
import { command as define } from '../command.ts';
import type { Context, SignalReason } from '../context.ts';
import { exitCodeOfSignal } from '../exit.ts';
import { clientLine } from '../lines.ts';
import { assertDistinct, OTHERS_OPTION, parsePort, parseWanted, reach, tunnelHeaders, type Wanted } from '../reach.ts';
import { RECEIPTS_OPTION } from '../receipts.ts';

export const command = define({
  options: {
    reason: { value: 'TEXT', help: 'why, for reviewers and the record' },
    ...RECEIPTS_OPTION,
    port: { value: 'PORT', help: 'the local port of the one connection; 0: any free one, for all of them' },
    bind: { value: 'ADDRESS', default: '127.0.0.1', help: 'the local address' },
    allowNonLoopback: {
      trusted: true,
      help: 'let --bind name an address that others can reach: whoever does acts as you',
    },
    ...OTHERS_OPTION,
    healthPort: { value: 'PORT', help: 'serve /healthz and /readyz there; 0: any free one' },
    stdio: { flagOnly: true, help: 'no port: one session on stdin and stdout, e.g. as the ProxyCommand of ssh' },
    drain: { value: 'DURATION', default: '0s', help: 'when ended, let open connections end for this long' },
  },
  arguments: [{ name: 'names', many: true, help: 'NAME or NAME=PORT', complete: 'connections' }],
  notes: `The port of a connection is the same on every run. On a terminal a live view is shown, otherwise lines on stderr;
--json prints events on stdout, one a line, beginning with one "ready" for each connection. A connection that is
refused or breaks closes one local socket, never the port; while the gateway is away, new ones wait for ten seconds.
--stdio opens one session at once, and ends with it.
Exit codes: 0 ended with q, 130 and 143 ended by SIGINT and SIGTERM, others as of every verb.`,
  signals: 'own',
  run: async (values, context) => {
    if (values.stdio) return overStdio(context, values.names, values.reason);
    const wanted = withPort(values.names.map(parseWanted), values.port);
    assertDistinct(wanted);
    assertAddress(values.bind, values.allowNonLoopback);
    const drainMs = parseDuration(values.drain);
    if (drainMs === undefined) throw userError('usage', `--drain is '${values.drain}', expected a duration such as 5s`);
    const healthPort = values.healthPort === undefined ? undefined : parsePort(values.healthPort, '--health-port');
    context.io.neverWait();
    const show = await teller(context);
    const { client, gateway, settled } = await reach(context, wanted, {
      reason: values.reason,
      bind: values.bind,
      // Whoever lets other machines in does not mean to tell users of this one apart.
      others: values.allowOtherUsers || !isLoopback(values.bind),
      watch: context.json || live(context) ? 'all' : 'notable',
      onEvent: show,
      receipts: values.receipts,
    });
    let health: HealthServer | undefined;
    try {
      if (healthPort !== undefined) {
        health = await serveHealth(client, values.bind, healthPort);
        if (context.json) await context.print({ type: 'health', port: health.port }, () => '');
        else if (!live(context)) context.io.say(`health: http://${values.bind}:${health.port}/readyz`);
      }
      return await until(context, client, gateway);
    } finally {
      await client.close(context.signal.aborted ? drainMs : 0);
      await health?.close();
      await settled();
    }
  },
});

/** Without asking how the connection is described: whoever starts this knows, and waits. */
async function overStdio(context: Context, names: readonly string[], reason: string | undefined): Promise<number> {
  const [connection, ...more] = names;
  if (connection === undefined || more.length > 0 || connection.includes('=')) {
    throw userError('usage', `--stdio takes one connection and no port, not '${names.join(' ')}'`);
  }
  const { joinStdio } = await import('../../client/stdio.ts');
  const access = await context.access();
  const run = newRunId();
  await joinStdio({
    gateway: { url: access.url, ca: access.ca },
    headers: ({ renew }) => tunnelHeaders(access, { reason, run, renew, watch: 'ends' }),
    connection,
    stdin: context.io.stdin,
    stdout: context.io.stdout,
    signal: context.signal,
  });
  return 0;
}

/** `--port` for one connection, or 0 for all of them. Errors: usage. */
function withPort(wanted: readonly Wanted[], text: string | undefined): Wanted[] {
  if (text === undefined) return [...wanted];
  const port = parsePort(text, '--port');
  if (port !== 0 && wanted.length > 1) {
    throw userError('usage', `--port ${port} cannot be the port of ${wanted.length} connections`, {
      fix: 'name the port of each: NAME=PORT',
    });
  }
  return wanted.map(({ name, port: own }) => ({ name, port: own ?? port }));
}

/** Whoever reaches the port acts as this user, so that is this machine only unless said in so many words. */
function assertAddress(address: string, allowed: boolean): void {
  if (isLoopback(address) || allowed) return;
  throw userError('usage', `--bind ${address} would let others connect as you`, {
    fix: 'leave it out, or add --allow-non-loopback if that is what you want',
  });
}

function isLoopback(address: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address) || address === '::1';
}

/** Whether the live view is shown: both ways a terminal that can draw, and nothing asked for another form. */
function live({ io, json }: Context): boolean {
  return !json && io.interactive && io.terminal.stdout && io.env.TERM !== 'dumb';
}

async function teller(context: Context): Promise<(event: ClientEvent) => void> {
  const { io } = context;
  if (context.json) {
    return (event) => {
      void context.print({ at: new Date().toISOString(), ...event }, () => '').catch(() => {});
    };
  }
  if (live(context)) return () => {};
  const tell = clientLine();
  return (event) => {
    for (const line of tell(event)) io.say(line);
  };
}

/** Waits for the user to end it; the exit code. */
async function until(context: Context, client: Client, gateway: string): Promise<number> {
  const { signal } = context;
  if (live(context)) {
    const { showConnect } = await import('../views/connect.tsx');
    return showConnect(context, client.status, gateway);
  }
  return new Promise((resolve) => {
    const end = () => resolve(exitCodeOfSignal((signal.reason as SignalReason).signal));
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
}
