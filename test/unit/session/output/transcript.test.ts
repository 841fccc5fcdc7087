// What a terminal showed, as plain lines: escapes resolved, and nothing left that could steer a terminal.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Transcript } from '../../../../src/session/output/transcript.ts';
import { effort } from '../../../support/property.ts';

function lines(...pieces: (string | Buffer)[]): string {
  const transcript = new Transcript();
  return pieces.map((piece) => transcript.push(Buffer.from(piece as string))).join('') + transcript.end();
}

describe('a transcript', () => {
  it.each([
    ['colours', '\u001b[1;31mred\u001b[0m plain\r\n', 'red plain\n'],
    ['a progress bar', ' 10%\r 50%\r100%\r\n', '100%\n'],
    ['an erased line', 'wrong\r\u001b[Kright\r\n', 'right\n'],
    ['a slip of the pen', 'lss\b\u001b[K\r\nx\r\n', 'ls\nx\n'],
    ['overstriking', 'N\bNA\bAM\bME\bE\r\n', 'NAME\n'],
    ['insertion and deletion', 'ac\b\u001b[@b\u001b[3G\u001b[P\r\n', 'ab\n'],
    ['a full screen', '\u001b[?1049h\u001b[2J\u001b[1;1Hone\u001b[2;3Htwo\u001b[?1049l$ \r\n', 'one\n  two\n$\n'],
    ['a line without end', 'prompt$ ', 'prompt$\n'],
    ['UTF-8', 'é 世 🙂\n', 'é 世 🙂\n'],
  ])('resolves %s', (_, shown, text) => {
    expect(lines(shown)).toBe(text);
  });

  it.each([
    ['OSC 52, the clipboard', '\u001b]52;c;ZXZpbA==\u0007'],
    ['OSC 0 and 2, titles', '\u001b]0;evil\u0007\u001b]2;evil\u001b\\'],
    ['OSC 8, links', '\u001b]8;;file:///etc/passwd\u001b\\'],
    ['OSC 4, 10, 11: colours asked for', '\u001b]11;?\u0007'],
    ['CSI 21 t, the title reported', '\u001b[21t'],
    ['DECRQSS', '\u001bP$q"p\u001b\\'],
    ['DA, DSR: status asked for', '\u001b[c\u001b[6n\u001b[>c'],
    ['DECSET: mouse, bracketed paste, other screens', '\u001b[?1000h\u001b[?2004h\u001b[?1049h'],
    ['DECUDK, sixel and other DCS', '\u001bP0;0|17/evil\u001b\\'],
    ['APC and PM', '\u001b_evil\u001b\\\u001b^evil\u001b\\'],
    ['full reset', '\u001bc'],
    ['a string that never ends', '\u001b]52;c;ZXZpbA=='],
    ['controls of eight bits', '\u009b21t\u009d52;c;eA==\u009c'],
    ['what turns the direction of writing', '\u202e\u2066\u200f\u061c\u2028'],
    ['bells and shifts', '\u0007\u000e\u000f\u007f'],
  ])('lets nothing through of %s', (_, sequence) => {
    const text = lines(`before${sequence}after\n`, 'next\n');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left
    expect(text).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200f\u2028-\u202e\u2066-\u2069]/);
    expect(text).not.toContain('evil');
    expect(text).toMatch(/^before/);
  });

  it.each([
    ['lines in a string that never ends', '\u001b]first\nsecond\n', '(not shown) first\n(not shown) second\n'],
    ['lines in one that does', '\u001bPfirst\nsecond\u001b\\', '(not shown) first\n(not shown) second\n'],
    ['a title that is none', `\u001b]0;${'x'.repeat(300)}\u0007`, `(not shown) 0;${'x'.repeat(300)}\n`],
  ])('tells of %s, which a terminal does not show', (_, hidden, text) => {
    expect(lines(`before${hidden}`)).toBe(`before\n${text}`);
    expect(lines(`before${hidden}\u0007after\n`)).toBe(`before\n${text}after\n`);
  });

  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', '\u001b[31m', '\r', '\n', '\b', 'é', '\u001b]0;x\u0007', '\u001b[K')),
        fc.nat(),
        (parts, place) => {
          const bytes = Buffer.from(parts.join(''));
          const at = place % (bytes.length + 1);
          expect(lines(bytes.subarray(0, at), bytes.subarray(at))).toBe(lines(bytes));
        },
      ),
      effort({ seed: 5, numRuns: 500 }),
    );
  });
});
