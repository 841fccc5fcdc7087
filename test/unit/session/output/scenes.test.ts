import { expect, it } from 'vitest';
import { type Scene, Scenes } from '../../../../src/session/output/scenes.ts';
import type { Line } from '../../../../src/session/recorder/reader.ts';

const AT = '2026-01-02T03:04:05.678Z';
let seq = 0;
const line = (kind: string, fields: Record<string, unknown>): Line => ({
  seq: seq++,
  at: AT,
  kind,
  prev: '',
  ...fields,
});
const note = (name: string, fields: Record<string, unknown>) => line('note', { note: name, fields });
const out = (op: number, text: string) => line('data', { op, stream: 'out', text });

function played(lines: readonly Line[], only?: number): Omit<Scene, 'at'>[] {
  const scenes = new Scenes(only);
  return lines.flatMap((one) => {
    const scene = scenes.line(one);
    if (scene === undefined) return [];
    const { at, ...rest } = scene;
    expect(at).toBe(Date.parse(AT));
    return [rest];
  });
}

it('is what one terminal was told after the other, with its sizes', () => {
  const lines = [
    note('terminal', { operation: 1, term: 'xterm', columns: 100, rows: 30 }),
    out(1, 'a\n'),
    line('data', { op: 1, stream: 'in', text: 'typed' }),
    out(2, 'of another, meanwhile'),
    note('resize', { operation: 1, columns: 90, rows: 20 }),
    note('resize', { operation: 7, columns: 9, rows: 2 }),
    line('intent', { op: 3, how: 'command', text: 'ls' }),
    line('data', { op: 1, stream: 'out', base64: Buffer.from([0xc3]).toString('base64') }),
    line('data', { op: 1, stream: 'out', base64: Buffer.from([0xa4]).toString('base64') }),
    line('result', { op: 1 }),
    out(2, 'x\ny\r\n'),
  ];
  expect(played(lines)).toEqual([
    { text: 'a\n', size: { columns: 100, rows: 30 }, begins: true },
    { text: '', size: { columns: 90, rows: 20 } },
    { text: '', command: 'ls' },
    { text: '' },
    { text: 'ä' },
    { text: 'x\r\ny\r\n', size: { columns: 80, rows: 24 }, begins: true },
  ]);
  expect(played(lines, 2).map(({ text }) => text)).toEqual(['of another, meanwhile', '', 'x\r\ny\r\n']);
});

it('knows which operations it told of, and of which something came while another was on the screen', () => {
  const scenes = new Scenes();
  for (const one of [out(1, 'a'), out(2, 'b'), line('result', { op: 1 }), out(3, 'c'), out(2, 'd')]) scenes.line(one);
  expect([[...scenes.told], [...scenes.missed]]).toEqual([[1, 3], [2]]);
});
