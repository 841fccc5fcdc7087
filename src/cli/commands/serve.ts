// `hoopctl serve`: the gateway. This file only hands it what it needs and tells whoever started it how to reach it.

import { resolve } from 'node:path';
import type { Gateway } from '../../gateway/start.ts';
import { command as define } from '../command.ts';
import type { Context } from '../context.ts';
import { exitCodeOfSignal } from '../exit.ts';
import { facts } from '../text.ts';

export const command = define({
  options: {
    config: { value: 'FILE', trusted: true, help: 'the configuration (default: none is needed)' },
    data: {
      value: 'DIR',
      trusted: true,
      help: 'where keys, state and recordings are kept (default: your data folder)',
    },
    listen: {
      value: 'ADDR',
      trusted: true,
      help: "host:port in place of the configuration's (default: 127.0.0.1:7443)",
    },
    logLevel: {
      value: 'LEVEL',
      choices: ['debug', 'info', 'warn', 'error'],
      default: 'info',
      help: 'how much is logged',
    },
  },
  signals: 'all',
  notes: `SIGHUP reads the configuration again; a version with a problem leaves the old one in force. SIGTERM and SIGINT accept
nothing new, wait stop.grace for open sessions, end the rest with a reason and seal the recordings; a second one waits no
longer. Logs go to standard error, JSON Lines when that is not a terminal. Without --data everything is kept in
$XDG_DATA_HOME/hoopctl or ~/.local/share/hoopctl.`,
  run: async (values, context) => {
    const { io } = context;
    const { startGateway } = await import('../../gateway/start.ts');
    const { createLog } = await import('../../gateway/log.ts');
    const stopping = Promise.withResolvers<NodeJS.Signals>();
    let gateway: Gateway | undefined;
    let signals = 0;
    // From the first moment: a signal while it starts must not be lost.
    const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (signal) => {
      if (signal === 'SIGHUP') return void gateway?.reload();
      signals += 1;
      stopping.resolve(signal);
      if (signals > 1) void gateway?.close();
    });
    try {
      gateway = await startGateway({
        ...(values.config === undefined ? {} : { config: resolve(io.cwd, values.config) }),
        data: resolve(io.cwd, values.data ?? context.paths.data),
        ...(values.listen === undefined ? {} : { listen: values.listen }),
        log: await createLog({
          stream: io.stderr,
          terminal: io.terminal.stderr,
          colour: io.color.stderr,
          level: values.logLevel as 'info',
        }),
        env: io.env,
        version: io.version,
      });
      await tell(context, gateway);
      const signal = await stopping.promise;
      await gateway.close();
      // Told to stop and stopped: that is success. Ctrl-C says what it always says.
      return signal === 'SIGINT' ? exitCodeOfSignal(signal) : 0;
    } finally {
      stop();
    }
  },
});

async function tell(context: Context, gateway: Gateway): Promise<void> {
  const { normaliseFingerprint } = await import('../../login/certificate.ts');
  const { url, caFile, native, hints, store, id } = gateway;
  // As `login` shows it: the two are compared by eye.
  const fingerprint = normaliseFingerprint(gateway.fingerprint) ?? gateway.fingerprint;
  const listeners = Object.entries(native).map(([name, { host, port }]) => [name, `${host}:${port}`] as const);
  await context.print(
    { ready: true, url, fingerprint, caFile, store, id, native: Object.fromEntries(listeners), hints },
    () => {
      const lines = facts([
        ['gateway', url],
        ...listeners,
        ['fingerprint', fingerprint],
        ['CA', caFile],
        ['state', store],
        ['gateway id', id],
        ['log in', login(url, caFile && fingerprint)],
      ]);
      return lines + hints.map((hint) => `${hint}\n`).join('');
    },
  );
}

/** Whole: it works pasted on any machine, without a question. Of a certificate that was given, others may vouch already. */
function login(url: string, fingerprint: string | undefined): string {
  return `hoopctl login ${url}${fingerprint === undefined ? '' : ` --ca-fingerprint ${fingerprint}`}`;
}
