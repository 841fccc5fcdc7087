// Questions to a person at a terminal.

import { describe, expect, it } from 'vitest';
import { askNewPassword, choose, confirm, readStdin } from '../../../src/cli/prompt.ts';
import { memoryIo } from './memory-io.ts';

function terminal(typed: string) {
  const io = memoryIo({ terminal: true });
  const raw: boolean[] = [];
  Object.assign(io.typed, {
    setRawMode: (on: boolean) => {
      raw.push(on);
    },
  });
  io.typed.write(typed);
  return { io, raw };
}

describe('a question', () => {
  it.each([
    ['yes\n', true],
    ['no\n', false],
    ['\n', false],
    ['y\nYES\n', true],
  ])('%j is %s', async (typed, answer) => {
    expect(await confirm(memoryIoWith(typed), 'sure?')).toBe(answer);
  });

  it('that is not answered is as good as Ctrl-C', async () => {
    const io = memoryIo({ terminal: true });
    io.typed.end();
    await expect(confirm(io, 'sure?')).rejects.toEqual({ signal: 'SIGINT' });
  });

  it('among several takes a number or a name', async () => {
    expect(await choose(memoryIoWith('9\nnone\n2\n'), 'which', ['a', 'b'])).toBe('b');
    expect(await choose(memoryIoWith('a\n'), 'which', ['a', 'b'])).toBe('a');
  });
});

function memoryIoWith(typed: string) {
  const io = memoryIo({ terminal: true });
  io.typed.write(typed);
  return io;
}

describe('a password', () => {
  it('is typed twice and never shown', async () => {
    const { io, raw } = terminal('pä\u007fasswort\rpasswort\r');
    const whole = askNewPassword(io, "'bob'");
    expect(await whole).toBe('passwort');
    expect(io.err()).toBe("new password for 'bob': \nonce more: \n");
    expect(raw).toEqual([true, false]);
  });

  it('that differs the second time, or is empty, is refused', async () => {
    await expect(askNewPassword(terminal('one\rtwo\r').io, 'x')).rejects.toMatchObject({
      code: 'usage',
      message: 'the two passwords differ',
    });
    await expect(askNewPassword(terminal('\r').io, 'x')).rejects.toMatchObject({ code: 'usage' });
  });

  it('is given up with Ctrl-C, and the terminal is as before', async () => {
    const { io, raw } = terminal('abc\u0003');
    await expect(askNewPassword(io, 'x')).rejects.toEqual({ signal: 'SIGINT' });
    expect(raw).toEqual([true, false]);
  });

  it('is not asked for without a terminal', async () => {
    await expect(askNewPassword(memoryIo(), 'x')).rejects.toMatchObject({
      code: 'no_terminal',
      fix: expect.stringContaining('--password-stdin'),
    });
  });

  it('is read from standard input without its line break, and nothing more is taken off', async () => {
    const io = memoryIo();
    io.typed.end(' a b \r\n');
    expect(await readStdin(io)).toBe(' a b ');
  });
});
