import { expect, it } from 'vitest';
import { type Emulator, newEmulator } from '../../../src/cli/emulator.ts';
import { keysOf } from '../../../src/cli/stage.ts';

async function shown(text: string, size = { columns: 20, rows: 4 }): Promise<Emulator> {
  const screen = await newEmulator(size);
  await screen.show([{ at: 0, text }]);
  return screen;
}

const row = (screen: Emulator, y = 0, left = 0, columns = 20, colours = true) =>
  screen.painted(y, left, columns, colours);

it('draws cells: what was addressed, erased, overwritten, on whichever screen', async () => {
  const screen = await shown('one\r\ntwo\u001b[1;2HN\u001b[K');
  expect([row(screen), row(screen, 1), row(screen, 2)]).toEqual(['oN', 'two', '']);
  await screen.show([{ at: 0, text: '\u001b[?1049h\u001b[3;5Hfull' }]);
  expect([row(screen), row(screen, 2)]).toEqual(['', '    full']);
  expect(screen.cursor).toEqual({ x: 8, y: 2 });
  await screen.show([{ at: 0, text: '\u001b[?25l\u001b[?1049l' }]);
  expect([row(screen), screen.cursor]).toEqual(['oN', undefined]);
});

it('says again how cells look, in escapes of its own, without colours where none are wanted', async () => {
  const screen = await shown('a\u001b[1;31mb\u001b[0m \u001b[7mc\u001b[0;38;2;1;2;3md\u001b[0m e  ');
  expect(row(screen)).toBe('a\u001b[0;1;38;5;1mb\u001b[0m \u001b[0;7mc\u001b[0;38;2;1;2;3md\u001b[0m e');
  expect(row(screen, 0, 0, 20, false)).toBe('a\u001b[0;1mb\u001b[0m \u001b[0;7mc\u001b[0md e');
});

it('lets nothing else through', async () => {
  const hostile = [
    '\u001b]52;c;ZXZpbA==\u0007\u001b]0;title\u0007\u001b[21t\u001b[6n\u001b[c\u001bP$qm\u001b\\',
    '\u001b]8;;http://evil/\u001b\\link\u001b]8;;\u001b\\\u009d0;t\u009c\u0085\u202eabc\u2066\u0007\u001b#8\u001b%G',
  ];
  const screen = await shown(`\u001b[2J${hostile.join('')}`, { columns: 60, rows: 3 });
  for (let y = 0; y < 3; y++) {
    expect(row(screen, y, 0, 60, false).replaceAll(/\p{Cc}\[0?(?:;\d+)*m/gu, '')).not.toMatch(/[\p{Cc}\u202e\u2066]/u);
  }
});

it('clips at both sides, wide characters too', async () => {
  const screen = await shown('ab\u6f22\u5b57cd');
  expect(row(screen, 0, 0, 3)).toBe('ab');
  expect(row(screen, 0, 0, 4)).toBe('ab\u6f22');
  expect(row(screen, 0, 3, 4)).toBe(' \u5b57c');
});

it('takes no size that is too large, and begins anew with another operation', async () => {
  const screen = await shown('old');
  await screen.show([{ at: 0, text: 'new', size: { columns: 4_000_000_000, rows: 4_000_000_000 }, begins: true }]);
  expect(screen.size).toEqual({ columns: 500, rows: 500 });
  expect(screen.texts()[0]).toBe('new');
});

it('does nothing over and over for longer than a screen is large', async () => {
  const screen = await shown('a\u001b[3b\r\nb\u001b[2;1H\u001b[2L');
  expect(screen.texts()).toEqual(['aaaa', '', '', 'b']);
  for (const final of 'bLMSTIZ') await screen.show([{ at: 0, text: `\u001b[1;1Hc\u001b[501${final}` }]);
  expect([screen.texts(), screen.cursor]).toEqual([['caaa', '', '', 'b'], { x: 1, y: 0 }]);
  // Were it done, this would not end.
  for (const final of 'bLMSTIZ') await screen.show([{ at: 0, text: `\u001b[2147483647${final}` }]);
  expect(screen.texts()).toEqual(['caaa', '', '', 'b']);
});

it('takes links, colours and marks in any number in the time of their length, and draws a cell as a cell', async () => {
  const links = Array.from({ length: 300_000 }, (_, i) => `\u001b]8;;http://x/${i}\u001b\\x`).join('');
  const palette = `\u001b]4;${Array.from({ length: 300_000 }, (_, i) => `${i % 256};rgb:ff/ff/ff`).join(';')}\u0007`;
  const screen = await shown(`${links}${palette}\u001b[2J\u001b[Ha${'\u0301'.repeat(100_000)}`, {
    columns: 80,
    rows: 24,
  });
  expect(row(screen)).toMatch(/^a\u0301{31}$/);
}, 20_000);

it('gives wrapped lines as one, and those above the screen where asked', async () => {
  const screen = await shown(`first\r\n${'x'.repeat(25)}\r\n3\r\n4\r\n5`);
  expect(screen.texts()).toEqual(['xxxxx', '3', '4', '5']);
  expect(screen.texts(2)).toEqual(['first', 'x'.repeat(25), '3', '4', '5']);
  expect(screen.fed).toBe(4);
});

it('takes typed sequences for one key each', () => {
  expect(keysOf('q\u001b[C \u001b[1;5D/\u001bOA\u0003')).toEqual([
    'q',
    '\u001b[C',
    ' ',
    '\u001b[1;5D',
    '/',
    '\u001bOA',
    '\u0003',
  ]);
});
