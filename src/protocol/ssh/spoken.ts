// Operations that are spoken of: in tests of a policy, in `policy explain`, in recordings. A text is a command's; what is
// none is named by a word of the vocabulary. Refuses to know: rules, who asks.

import { userError } from '../../core/errors.ts';
import { canonicalHost, isWildcard } from '../../core/hosts.ts';
import type { Facts, Spoken, Understood } from '../contract.ts';
import { factsOf } from './channels/decided.ts';
import { placeOf, UNSEEN } from './channels/forwards.ts';
import { destination, listening } from './channels/listeners.ts';
import { objectionTo, starting } from './channels/requests.ts';
import { commandFacts } from './exec/facts.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import type { SshConfig } from './schema.ts';
import { placesOf } from './sftp/requests.ts';
import { lineFacts } from './shell/lines.ts';

/** The verbs of file operations, as they are on record, by the word of the vocabulary. The first is meant where none is said. */
const VERBS: Readonly<Record<string, readonly string[]>> = {
  'sftp-read': ['read', 'update'],
  'sftp-write': ['write', 'update'],
  'sftp-list': ['list'],
  'sftp-remove': ['remove', 'rmdir'],
  'sftp-rename': ['rename'],
  'sftp-mkdir': ['mkdir'],
  'sftp-link': ['symlink', 'hardlink'],
  'sftp-setstat': ['setstat'],
};
/** Those with two paths. */
const PAIRS = ['rename', 'symlink', 'hardlink'];

const wrong = (message: string, fix: string) => userError('usage', message, { fix });

export function spoken(said: Spoken, config: SshConfig): Understood | undefined {
  const { text, does, how } = said;
  // What the text of a recorded operation is about, its facts in the record tell.
  if (how !== undefined) return recorded(text, how);
  if (does === undefined) {
    const other = otherMeaning(text);
    if (other !== undefined) {
      const fix = `say "does: exec" or "${other}" in a test, --does in explain`;
      throw wrong(`${JSON.stringify(text)} may be a command, or ${other}`, fix);
    }
    return begun('exec', text, config);
  }
  if (VERBS[does] !== undefined) return files(does, text);
  switch (does) {
    case 'exec':
    case 'subsystem':
      if (text === '') throw wrong(`${does} needs a text`, does === 'exec' ? 'give the command' : 'give its name');
      return begun(does, text, config);
    case 'command':
      return { text, parts: [lineFacts(text)] };
    case 'shell':
    case 'sftp':
      alone(does, text);
      return begun(does === 'shell' ? 'shell' : 'subsystem', does, config);
    case 'agent-forwarding':
    case 'x11': {
      alone(does, text);
      const refused = config.options.allow.includes(does) ? {} : { refused: `options.allow does not have ${does}` };
      return { text: does, parts: [factsOf(does)], ...refused };
    }
    case 'forward':
      return forward(said);
    case 'forward-remote': {
      const { host, port } = address(/^\d+$/.test(text) ? `*:${text}` : text, does);
      return place(does, listening(host, port));
    }
    case 'forward-unix':
    case 'forward-remote-unix':
      if (text === '') throw wrong(`${does} needs the path of the socket`, 'give it as the text: /run/app.sock');
      return place(does, text);
    default:
      throw wrong(
        `"${does}" is no word of the protocol`,
        `one of ${['exec', 'shell', ...Object.keys(VERBS)].join(', ')}`,
      );
  }
}

function recorded(text: string, how: string): Understood | undefined {
  if (how === 'exec') return { text, parts: [commandFacts(text)] };
  return how === 'command' ? { text, parts: [lineFacts(text)] } : undefined;
}

/** What else than a command a text looks like: as such operations are on record. */
function otherMeaning(text: string): string | undefined {
  if (['shell', 'sftp', 'agent-forwarding', 'x11'].includes(text)) return `does: ${text}`;
  const [, verb = ''] = /^(\S+) \/\S*(?: \/\S*)?$/.exec(text) ?? [];
  const word = Object.keys(VERBS).find((one) => VERBS[one]!.includes(verb) && !COMMANDS.includes(verb));
  if (word !== undefined) return `does: ${word}`;
  return /^(?:[\w.-]+|\[[\da-f:.]+\]):\d+$/i.test(text) ? 'does: forward' : undefined;
}

/** Verbs that are well-known programs too. */
const COMMANDS = ['mkdir', 'rmdir'];

function begun(how: 'exec' | 'shell' | 'subsystem', text: string, config: SshConfig): Understood {
  const asks = how === 'shell' && config.options.shell === 'commands';
  const start = starting(how, Buffer.from(text), DEFAULT_LIMITS, asks);
  // A terminal is what a shell comes with.
  const refused = objectionTo(start, config, true)?.[0]?.replace(/^hoopctl: /, '');
  return { text: start.text, parts: start.parts, ...(refused === undefined ? {} : { refused }) };
}

function alone(does: string, text: string): void {
  if (text === '' || text === does) return;
  throw wrong(`${does} has no text, and ${JSON.stringify(text)} is given`, 'leave it out');
}

function files(does: string, text: string): Understood {
  const verbs = VERBS[does]!;
  const said = verbs.find((verb) => text.startsWith(`${verb} `));
  const verb = said ?? verbs[0]!;
  const rest = said === undefined ? text : text.slice(said.length + 1);
  const expected = PAIRS.includes(verb) ? 'two absolute paths' : 'an absolute path, as the host resolves it';
  const paths = PAIRS.includes(verb) ? pair(rest, verb === 'symlink') : [rest];
  if (paths === undefined || !paths.at(-1)!.startsWith('/')) {
    throw wrong(
      `${does} of ${JSON.stringify(text)} is not understood, expected ${expected}`,
      `such as "${example(verb)}"`,
    );
  }
  const words = verb === 'update' ? ['sftp-read', 'sftp-write'] : [does];
  // The target of a symbolic link is a text.
  const places = placesOf(words, verb === 'symlink' ? paths.slice(1) : paths);
  return { text: [verb, ...paths].join(' '), parts: [{ ...factsOf('', places), does: words }] };
}

const example = (verb: string) => (PAIRS.includes(verb) ? `${verb} /srv/a /srv/b` : `${verb} /etc/hosts`);

/** Where two paths are told apart without doubt: the second begins at the only "/" behind a blank. */
function pair(text: string, target: boolean): readonly string[] | undefined {
  const [first = '', second, ...more] = text.split(/ (?=\/)/);
  if (second === undefined || more.length > 0 || !(target || first.startsWith('/'))) return undefined;
  return [first, second];
}

function forward({ text, neighbour }: Spoken): Understood {
  const { host, port } = address(text, 'forward');
  const crosses = neighbour?.(canonicalHost(host), port) !== undefined;
  return {
    text: destination(host, port),
    parts: [factsOf('forward', [placeOf(host, port)], crosses ? undefined : UNSEEN)],
  };
}

function address(text: string, does: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:[\]\s]*)):(\d+)$/.exec(text) ?? [];
  const port = Number(digits);
  const host = bracketed ?? plain;
  if (host === undefined || port > 65_535 || (host === '' && !isWildcard(host))) {
    throw wrong(`${does} of ${JSON.stringify(text)} is not understood, expected host:port`, 'such as "10.0.0.5:443"');
  }
  return { host, port };
}

function place(does: string, text: string): Understood {
  const parts: Facts[] = [factsOf(does, [{ place: text, read: true, written: true }], UNSEEN)];
  return { text, parts };
}
