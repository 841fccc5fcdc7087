// biome-ignore-all lint/suspicious/noControlCharactersInRegex: they are what this is about.
// Output as it flows: what masks find is gone however the bytes are cut, coloured, moved over and wrapped; what is held is
// held for a bounded time.

import fc from 'fast-check';
import { RE2JS } from 're2js';
import { describe, expect, it } from 'vitest';
import type { Action } from '../../../../src/session/masking/actions.ts';
import { DETECTOR_NAMES, DETECTORS, type DetectorName } from '../../../../src/session/masking/detectors/index.ts';
import { Finder } from '../../../../src/session/masking/finder.ts';
import { OutputStream, type StreamOptions, type Watch } from '../../../../src/session/output/stream.ts';
import { effort } from '../../../support/property.ts';

const KEY = new Uint8Array(32).fill(7);
const CARD = '4111 1111 1111 1111';
const GONE = '***************1111';
const STARS = '*'.repeat(CARD.length);
const HOLD = 30;

function finder(
  detectors: readonly DetectorName[],
  action: Action = { kind: 'full' },
  patterns: string[] = [],
): Finder {
  const detection = { name: 'pii', action, detectors: detectors.map((name) => DETECTORS[name]) };
  return new Finder([{ ...detection, patterns: patterns.map((pattern) => RE2JS.compile(pattern)) }], KEY);
}

/** Control sequences, titles, charsets. */
const SEQUENCE = /\x1b\[[0-9;]*[A-Za-z@]|\x1b\][^\x07]*\x07|\x1b\(B/g;

interface Wanted extends Partial<StreamOptions> {
  find?: Finder;
  watches?: readonly Watch[];
  columns?: number;
}

function streamOf({
  find = finder(['credit-card', 'email']),
  watches = [],
  columns,
  ...more
}: Wanted = {}): OutputStream {
  const guards = { finder: find, watches };
  const stream = new OutputStream({
    guards: () => guards,
    terminal: columns !== undefined,
    holdMs: HOLD,
    matched: () => false,
    spoiled: () => {},
    ...more,
  });
  if (columns !== undefined) stream.resize(columns);
  return stream;
}

/** All of it, pushed in pieces at one moment. */
function through(stream: OutputStream, pieces: readonly (string | Buffer)[]): string {
  const out = pieces.map((piece) => stream.push(Buffer.from(piece as string), 0).toString('latin1'));
  return Buffer.from(out.join('') + stream.end().toString('latin1'), 'latin1').toString();
}

const whole = (text: string, wanted?: Wanted) => through(streamOf(wanted), [text]);

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...sorted, bytes.length].map((to, i) => bytes.subarray(sorted[i - 1] ?? 0, to));
}

describe('a stream that is masked', () => {
  it('replaces what is found and leaves every other byte', () => {
    expect(whole(`name;card\nbob;${CARD};x\nlast line`)).toBe('name;card\nbob;***;x\nlast line');
    expect(whole(`a\tb\r\n\u001b[31mred\u001b[0m\u0007 é 世 🙂\n${CARD}`)).toBe(
      'a\tb\r\n\u001b[31mred\u001b[0m\u0007 é 世 🙂\n***',
    );
  });

  it('keeps the width of a value on a terminal', () => {
    expect(whole(`| ${CARD} |\r\n`, { columns: 80 })).toBe(`| ${STARS} |\r\n`);
    const partial = finder(['credit-card'], { kind: 'partial', first: 0, last: 4 });
    expect(whole(`| ${CARD} |\r\n`, { columns: 80, find: partial })).toBe(`| ${GONE} |\r\n`);
    const hashed = finder(['credit-card'], { kind: 'hash', length: 16 });
    expect(whole(`${CARD}|\r\n`, { columns: 80, find: hashed })).toMatch(/^\*{3}[0-9a-z]{16}\|\r\n$/);
  });

  it.each([
    ['colours between the digits', '4111 \u001b[1;31m1111\u001b[0m 1111 1111'],
    ['cursor movements in the place of blanks', '4111\u001b[C1111\u001b[1C1111\u001b[C1111'],
    ['a column that is where it is', '4111 1111\u001b[10G 1111 1111'],
    ['bold by overstriking', [...CARD].map((one) => `${one}\b${one}`).join('')],
    ['underlined by overstriking', [...CARD].map((one) => `_\b${one}`).join('')],
    ['a row and column of the same row', '\u001b[5;1H4111 1111\u001b[5;10H 1111 1111'],
    ['a slip of the pen', '4112\b1 1111 1111 1111'],
    ['a character inserted', '411 1111 1111 1111\u001b[4G\u001b[1@1'],
    ['a link around it', `\u001b]8;;http://x\u0007${CARD}\u001b]8;;\u0007`],
    ['a title in the middle', '4111 1111\u001b]0;busy\u0007 1111 1111'],
    ['a charset chosen in the middle', '4111\u001b(B 1111 1111 1111'],
  ])('sees through %s', (_, shown) => {
    const out = whole(`${shown}\r\n`, { columns: 80 });
    expect(out.replace(SEQUENCE, '')).not.toMatch(/[14]/);
    // No movement of the cursor is lost.
    expect(out.match(SEQUENCE)).toEqual(`${shown}\r\n`.match(SEQUENCE));
  });

  it.each([
    ['by the terminal itself', CARD],
    ['by a line end at the width', `${CARD.slice(0, 8)}\r\n${CARD.slice(8)}`],
    ['as readline wraps', `${CARD.slice(0, 8)} \r${CARD.slice(8)}`],
    ['by the cursor', `\u001b[3;1Hxx${CARD.slice(0, 8)}\u001b[4;1H${CARD.slice(8)}`],
  ])('sees a value that is wrapped %s', (_, shown) => {
    const first = shown.startsWith('\u001b') ? shown : `xx${shown}`;
    expect(whole(`${first}\r\n`, { columns: 10 }).replace(SEQUENCE, '')).not.toMatch(/1/);
  });

  it('masks what is not shown: titles and links', () => {
    expect(whole(`\u001b]0;mail alice@example.com\u0007$ `, { columns: 80 })).not.toContain('alice');
    expect(whole(`\u001b]0;alice@example.com\n${CARD}\n`)).not.toMatch(/alice|4111/);
  });

  it('masks what is overwritten before anybody could have seen it', () => {
    expect(whole(`4111111111111111\rdone              \r\n`, { columns: 80 })).not.toContain('4111');
    expect(whole(`4111111111111111${'\b'.repeat(16)}................\r\n`, { columns: 80 })).not.toContain('4111');
  });

  it('masks private keys over lines, and stops where they stop', () => {
    const find = finder(['pem-private-key']);
    const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\nMIIEdef=\n-----END RSA PRIVATE KEY-----\nafter\n';
    expect(whole(key, { find })).toBe('***\n***\n***\n***\nafter\n');
    expect(whole('-----BEGIN RSA PRIVATE KEY-----\r\nMIIE\r\nuser@host:~$ ls\r\n', { find, columns: 80 })).toContain(
      'user@host:~$ ls',
    );
  });

  it('finds patterns of the user within a line', () => {
    const find = finder([], { kind: 'fixed', text: 'NONE' }, ['EMP-\\d{6}', '^secret: .*$']);
    expect(whole('x EMP-123456 y\nsecret: all of it\nnot secret: x\n', { find })).toBe(
      'x NONE y\nNONE\nnot secret: x\n',
    );
  });

  it('masks a value longer than what is looked at together, to its end', () => {
    const token = `ghp_${'a1'.repeat(5000)}`;
    const out = whole(`x ${token} y`, { find: finder(['cloud-key']) });
    expect(out).toBe('x *** y');
  });

  it('looks at lines that never end', () => {
    const filler = 'lorem ipsum '.repeat(1000);
    expect(whole(`${filler}${CARD} ${filler}${CARD}`)).toBe(`${filler}*** ${filler}***`);
  });

  it('tells that it would spoil what is no text, before it does', () => {
    const spoiled: string[] = [];
    const stream = streamOf({ spoiled: (masks) => spoiled.push(...masks) });
    const out = through(stream, [Buffer.from(`ustar\0\0${CARD}\nrest`)]);
    expect(out).toBe('ustar\0\0');
    expect(spoiled).toEqual(['pii']);
  });

  it('counts what it replaced', () => {
    const stream = streamOf();
    through(stream, [`${CARD} and a@example.com\n`, `${CARD}`]);
    expect(stream.masked).toBe(3);
  });
});

describe('what is held', () => {
  it('is only the line that has not ended, and goes on in time', () => {
    const stream = streamOf({ columns: 80 });
    expect(stream.push(Buffer.from('a line\r\n$ '), 1000).toString()).toBe('a line\r\n');
    expect(stream.due).toBe(1000 + HOLD);
    expect(stream.tick(1000 + HOLD - 1).toString()).toBe('');
    expect(stream.tick(1000 + HOLD).toString()).toBe('$ ');
    expect(stream.due).toBeUndefined();
  });

  it('is not longer held when more of it comes', () => {
    const stream = streamOf({ columns: 80 });
    stream.push(Buffer.from('a'), 1000);
    stream.push(Buffer.from('b'), 1020);
    expect(stream.due).toBe(1000 + HOLD);
  });

  it('is not held where it is what the client typed', () => {
    const stream = streamOf({ columns: 80 });
    expect(stream.push(Buffer.from('4'), 1000, true).toString()).toBe('4');
    expect(stream.due).toBeUndefined();
  });

  it('of a value whose beginning has gone the rest is masked', () => {
    const stream = streamOf({ columns: 80, find: finder(['credit-card'], { kind: 'partial', first: 0, last: 4 }) });
    stream.push(Buffer.from('4111 1111 11'), 1000);
    expect(stream.tick(1030).toString()).toBe('4111 1111 11');
    expect(stream.push(Buffer.from('11 1111\r\n'), 2000).toString()).toBe('*******\r\n');
  });

  it('is bounded, whatever comes', () => {
    const stream = streamOf({ columns: 80 });
    const out = stream.push(Buffer.from('\u001b[31m'.repeat(20_000)), 1000);
    expect(out.length).toBeGreaterThan(30_000);
  });
});

describe('rules on output', () => {
  const watches = [{ name: 'shadow', pattern: RE2JS.compile('root:[$]') }];

  it('stop it before what they are about, and let go on what was approved', () => {
    const seen: unknown[] = [];
    const stream = streamOf({ watches, matched: (names, shown) => seen.push([...names, shown]) < 0 });
    expect(stream.push(Buffer.from(`ok\nroot:$6$x mail a@example.com\nmore`), 0).toString()).toBe('ok\n');
    expect(seen).toEqual([['shadow', 'root:$6$x mail ***']]);
    expect(stream.push(Buffer.from(' and more\n'), 1).toString()).toBe('');
    expect(stream.due).toBeUndefined();
    expect(stream.release(['shadow'], 2).toString()).toBe('root:$6$x mail ***\nmore and more\n');
    expect(stream.push(Buffer.from('root:$6$y\n'), 3).toString()).toBe('root:$6$y\n');
  });

  it('see through colours, and see a line that has not ended', () => {
    const stream = streamOf({ watches, columns: 80 });
    expect(stream.push(Buffer.from('root\u001b[31m:\u001b[0m$'), 0).toString()).toBe('');
    expect(stream.stopped).toBe(true);
    stream.discard();
    expect(stream.push(Buffer.from('x\r\n'), 0).toString() + stream.end().toString()).toBe('');
  });
});

describe('however it is cut into pieces', () => {
  const piece = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(CARD, '4111111111111', 'alice@example.com', '4000 0000', 'ghp_', '1', 'a'),
    },
    { weight: 3, arbitrary: fc.constantFrom('\r\n', '\n', '\r', '\b', ' ', '\t', ' \r', '\u0007') },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        ...['\u001b[31m', '\u001b[0m', '\u001b[K', '\u001b[C', '\u001b[3D', '\u001b[5G', '\u001b[2;3H', '\u001b[@'],
        ...['\u001b[P', '\u001b[A', '\u001b]0;a@example.com\u0007', '\u001b]0;4111', '\u001b\\', '\u001b', '\u001b['],
      ),
    },
    { weight: 2, arbitrary: fc.constantFrom('é', '世', '🙂', '\u0001', '-----BEGIN PRIVATE KEY-----', 'word ') },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constantFrom('9 '.repeat(2500), 'x'.repeat(4100), `ghp_${'k'.repeat(6000)}`) },
  );

  it.each([undefined, 10, 80])('the same comes out (columns: %s)', (columns) => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 12 }), (parts, places) => {
        const bytes = Buffer.from(parts.join(''));
        const wanted = { find: finder(DETECTOR_NAMES), ...(columns === undefined ? {} : { columns }) };
        expect(through(streamOf(wanted), cut(bytes, places))).toBe(through(streamOf(wanted), [bytes]));
      }),
      effort({ seed: 11, numRuns: 400 }),
    );
  });

  it('and bytes of any kind without a find are untouched', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 8 }), (raw, places) => {
        const stream = streamOf({ find: finder([], { kind: 'full' }, ['NEVER-\\d{40}']), columns: 20 });
        const bytes = Buffer.from(raw);
        const out = Buffer.concat([...cut(bytes, places).map((one) => stream.push(Buffer.from(one), 0)), stream.end()]);
        expect(out.equals(bytes)).toBe(true);
      }),
      effort({ seed: 12, numRuns: 400 }),
    );
  });
});
