// Questions to a person. Without a terminal there is none: refuse and name the flag to pass instead.

import { StringDecoder } from 'node:string_decoder';
import { userError } from '../core/errors.ts';
import type { SignalReason } from './context.ts';
import type { Io } from './io.ts';
import { oneLine } from './text.ts';

/** Errors: no_terminal, whose `next` is `instead`. */
export function needTerminal(io: Io, what: string, instead: string): void {
  if (!io.interactive) throw userError('no_terminal', `cannot ask ${what}: this is not a terminal`, { fix: instead });
}

/** Calls `talk` with a way to ask for one line, trimmed. Questions go to stderr, stdout is data. */
async function conversation<T>(io: Io, talk: (ask: (question: string) => Promise<string>) => Promise<T>): Promise<T> {
  const { createInterface } = await import('node:readline');
  // One reader for the whole conversation: what was typed ahead is the next answer, not lost.
  const reader = createInterface({ input: io.stdin, output: io.stderr, terminal: io.stdin.setRawMode !== undefined });
  const lines = reader[Symbol.asyncIterator]();
  const interrupted = new Promise<never>((_, reject) => {
    reader.on('SIGINT', () => reject({ signal: 'SIGINT' } satisfies SignalReason));
  });
  interrupted.catch(() => {});
  try {
    return await talk(async (question) => {
      io.stderr.write(question);
      const next = await Promise.race([lines.next(), interrupted]);
      if (next.done) throw { signal: 'SIGINT' } satisfies SignalReason;
      return next.value.trim();
    });
  } finally {
    reader.close();
  }
}

/** `yes` in full, as ssh wants it: a reflex of `y` must not accept a stranger. */
export function confirm(io: Io, question: string): Promise<boolean> {
  return conversation(io, async (ask) => {
    for (;;) {
      const answer = (await ask(`${question} (yes/no) `)).toLowerCase();
      if (answer === 'yes') return true;
      if (answer === 'no' || answer === '') return false;
      io.say("please answer 'yes' or 'no'");
    }
  });
}

/** One of the choices, by number or name. */
export function choose(io: Io, what: string, choices: readonly string[]): Promise<string> {
  const list = choices.map((choice, i) => `  ${i + 1}  ${oneLine(choice)}`).join('\n');
  return conversation(io, async (ask) => {
    for (;;) {
      const answer = await ask(`${what}:\n${list}\nnumber or name: `);
      const chosen = choices[Number(answer) - 1] ?? choices.find((choice) => choice === answer);
      if (chosen !== undefined) return chosen;
    }
  });
}

/** Calls `talk` with a way to ask for one line that is not shown while it is typed. */
async function hiddenConversation<T>(
  io: Io,
  talk: (ask: (question: string) => Promise<string>) => Promise<T>,
): Promise<T> {
  const characters = typedCharacters(io);
  io.stdin.setRawMode?.(true);
  try {
    return await talk(async (question) => {
      io.stderr.write(question);
      let typed = '';
      for (;;) {
        const { value: character, done } = await characters.next();
        if (done || character === '\r' || character === '\n') break;
        if (character === '\u0003' || character === '\u0004') throw { signal: 'SIGINT' } satisfies SignalReason;
        if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
        else if (character >= ' ') typed += character;
      }
      io.stderr.write('\n');
      return typed;
    });
  } finally {
    io.stdin.setRawMode?.(false);
    await characters.return(undefined);
    io.stdin.pause();
  }
}

async function* typedCharacters(io: Io): AsyncGenerator<string, undefined> {
  const decoder = new StringDecoder('utf8');
  for await (const chunk of io.stdin.iterator({ destroyOnReturn: false })) yield* decoder.write(chunk as Buffer);
}

/** A new secret, asked twice. Errors: usage when the two differ or are empty. */
export async function askNewPassword(io: Io, whose: string): Promise<string> {
  needTerminal(io, 'for a password', 'pass --password-stdin and send the password on standard input');
  const [first, second] = await hiddenConversation(io, async (ask) => {
    const typed = await ask(`new password for ${whose}: `);
    return typed === '' ? ['', ''] : [typed, await ask('once more: ')];
  });
  if (first === '') throw userError('usage', 'the password is empty');
  if (first !== second) throw userError('usage', 'the two passwords differ');
  return first!;
}

/** All of standard input, without the last line break. */
export async function readStdin(io: Io): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
