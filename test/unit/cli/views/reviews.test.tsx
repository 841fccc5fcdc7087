import { render } from 'ink-testing-library';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Inbox, statementLines } from '../../../../src/cli/inbox.ts';
import type { ReviewItem } from '../../../../src/cli/shapes.ts';
import type { Decision } from '../../../../src/cli/views/review-prompt.tsx';
import { ReviewsView } from '../../../../src/cli/views/reviews.tsx';
import { eventually } from '../../../support/process.ts';

const NOW = Date.parse('2026-11-20T08:00:00Z');
const ENTER = '\r';
const ESC = '\u001b';
const DOWN = '\u001b[B';

const review = (id: string, more: Partial<ReviewItem> = {}): ReviewItem => ({
  id,
  kind: 'operation',
  state: 'pending',
  requester: {
    kind: 'agent',
    subject: 'alice',
    issuer: 'corp',
    email: 'alice@example.com',
    groups: ['eng'],
    actor: 'claude',
  },
  connection: 'prod-db',
  rule: 'writes',
  reason: 'ticket 7',
  text: 'delete from customers where id = 5',
  shape: 'delete from customers where id = ?',
  touches: { does: ['delete'], reads: ['customers'], writes: ['customers'], functions: [] },
  reviewers: { groups: ['dba'], count: 1 },
  createdAt: new Date(NOW - 60_000).toISOString(),
  expiresAt: new Date(NOW + 540_000).toISOString(),
  ...more,
});

let inbox: Inbox;
let decided: Decision[];
let quits: string[];
let trouble: string | undefined;
let tell: () => void;
let view: ReturnType<typeof render>;

function open(rows = 50): void {
  view = render(
    <ReviewsView
      inbox={inbox}
      gateway="https://gw"
      columns={100}
      rows={rows}
      now={() => NOW}
      trouble={() => trouble}
      decide={async (decision) => {
        decided.push(decision);
        return `${decision.id} done`;
      }}
      subscribe={(listener) => {
        tell = listener;
        return () => {};
      }}
      onQuit={(how) => void quits.push(how)}
    />,
  );
}

const shows = (text: string) => eventually(`the view shows '${text}'`, () => view.lastFrame()?.includes(text));
/** Types key by key, as a person does: into a view that listens, and is drawn again before the next. */
async function type(...keys: string[]): Promise<void> {
  for (const key of keys) {
    await eventually('it listens', () => view.stdin.listenerCount('readable') > 0);
    view.stdin.write(key);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // On a busy machine the time may be over before anybody had a turn.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}
const add = (...reviews: ReviewItem[]) => {
  for (const one of reviews) inbox.apply(one);
  tell();
};

beforeEach(() => {
  inbox = new Inbox();
  decided = [];
  quits = [];
  trouble = undefined;
});
afterEach(() => view.unmount());

describe('the inbox', () => {
  it('shows what waits, and of the chosen one all that a reviewer has to know', async () => {
    open();
    expect(view.lastFrame()).toContain('nothing waits at https://gw');
    add(review('r-1'), review('r-2', { text: 'truncate t', createdAt: new Date(NOW - 1000).toISOString() }));
    await shows('2 wait at https://gw');
    const frame = view.lastFrame()!;
    for (const part of [
      '▸ r-1 alice@example.com (agent: claude) prod-db ends in 9m',
      'ticket 7',
      'delete from customers where id = 5',
      'customers',
      '1 of dba',
      'a approve once',
    ]) {
      expect(frame).toContain(part);
    }
    await type(DOWN);
    await shows('▸ r-2');
    expect(view.lastFrame()).toContain('  truncate t');
  });

  it('approves with a reason, after Enter and not before', async () => {
    open();
    add(review('r-1'));
    await shows('r-1');
    await type('a', 'f', 'i', 'n', 'e');
    await shows('approve r-1, reason (or none): fine');
    expect(decided).toEqual([]);
    await type(ENTER);
    await shows('r-1 done');
    expect(decided).toEqual([{ id: 'r-1', verdict: 'approve', reason: 'fine' }]);
  });

  it('takes a decision back with Esc', async () => {
    open();
    add(review('r-1'));
    await shows('r-1');
    await type('d', ESC);
    await shows('q quits');
    await type(ENTER);
    expect(decided).toEqual([]);
  });

  it('approves for the session and for a time, and asks again for what is no time', async () => {
    open();
    add(review('r-1'));
    await shows('its shape for the session');
    await type('s', ENTER);
    await shows('r-1 done');
    await type('t', 'x', ENTER);
    await shows("'x' is no duration");
    await type('\u007f', '5', 'm', ENTER);
    await shows('(5m), reason');
    await type(ENTER);
    await eventually('both are decided', () => decided.length === 2);
    expect(decided).toEqual([
      { id: 'r-1', verdict: 'approve', forSession: true },
      { id: 'r-1', verdict: 'approve', for: '5m' },
    ]);
  });

  it('offers no shape where there is none, and nothing but yes and no for access', async () => {
    open();
    add(review('r-1', { shape: undefined }));
    await shows('a approve once');
    expect(view.lastFrame()).not.toContain('its shape');
    add(
      { ...review('r-1', { shape: undefined }), state: 'denied' },
      review('r-2', { kind: 'grant', text: '', shape: undefined }),
    );
    await shows('▸ r-2');
    expect(view.lastFrame()).not.toContain('for a time');
  });

  it('wants the reason that the rule wants', async () => {
    open();
    add(review('r-1', { reviewers: { groups: ['dba'], count: 1, reason: 'required' } }));
    await shows('r-1');
    await type('a', ' ', ENTER);
    await shows('a reason is required');
    expect(decided).toEqual([]);
  });

  it('decides on what was on the screen when the key was pressed, whatever comes meanwhile', async () => {
    open();
    add(review('r-2'));
    await shows('▸ r-2');
    await type('a');
    add(review('r-1', { createdAt: new Date(NOW - 3_600_000).toISOString(), text: 'drop table t' }));
    await shows('2 wait');
    await type(ENTER);
    await eventually('it is decided', () => decided.length === 1);
    expect(decided).toEqual([{ id: 'r-2', verdict: 'approve' }]);
  });

  it('lets nobody approve a statement whose end was not on the screen', async () => {
    open(30);
    const text = `${Array.from({ length: 40 }, (_, i) => `select ${i};`).join('\n')}\ndrop table customers`;
    add(review('r-1', { text }));
    await shows('of 41; space shows more');
    expect(view.lastFrame()).not.toContain('drop table');
    await type('a');
    await shows('read it to its end first');
    await type('d');
    await shows('deny r-1');
    await type(ESC);
    for (let i = 0; i < 20; i++) await type(' ');
    await shows('drop table customers');
    await type('a');
    await shows('approve r-1');
  });

  it('lets nobody lift masks that were not on the screen', async () => {
    open(30);
    const masks = Array.from({ length: 200 }, (_, i) => `harmless-${i}`);
    add(review('r-1', { kind: 'unmask', text: '', shape: undefined, touches: undefined, masks: [...masks, 'ssn'] }));
    await shows('space shows more');
    expect(view.lastFrame()).not.toContain('ssn');
    await type('a');
    await shows('read it to its end first');
    for (let i = 0; i < 6; i++) await type(' ');
    await shows('ssn');
    await type('a', ENTER);
    await eventually('it is decided', () => decided.length === 1);
  });

  it('shows how it came out, and what is in the way', async () => {
    open();
    add(review('r-1'));
    await shows('▸ r-1');
    add(review('r-1', { state: 'denied', outcome: 'denied by bob: no' }));
    await shows('r-1 denied by bob: no, alice@example.com (agent: claude) on prod-db');
    trouble = 'the gateway cannot be reached';
    tell();
    await shows('the gateway cannot be reached');
  });

  it('lets no statement drive the terminal', async () => {
    open();
    add(review('r-1', { text: 'select 1 \u001b[2J\u202e', reason: 'a\u001b]0;x\u0007' }));
    await shows('\\x1b[2J\\u202e');
    for (const bad of ['\u001b[2J', '\u202e', '\u0007']) expect(view.lastFrame()).not.toContain(bad);
  });

  it('quits with q and Ctrl-C, but q may be typed in a reason', async () => {
    open();
    add(review('r-1'));
    await shows('r-1');
    await type('d', 'q');
    expect(quits).toEqual([]);
    await shows('reason (or none): q');
    await type(ESC, 'q');
    await eventually('it quits', () => quits.length === 1);
    await type('\u0003');
    await eventually('it is interrupted', () => quits.length === 2);
    expect(quits).toEqual(['q', 'interrupt']);
  });
});

describe('a statement as lines', () => {
  const text = (lines: ReturnType<typeof statementLines>) =>
    lines.map((words) => words.map((word) => word.text).join(''));

  it('leaves nothing out, however narrow', () => {
    const item = review('r-1', { text: `select '${'x'.repeat(50)}'\nfrom customers` });
    expect(text(statementLines(item, 20)).join('')).toBe(`select '${'x'.repeat(50)}'from customers`);
    for (const line of text(statementLines(item, 20))) expect(line.length).toBeLessThanOrEqual(20);
  });

  it('marks what it does and touches', () => {
    const marked = statementLines(review('r-1'), 80)[0]!.filter((word) => word.marked);
    expect(marked.map((word) => word.text)).toEqual(['delete', 'customers']);
  });
});
