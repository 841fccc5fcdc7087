// Tables, times and sizes for people.

import { describe, expect, it } from 'vitest';
import { byteSize, facts, jsonLine, oneLine, plural, printable, relativeTime, table } from '../../../src/cli/text.ts';

describe('text', () => {
  it('makes control characters visible and keeps what is text', () => {
    expect(printable('a\tb\nc\u001b[1mü\u0000\u2028')).toBe('a\tb\nc\\x1b[1mü\\x00\\u2028');
  });

  it('makes visible what leaves no mark or looks like a space', () => {
    const names = [
      'customers\u200b',
      'a\u00a0b',
      'x\u{e0061}',
      'a\u200cb',
      'a\ufe0f',
      '\u3164\u2800\u00ad\ufeff',
      'a\u3000b',
      '\ud800',
    ];
    expect(names.map(printable)).toEqual([
      'customers\\u200b',
      'a\\xa0b',
      'x\\u{e0061}',
      'a\\u200cb',
      'a\\ufe0f',
      '\\u3164\\u2800\\xad\\ufeff',
      'a\\u3000b',
      '\\ud800',
    ]);
    expect(oneLine('a\u00a0b\u200b \n c\u3000')).toBe('a\\xa0b\\u200b c\\u3000');
  });

  it('leaves joiners where a script or an emoji cannot do without', () => {
    for (const text of ['می\u200cخواهم', 'क्\u200dष', '❤\ufe0f', '👩🏽\u200d💻', '中文, ü'])
      expect(printable(text)).toBe(text);
  });

  it('writes JSON for a terminal with what would steer it escaped, and the same value', () => {
    const value = { text: 'a\u001b]52;c;eA==\u0007\u009d0;t\u009c\u007f\u202e\n\tü\u200b\u{e0061}' };
    expect(jsonLine(value, true)).toBe(
      '{"text":"a\\u001b]52;c;eA==\\u0007\\u009d0;t\\u009c\\u007f\\u202e\\n\\tü\\u200b\\udb40\\udc61"}\n',
    );
    expect(JSON.parse(jsonLine(value, true))).toEqual(value);
    expect(jsonLine(value, false)).toBe(`${JSON.stringify(value)}\n`);
  });

  it('puts on one line and cuts', () => {
    expect([oneLine(' a\n  b\tc '), oneLine('abcdef', 4), oneLine('abcd', 4)]).toEqual(['a b c', 'abc…', 'abcd']);
  });

  it('aligns tables and cuts the last column to the width', () => {
    expect(
      table(
        ['id', 'text'],
        [
          ['1', 'short'],
          ['22', 'x'.repeat(40)],
        ],
        { width: 30 },
      ),
    ).toBe(`ID  TEXT\n1   short\n22  ${'x'.repeat(25)}…\n`);
    expect(table(['a', 'b'], [])).toBe('A  B\n');
  });

  it('lists facts and leaves out what is not known', () => {
    expect(
      facts([
        ['a', '1'],
        ['long', undefined],
        ['bcd', 'x\ny'],
      ]),
    ).toBe('a    1\nbcd  x\n     y\n');
  });

  it('says when, how much and how many', () => {
    expect([relativeTime(1000_000, 0), relativeTime(0, 7_260_000), relativeTime(0, 100)]).toEqual([
      'in 16m40s',
      '2h1m ago',
      '1s ago',
    ]);
    expect([byteSize(0), byteSize(1023), byteSize(1536), byteSize(50 * 1024 ** 3)]).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '50 GiB',
    ]);
    expect([plural(1, 'line'), plural(0, 'line'), plural(2, 'entry', 'entries')]).toEqual([
      '1 line',
      '0 lines',
      '2 entries',
    ]);
  });
});
