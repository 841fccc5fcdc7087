// The replay on a terminal: what is on the screen, and what the keys do.

import { render } from 'ink-testing-library';
import { afterEach, describe, expect, it } from 'vitest';
import type { Frame } from '../../../../src/cli/player.ts';
import { ReplayView } from '../../../../src/cli/views/replay.tsx';
import { eventually } from '../../../support/process.ts';

const frames: Frame[] = [
  { at: 0, text: 's-1 alice on prod\n', operation: false },
  { at: 100_000, text: '#1 allow\n    select one\n', operation: true },
  { at: 200_000, text: '#2 deny\n    drop two\n', operation: true },
];

describe('the replay', () => {
  let screen: ReturnType<typeof render>;
  const quits: string[] = [];
  const show = () => {
    const props = { frames, title: 's-1', speed: 1, columns: 60, rows: 12 };
    screen = render(<ReplayView {...props} onQuit={(how) => quits.push(how)} />);
  };
  const shows = (text: string) => eventually(`"${text}" is shown`, async () => screen.lastFrame()?.includes(text));
  /** Keys reach the view once its effects have run. */
  const press = async (key: string, until: string) => {
    if (screen.lastFrame()?.includes(until)) return;
    await eventually('it listens', () => screen.stdin.listenerCount('readable') > 0);
    screen.stdin.write(key);
    await shows(until);
  };
  afterEach(() => screen?.unmount());

  it('shows what has come so far, and goes on by the arrow', async () => {
    show();
    await shows('alice on prod');
    expect(screen.lastFrame()).not.toContain('select one');
    await press('\u001b[C', 'select one');
    await press('\u001b[C', 'drop two');
    expect(screen.lastFrame()).toContain('end  3/3');
  });

  it('finds, and quits', async () => {
    show();
    await press('/', 'find:');
    for (const character of 'drop') {
      screen.stdin.write(character);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await press('\r', 'drop two');
    await eventually('it quits', async () => {
      screen.stdin.write('q');
      return quits.includes('q');
    });
  });
});
