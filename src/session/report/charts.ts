// The pictures of a report: SVG in the page, without scripts, each with a title and a description in words.
// Refuses to know: where the numbers are from.

import { type Markup, markup } from './markup.ts';
import type { Day, Report, Stretch } from './types.ts';

const WIDTH = 720;
const LEFT = 150;
const COLOURS = { allow: '#4c78a8', review: '#e0a030', deny: '#c0392b' } as const;
/** Bars that can still be told apart. */
const BARS = 62;
const DAY_MS = 86_400_000;

function picture(id: string, title: string, words: string, height: number, content: readonly Markup[]): Markup {
  return markup`<figure><svg role="img" aria-labelledby="${id}-title ${id}-words" viewBox="0 0 ${WIDTH} ${height}" xmlns="http://www.w3.org/2000/svg"><title id="${id}-title">${title}</title><desc id="${id}-words">${words}</desc>${content}</svg><figcaption>${title}. ${words}</figcaption></figure>`;
}

function label(x: number, y: number, text: string, anchor: 'start' | 'middle' | 'end' = 'start'): Markup {
  return markup`<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${text}</text>`;
}

function box(x: number, y: number, width: number, height: number, colour: string, said: string): Markup {
  return markup`<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0, width))}" height="${round(Math.max(0, height))}" fill="${colour}"><title>${said}</title></rect>`;
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
const short = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`);

/** Operations by day, or by as many days as keep the bars apart. */
export function operationsChart(days: readonly Day[], from: number, to: number): Markup {
  const first = Math.floor(from / DAY_MS);
  const count = Math.max(1, Math.ceil(to / DAY_MS) - first);
  const each = Math.ceil(count / BARS);
  const bars = Array.from({ length: Math.ceil(count / each) }, (_, i) => ({
    day: new Date((first + i * each) * DAY_MS).toISOString().slice(0, 10),
    ...{ allow: 0, review: 0, deny: 0 },
  }));
  for (const { day, allow, review, deny } of days) {
    const bar = bars[Math.floor((Date.parse(day) / DAY_MS - first) / each)];
    if (bar === undefined) continue;
    bar.allow += allow;
    bar.review += review;
    bar.deny += deny;
  }
  const most = Math.max(1, ...bars.map((bar) => bar.allow + bar.review + bar.deny));
  const [height, bottom, left] = [210, 170, 60];
  const step = (WIDTH - left - 10) / bars.length;
  const content: Markup[] = [];
  for (const share of [0, 0.5, 1]) {
    const y = bottom - share * 140;
    content.push(markup`<line x1="${left}" x2="${WIDTH - 10}" y1="${round(y)}" y2="${round(y)}" stroke="#ddd"/>`);
    content.push(label(left - 6, y + 4, String(Math.round(most * share)), 'end'));
  }
  const named = Math.ceil(bars.length / 10);
  for (const [i, bar] of bars.entries()) {
    let y = bottom;
    for (const verdict of ['allow', 'review', 'deny'] as const) {
      const tall = (bar[verdict] / most) * 140;
      y -= tall;
      if (tall > 0) {
        const said = `${bar.day}: ${bar[verdict]} ${verdict}`;
        content.push(box(left + i * step + step * 0.1, y, step * 0.8, tall, COLOURS[verdict], said));
      }
    }
    if (i % named === 0) content.push(label(left + (i + 0.5) * step, bottom + 15, bar.day.slice(5), 'middle'));
  }
  content.push(...legend(height - 12));
  const total = (verdict: 'allow' | 'review' | 'deny') => days.reduce((sum, day) => sum + day[verdict], 0);
  const words = `${total('allow')} allowed, ${total('review')} held for review, ${total('deny')} denied${each === 1 ? '' : `; a bar stands for ${each} days`}.`;
  return picture('operations', 'Operations by day (UTC) and verdict', words, height, content);
}

function legend(y: number): Markup[] {
  return Object.entries(COLOURS).flatMap(([verdict, colour], i) => [
    box(60 + i * 110, y - 9, 10, 10, colour, verdict),
    label(75 + i * 110, y, verdict),
  ]);
}

/** Room for names above columns. */
const TOP = 80;

function slanted(x: number, y: number, text: string): Markup {
  return markup`<text transform="translate(${round(x)} ${round(y)}) rotate(-35)">${text}</text>`;
}

/** Who was where: sessions by principal and connection. */
export function matrixChart({ cells, total }: Report['matrix']): Markup {
  const count = (key: 'who' | 'connection', max: number) => {
    const sums = new Map<string, number>();
    for (const cell of cells) sums.set(cell[key], (sums.get(cell[key]) ?? 0) + cell.sessions);
    return [...sums]
      .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
      .slice(0, max)
      .map(([name]) => name);
  };
  const [rows, columns] = [count('who', 25), count('connection', 10)];
  const wide = Math.min(90, (WIDTH - LEFT - 110) / Math.max(1, columns.length));
  const most = Math.max(1, ...cells.map(({ sessions }) => sessions));
  const content: Markup[] = columns.map((name, i) => slanted(LEFT + 60 + (i + 0.4) * wide, TOP - 6, short(name, 20)));
  for (const [y, who] of rows.entries()) {
    content.push(label(LEFT + 52, TOP + 13 + y * 18, short(who, 28), 'end'));
    for (const [x, connection] of columns.entries()) {
      const cell = cells.find((one) => one.who === who && one.connection === connection);
      const shade =
        cell === undefined ? '#f4f4f4' : `rgba(76,120,168,${(0.15 + 0.85 * (cell.sessions / most)).toFixed(2)})`;
      const at = LEFT + 60 + x * wide;
      content.push(
        box(at + 1, TOP + y * 18, wide - 2, 16, shade, `${who}, ${connection}: ${cell?.sessions ?? 0} sessions`),
      );
      if (cell === undefined) continue;
      const ink = cell.sessions / most > 0.55 ? '#fff' : '#111';
      content.push(
        markup`<text x="${round(at + wide / 2)}" y="${TOP + 13 + y * 18}" text-anchor="middle" fill="${ink}">${cell.sessions}</text>`,
      );
    }
  }
  const words = `${total} pairs of principal and connection; the ${rows.length} busiest principals at the ${columns.length} busiest connections are drawn.`;
  return picture(
    'matrix',
    'Sessions by principal and connection',
    words,
    TOP + 10 + Math.max(1, rows.length) * 18,
    content,
  );
}

const STATES: Readonly<Record<string, string>> = { used: '#3a8f5c', approved: '#3a8f5c', denied: COLOURS.deny };

/** Reviews from the question to the answer, on one line each. */
export function reviewsChart(stretches: readonly Stretch[], from: number, to: number): Markup {
  const x = (at: number) =>
    LEFT + ((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 10);
  const drawn = stretches.slice(0, 40);
  const content = drawn.flatMap((one, i) => {
    const end = one.to ?? to;
    const said = `${one.review}: ${one.state}, ${new Date(one.from).toISOString()} to ${new Date(end).toISOString()}`;
    const colour = STATES[one.state] ?? '#888';
    return [
      label(LEFT - 8, 24 + i * 14, one.review, 'end'),
      box(x(one.from), 16 + i * 14, Math.max(4, x(end) - x(one.from)), 9, colour, said),
    ];
  });
  const ends = [label(LEFT, 10, day(from)), label(WIDTH - 10, 10, day(to), 'end')];
  const words = `${drawn.length} reviews; green: approved, red: denied, grey: neither. The table of reviews has the words.`;
  return picture('reviews', 'Reviews from question to answer', words, 28 + drawn.length * 14, [...ends, ...content]);
}

/** Which version of the policy was in force when. */
export function versionsChart(versions: Report['versions'], from: number, to: number): Markup {
  const x = (at: number) =>
    LEFT + ((Math.min(Math.max(at, from), to) - from) / Math.max(1, to - from)) * (WIDTH - LEFT - 10);
  const drawn = versions.slice(-40);
  const content = drawn.flatMap((one, i) => {
    const [begin, end] = [Date.parse(one.from), one.to === undefined ? to : Date.parse(one.to)];
    const said = `${one.version} from ${one.from} to ${one.to ?? 'the end of the span'}`;
    return [
      label(LEFT - 8, 24 + i * 14, one.version.slice(0, 12), 'end'),
      box(x(begin), 16 + i * 14, Math.max(2, x(end) - x(begin)), 9, i % 2 === 0 ? COLOURS.allow : '#72a0c1', said),
    ];
  });
  const ends = [label(LEFT, 10, day(from)), label(WIDTH - 10, 10, day(to), 'end')];
  const words = `${versions.length} versions, each from when it came into force until the next did${drawn.length < versions.length ? '; the last 40 are drawn' : ''}.`;
  return picture('versions', 'Versions of the policy in force', words, 28 + drawn.length * 14, [...ends, ...content]);
}

const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
