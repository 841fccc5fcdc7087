// Recordings of shells as asciicasts, against the published forms of versions 2 and 3.

import { describe, expect, it } from 'vitest';
import { Cast, type CastOptions } from '../../../../src/session/export/asciicast.ts';
import type { Line } from '../../../../src/session/recorder/reader.ts';

const at = (ms: number) => new Date(1_700_000_000_000 + ms).toISOString();
const line = (ms: number, kind: string, rest: object) => ({ seq: 0, at: at(ms), kind, prev: '', ...rest }) as Line;

const LINES: readonly Line[] = [
  line(0, 'open', { session: 's-1', connection: 'web' }),
  line(10, 'intent', { op: 1, how: 'shell', text: 'shell' }),
  line(10, 'note', { note: 'terminal', fields: { operation: 1, term: 'xterm', columns: 100, rows: 30 } }),
  line(500, 'data', { op: 1, stream: 'out', text: '$ ' }),
  line(700, 'data', { op: 1, stream: 'in', text: 'l' }),
  line(710, 'data', { op: 1, stream: 'out', base64: Buffer.from([0xc3]).toString('base64') }),
  line(711, 'data', { op: 1, stream: 'out', base64: Buffer.from([0xa9]).toString('base64') }),
  line(712, 'data', { op: 1, stream: 'in', withheld: true }),
  line(800, 'note', { note: 'resize', fields: { operation: 1, columns: 90, rows: 20 } }),
  line(900, 'intent', { op: 2, how: 'exec', text: 'ls' }),
  line(910, 'data', { op: 2, stream: 'out', text: 'a\nb\n' }),
  line(1010, 'result', { op: 1, tag: 'exit 3' }),
  line(1020, 'result', { op: 2, tag: 'exit 0' }),
];

function cast(options: CastOptions, lines = LINES): unknown[] {
  const made = new Cast(options);
  const text = lines.map((one) => made.line(one)).join('');
  return text.split('\n').flatMap((one) => (one === '' ? [] : [JSON.parse(one) as unknown]));
}

describe('an asciicast', () => {
  it('of version 3 has intervals, sizes, input and the exit status', () => {
    expect(cast({ version: 3 })).toEqual([
      { version: 3, term: { cols: 100, rows: 30, type: 'xterm' }, timestamp: 1_700_000_000, title: 's-1 web' },
      [0.49, 'o', '$ '],
      [0.2, 'i', 'l'],
      [0.011, 'o', 'é'],
      [0.089, 'r', '90x20'],
      [0.21, 'x', '3'],
    ]);
  });

  it('of version 2 has the time since the beginning', () => {
    expect(cast({ version: 2 })).toEqual([
      { version: 2, width: 100, height: 30, timestamp: 1_700_000_000, title: 's-1 web', env: { TERM: 'xterm' } },
      [0.49, 'o', '$ '],
      [0.69, 'i', 'l'],
      [0.701, 'o', 'é'],
      [0.79, 'r', '90x20'],
    ]);
  });

  it('has the size that the terminal had when it first showed something', () => {
    const resized = line(20, 'note', { note: 'resize', fields: { operation: 1, columns: 132, rows: 50 } });
    const [header] = cast({ version: 3 }, [...LINES.slice(0, 3), resized, ...LINES.slice(3)]);
    expect(header).toMatchObject({ term: { cols: 132, rows: 50, type: 'xterm' } });
  });

  it('of a command without a terminal has line ends that a terminal would have', () => {
    const [header, first, last] = cast({ version: 3, operation: 2 });
    expect(header).toMatchObject({ term: { cols: 80, rows: 24 }, command: 'ls' });
    expect(first).toEqual([0.01, 'o', 'a\r\nb\r\n']);
    expect(last).toEqual([0.11, 'x', '0']);
  });
});
