// When sessions are over: the end travels to a client faster than the seal to the disk, the log and the list.

import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Client, Gateway } from './gateway.ts';
import { logEntries } from './log.ts';
import { eventually, filesUnder } from './process.ts';

/** The id of the newest session that the client may see (of that connection), once the gateway calls it ended. */
export function endedSession(of: Client, connection?: string): Promise<string> {
  const which = connection === undefined ? [] : ['--connection', connection];
  return eventually('the newest session has ended', async () => {
    const args = ['sessions', 'ls', '--limit', '1', ...which];
    const { sessions } = await of.json<{ sessions: { id: string; state: string }[] }>(args);
    return sessions[0]?.state === 'open' ? undefined : sessions[0]?.id;
  });
}

/** Resolves when no recording is being written, and the log has every one. */
export async function allSealed({ data, recordings }: Gateway): Promise<void> {
  await eventually('all recordings are sealed', async () => {
    // Beside the marks lies the journal of the disk, where there is one.
    if (readdirSync(join(recordings, 'open')).some((name) => name.startsWith('s-'))) return false;
    const inLog = new Set((await logEntries(data)).filter((one) => one.kind === 'recording').map(sessionOf));
    return filesUnder(recordings).every((name) => !/\.jsonl(\.zst)?$/.test(name) || inLog.has(idOf(name)));
  });
}

/** Purges a recording, and waits for it: one that is being compressed just then goes a moment later (exit code 1). */
export async function purge(as: Client, session: string, reason: string, ...more: string[]): Promise<void> {
  const { code, stdout, stderr } = await as.run(['admin', 'purge', session, '--reason', reason, ...more]);
  if (code !== 0 && !stdout.includes('is to go')) throw new Error(stderr);
  await eventually('it is gone', async () => {
    const { recording } = await as.json<{ recording: { purge?: { state: string } } }>(['sessions', 'show', session]);
    return ['purged', 'erased'].includes(recording.purge?.state ?? '');
  });
}

const sessionOf = ({ fields }: { readonly fields: Readonly<Record<string, unknown>> }) => fields.session;
const idOf = (name: string) => basename(name).split('.')[0];
