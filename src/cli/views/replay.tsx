// A recording played in the terminal: at its own pace or another, from operation to operation, to a text.
// Refuses to know: where the recording comes from, whether it is genuine.

import { Box, Text, useApp, useInput } from 'ink';
import { type ReactNode, useEffect, useReducer, useState } from 'react';
import type { Context } from '../context.ts';
import { exitCodeOfSignal } from '../exit.ts';
import { type Frame, move, pause, SPEEDS, startPlayer } from '../player.ts';
import { showScreen } from './screen.tsx';

export interface ReplayViewProps {
  readonly frames: readonly Frame[];
  readonly title: string;
  readonly speed: number;
  readonly columns: number;
  readonly rows: number;
  onQuit(how: 'q' | 'interrupt'): void;
}

const KEYS = 'space play/pause  ←/→ operation  +/- speed  g/G begin/end  / find  n again  q quit';

export function ReplayView({ frames, title, speed, columns, rows, onQuit }: ReplayViewProps): ReactNode {
  const [player, dispatch] = useReducer(move, undefined, () => startPlayer(frames, speed));
  /** What is being typed to be found; undefined: nothing is. */
  const [typed, setTyped] = useState<string>();
  const wait = pause(player);
  useEffect(() => {
    if (wait === undefined) return;
    const timer = setTimeout(() => dispatch('tick'), wait);
    return () => clearTimeout(timer);
  });
  useInput((input, key) => {
    if (key.ctrl && input === 'c') return onQuit('interrupt');
    if (typed !== undefined) {
      if (key.return) {
        dispatch({ find: typed });
        setTyped(undefined);
      } else if (key.escape) setTyped(undefined);
      else if (key.backspace || key.delete) setTyped(typed.slice(0, -1));
      else if (!key.ctrl && !key.meta) setTyped(typed + input);
      return;
    }
    if (input === 'q') onQuit('q');
    else if (input === ' ') dispatch('toggle');
    else if (key.rightArrow) dispatch('next');
    else if (key.leftArrow) dispatch('previous');
    else if (input === '+' || input === '=') dispatch('faster');
    else if (input === '-') dispatch('slower');
    else if (input === 'g') dispatch('first');
    else if (input === 'G') dispatch('last');
    else if (input === '/') setTyped('');
    else if (input === 'n') dispatch({ find: player.wanted });
  });
  const height = Math.max(3, rows - 4);
  const state = player.shown >= frames.length ? 'end' : player.playing ? `▶ ${SPEEDS[player.speed]}×` : '⏸';
  const place = `${player.shown}/${frames.length}`;
  return (
    <Box flexDirection="column">
      <Text color="cyan" wrap="truncate-end">
        {title}
      </Text>
      <Box flexDirection="column" height={height}>
        {lastLines(frames, player.shown, height, columns).map((line, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines of a screen have no other name.
          <Text key={i} wrap="truncate-end">
            {line === '' ? ' ' : line}
          </Text>
        ))}
      </Box>
      <Text dimColor wrap="truncate-end">
        {typed === undefined ? `${state}  ${place}  ${KEYS}` : `find: ${typed}▏`}
      </Text>
    </Box>
  );
}

/** The end of what is shown so far, as many lines as the screen has. */
function lastLines(frames: readonly Frame[], shown: number, height: number, columns: number): string[] {
  const lines: string[] = [];
  for (let i = shown - 1; i >= 0 && lines.length < height; i--) {
    const { text } = frames[i]!;
    if (text === '') continue;
    lines.unshift(
      ...text
        .replace(/\n$/, '')
        .split('\n')
        .flatMap((line) => folded(line, columns)),
    );
  }
  return lines.slice(-height);
}

function folded(line: string, columns: number): string[] {
  const parts: string[] = [];
  for (let at = 0; at < Math.max(1, line.length); at += columns) parts.push(line.slice(at, at + columns));
  return parts;
}

/** Plays it until the user quits; the exit code. */
export async function showReplay(
  context: Context,
  frames: readonly Frame[],
  title: string,
  speed: number,
): Promise<number> {
  const { io } = context;
  let code = 0;
  const rows = (io.stdout as NodeJS.WriteStream).rows || 24;
  function Screen(): ReactNode {
    const { exit } = useApp();
    const quit = (how: 'q' | 'interrupt') => {
      code = how === 'q' ? 0 : exitCodeOfSignal('SIGINT');
      exit();
    };
    return <ReplayView {...{ frames, title, speed, rows }} columns={io.columns} onQuit={quit} />;
  }
  await showScreen(io, <Screen />);
  return code;
}
