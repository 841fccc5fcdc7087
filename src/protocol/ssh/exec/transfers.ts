// Programs at the host's end of a transfer (`scp -O`, `rsync`, `git`): which files their arguments read or write. The paths are
// as they are written: unlike those of sftp, nobody has resolved them. Refuses to know: what goes over the wire then.

import type { PlaceUse } from '../../contract.ts';
import { Opaque } from './cursor.ts';
import { baseName } from './programs.ts';
import type { Word } from './words.ts';

export interface Transfer {
  readonly does: 'sftp-read' | 'sftp-write';
  readonly places: readonly PlaceUse[];
}

/** Throws Opaque where the words do not tell which files; undefined: it is no transfer. */
export function transfer(program: string, words: readonly Word[]): Transfer | undefined {
  const name = baseName(program);
  switch (name) {
    case 'scp':
      return copy(words);
    case 'rsync':
      return words[0]?.value === '--server' ? synchronise(words.slice(1)) : undefined;
    case 'git-upload-pack':
    case 'git-upload-archive':
      return use('sftp-read', paths(name, words));
    case 'git-receive-pack':
      return use('sftp-write', paths(name, words));
    case 'git': {
      const [first, ...rest] = words;
      return /^(?:upload-pack|upload-archive|receive-pack)$/.test(first?.value ?? '')
        ? transfer(`git-${first!.value}`, rest)
        : undefined;
    }
    default:
      return undefined;
  }
}

/** The other end of `scp -O`: `-t PATH` takes files, `-f PATH…` gives them. */
function copy(words: readonly Word[]): Transfer | undefined {
  const option = (letter: string) =>
    words.some(({ value }) => value !== undefined && /^-[a-z]+$/i.test(value) && value.includes(letter));
  if (option('t')) return use('sftp-write', paths('scp', words));
  return option('f') ? use('sftp-read', paths('scp', words)) : undefined;
}

/** `rsync --server [--sender] OPTIONS . PATH…`; some options name further files. */
function synchronise(words: readonly Word[]): Transfer {
  const options = words.flatMap(({ value }) => (value?.startsWith('-') === true ? [value] : []));
  // Letters after "e" are what the client can do. With -s the paths are sent later.
  if (options.some((option) => /^-[^-e]*s/.test(option) || /^--(?:protect|secluded)-args$/.test(option))) {
    throw new Opaque('"rsync" is told its files later');
  }
  const named = options.flatMap((option) => /^--[a-z-]+=(.*\/.*)$/.exec(option)?.[1] ?? []);
  const all = paths('rsync', words);
  // The first "." stands where the source of a local copy would.
  const dot = all.indexOf('.');
  const files = dot < 0 ? all : all.toSpliced(dot, 1);
  return use(options.includes('--sender') ? 'sftp-read' : 'sftp-write', [...files, ...named]);
}

function paths(name: string, words: readonly Word[]): string[] {
  return words.flatMap(({ value }) => {
    if (value === undefined) throw new Opaque(`which files "${name}" is about, the text does not tell`);
    return value.startsWith('-') ? [] : [value];
  });
}

function use(does: Transfer['does'], files: readonly string[]): Transfer {
  const written = does === 'sftp-write';
  return { does, places: files.map((place) => ({ place, read: !written, written })) };
}
