// A command on a terminal of its own (script(1) makes it): Ctrl-C comes from the keyboard and reaches the whole
// foreground process group, as it does for a person.

import { type Running, type RunOptions, start } from './process.ts';

export const CTRL_C = '\u0003';

export interface Terminal {
  readonly process: Running;
  /** Everything that the screen showed. */
  readonly screen: string;
  type(text: string | Uint8Array): void;
  waitFor(pattern: RegExp): Promise<RegExpMatchArray>;
  stop(): Promise<void>;
}

/** A way of starting: straight, or by something that starts it in turn (a Way). */
export type Starter = (command: string, args: readonly string[], options?: RunOptions) => Running;

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

export function onTerminal(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
  by: Starter = start,
): Terminal {
  const line = [command, ...args].map(quote).join(' ');
  const env = { ...options.env, TERM: 'xterm', PAGER: 'cat', SHELL: '/bin/sh' };
  const child = by('script', ['-qfec', `stty -echo; exec ${line}`, '/dev/null'], { ...options, env });
  return {
    process: child,
    get screen() {
      return child.stdout;
    },
    type: (text) => void child.child.stdin?.write(text),
    waitFor: (pattern) => child.waitFor(pattern, 'stdout'),
    stop: async () => {
      await child.stop();
    },
  };
}

/** What a terminal of that size shows that was sent these bytes: the text of each row, without blanks at its end. */
export async function rowsOf(sent: string, { columns = 80, rows = 24 } = {}): Promise<string[]> {
  const { default: xterm } = await import('@xterm/headless');
  const terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(sent, resolve));
  const { active } = terminal.buffer;
  const found = Array.from({ length: rows }, (_, y) =>
    active
      .getLine(active.baseY + y)!
      .translateToString()
      .trimEnd(),
  );
  terminal.dispose();
  return found;
}
