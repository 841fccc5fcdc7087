import { expect, it } from 'vitest';
import { Screening } from '../../../src/cli/screening.ts';
import type { Scene } from '../../../src/session/output/scenes.ts';

const begin: Scene = { at: 0, text: '$ ', size: { columns: 20, rows: 5 }, begins: true };
const scene = (at: number, text: string): Scene => ({ at, text });
const drawn = (text: string) => `\u001b[H\u001b[2J${text}`;

const scenes = [
  begin,
  scene(1000, 'less file\r\n'),
  scene(2000, drawn('page one')),
  scene(3000, drawn('page ')),
  scene(3010, 'two'),
  scene(4000, drawn('page one')),
  scene(5000, `${Array.from({ length: 300 }, (_, i) => `line ${i}`).join('\r\n')}\r\n$ `),
  scene(6000, 'typed'),
  scene(7000, ' on'),
  scene(8000, `\u001b]0;unseen title\u0007done\r\n`),
];

const top = (screening: Screening) => screening.screen.texts()[0];

it('goes forwards and back', async () => {
  const screening = await Screening.open(scenes);
  await screening.to(5);
  expect(top(screening)).toBe('page two');
  await screening.to(3);
  expect(top(screening)).toBe('page one');
  await screening.to(2);
  expect(top(screening)).toBe('$ less file');
  expect(screening.screen.size).toEqual({ columns: 20, rows: 5 });
});

it('finds when a text comes to stand on the screen, and from the beginning again', async () => {
  const screening = await Screening.open(scenes);
  expect(await screening.find('PAGE ONE', 0)).toBe(3);
  // It stands there: the next time is when it comes back.
  expect(await screening.find('page one', 3)).toBe(6);
  expect(await screening.find('page one', 6)).toBe(3);
  // Drawn in two pieces.
  expect(await screening.find('page two', 0)).toBe(5);
  // Still the same line.
  expect(await screening.find('typed', 0)).toBe(8);
  expect(await screening.find('typed', 8)).toBe(8);
  // Scrolled by.
  expect(await screening.find('line 7', 0)).toBe(7);
  expect(await screening.find('nowhere', 4)).toBeUndefined();
  expect(await screening.find('unseen', 0)).toBeUndefined();
  expect(await screening.find('', 0)).toBeUndefined();
});
