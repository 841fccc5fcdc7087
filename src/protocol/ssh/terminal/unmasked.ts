// What masks cannot be put to: bytes of programs that speak a protocol of their own, files, connections of others. Where masks
// apply it is refused, unless the connection's configuration lets it pass unmasked. Refuses to know: what masks find.

import type { Session } from '../../contract.ts';
import type { Starting } from '../channels/requests.ts';
import type { SshConfig } from '../schema.ts';

/** Programs whose output is no text: a mask would break it. */
const TRANSFERS: ReadonlySet<string> = new Set([
  ...['rsync', 'scp', 'sftp-server', 'unison', 'borg', 'rclone', 'restic', 'zfs', 'btrfs'],
  ...['git-upload-pack', 'git-receive-pack', 'git-upload-archive', 'git-lfs-transfer', 'git-lfs-authenticate'],
]);

export type Unmasked = SshConfig['options']['unmasked'][number];

/** Whether it goes to the client as it is, or why it does not go at all. */
export type Passage = { readonly unmasked: boolean } | { readonly refused: readonly string[] };

export function passage(session: Session, config: SshConfig, { how, text, parts }: Starting): Passage {
  if (session.masksOutput !== true) return { unmasked: false };
  const { unmasked } = config.options;
  if (how === 'subsystem' && text === 'sftp') {
    // File by file, where they are opened.
    if (config.options.masked.includes('sftp')) return { unmasked: false };
    return unmasked.includes('sftp') ? { unmasked: true } : refused('files that sftp reads', 'sftp');
  }
  const programs = parts.flatMap((part) => part.programs ?? []);
  const transfers = programs.filter((program) => TRANSFERS.has(baseName(program)));
  if (transfers.length === 0) return { unmasked: false };
  if (!unmasked.includes('transfers')) return refused(`what ${baseName(transfers[0]!)} transfers`, 'transfers');
  // Beside a transfer nothing else passes.
  const alone = transfers.length === programs.length && parts.every((part) => part.opaque === undefined);
  return { unmasked: alone };
}

/** Why a connection through the host is refused; undefined: it is not. */
export function unmaskedForward(session: Session, config: SshConfig): string | undefined {
  if (session.masksOutput !== true || config.options.unmasked.includes('forward')) return undefined;
  return `${reason('what comes through a forwarding')} (options.unmasked: [forward] lets it pass)`;
}

function refused(what: string, option: Unmasked): Passage {
  return {
    refused: [
      `hoopctl: ${reason(what)}`,
      `  next: have options.unmasked: [${option}] set for the connection, or the mask lifted (hoopctl request --unmask)`,
    ],
  };
}

const reason = (what: string) => `masks apply here, and ${what} cannot be masked, so it is refused`;

const baseName = (program: string) => program.slice(program.lastIndexOf('/') + 1);
