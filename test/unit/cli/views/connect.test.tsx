import { render } from 'ink-testing-library';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConnectView } from '../../../../src/cli/views/connect.tsx';
import type { ClientEvent } from '../../../../src/client/events.ts';
import { ClientStatus } from '../../../../src/client/status.ts';
import { userError } from '../../../../src/core/errors.ts';
import { eventually } from '../../../support/process.ts';

let status: ClientStatus;
let quits: string[];
let view: ReturnType<typeof render>;
const now = () => new Date(2026, 10, 20, 7, 13, 5).getTime();

const ready: ClientEvent = {
  type: 'ready',
  connection: 'prod-db',
  host: '127.0.0.1',
  port: 21_234,
  url: 'plain://127.0.0.1:21234/app',
  facts: { database: 'app', user: 'alice' },
};

beforeEach(() => {
  status = new ClientStatus(['prod-db'], now);
  quits = [];
  status.apply({ type: 'gateway', reachable: true });
  status.apply(ready);
  view = render(
    <ConnectView status={status} gateway="https://gw" columns={100} now={now} onQuit={(how) => quits.push(how)} />,
  );
});

afterEach(() => {
  view.unmount();
  vi.restoreAllMocks();
});

const shows = (text: string) => eventually(`the view shows '${text}'`, () => view.lastFrame()?.includes(text));

describe('the live view of connect', () => {
  it('shows where each connection is, and how it is used', async () => {
    expect(view.lastFrame()).toContain('https://gw connected');
    expect(view.lastFrame()).toContain('prod-db 127.0.0.1:21234, database app, user alice');
    expect(view.lastFrame()).toContain('plain://127.0.0.1:21234/app');
    status.apply({ type: 'opened', connection: 'prod-db', socket: 1, remote: '127.0.0.1:5' });
    const connection = status.connection('prod-db');
    connection.sent = 2048;
    await shows('1 open, 1 so far, 2.0 KiB out, 0 B in');
    connection.received = 3;
    await shows('3 B in');
  });

  it('shows the last operations with verdict and rule, on one line each, harmless', async () => {
    for (let n = 1; n <= 20; n++) {
      status.apply({
        type: 'operation',
        connection: 'prod-db',
        session: 's-1',
        n,
        text: `drop\n table \u001b[2J t${n} ${'x'.repeat(200)}`,
        verdict: n === 20 ? 'deny' : 'allow',
        ...(n === 20 ? { rule: 'no-drop' } : {}),
      });
    }
    await shows('07:13:05 #20 deny by no-drop drop table \\x1b[2J t20');
    const lines = view.lastFrame()!.split('\n');
    expect(lines.some((line) => line.includes('#19 allow'))).toBe(true);
    expect(lines.some((line) => line.includes('#5 '))).toBe(false);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('shows what waits for approval and how it is approved, until it is settled', async () => {
    const review = { type: 'review', connection: 'prod-db', session: 's-1', review: 'r-1', rule: 'writes' } as const;
    status.apply({ ...review, state: 'pending' });
    await shows('r-1 waits for approval by rule writes');
    await shows('hoopctl reviews approve r-1');
    status.apply({ ...review, state: 'approved' });
    await eventually('it is gone', () => !view.lastFrame()?.includes('r-1'));
  });

  it('shows that the gateway is away, and the last trouble', async () => {
    const error = userError('gateway_unreachable', 'connection refused');
    status.apply({ type: 'gateway', reachable: false, error });
    status.apply({ type: 'refused', connection: 'prod-db', socket: 1, error: userError('denied', 'not for you') });
    await shows('connection refused');
    await shows('not for you');
    await shows('1 refused');
  });

  it('quits on q and on Ctrl-C', async () => {
    // Ink listens for keys only after its first effects.
    await eventually('it listens', () => view.stdin.listenerCount('readable') > 0);
    view.stdin.write('q');
    await eventually('q', () => quits.length === 1);
    view.stdin.write('\u0003');
    await eventually('Ctrl-C', () => quits.length === 2);
    expect(quits).toEqual(['q', 'interrupt']);
  });
});
