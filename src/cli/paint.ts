// Colour for stdout, sparingly: verdicts and states only. Chalk is loaded when there is colour to give.

import type { Io } from './io.ts';

export type Paint = (word: string, text?: string) => string;

const STYLES: Record<string, 'green' | 'red' | 'yellow' | 'cyan' | 'dim'> = {
  allow: 'green',
  open: 'green',
  granted: 'green',
  approved: 'green',
  ok: 'green',
  pass: 'green',
  deny: 'red',
  denied: 'red',
  error: 'red',
  failed: 'red',
  fail: 'red',
  revoked: 'red',
  review: 'yellow',
  pending: 'yellow',
  grant: 'yellow',
  warning: 'yellow',
  expired: 'dim',
  ended: 'dim',
  closed: 'dim',
  cancelled: 'dim',
  heading: 'cyan',
  quiet: 'dim',
};

/** `paint('deny')` colours the word by its meaning; `paint('quiet', text)` another text by that of the word. */
export async function painter(io: Io): Promise<Paint> {
  if (!io.color.stdout) return (word, text = word) => text;
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: 1 });
  return (word, text = word) => {
    const style = STYLES[word.trim()];
    return style === undefined ? text : chalk[style](text);
  };
}
