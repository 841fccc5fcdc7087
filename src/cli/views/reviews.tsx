// The inbox of `hoopctl reviews watch`: what waits, the chosen one in full, and a decision from the keyboard. A decision is
// for the review that was on the screen when its key was pressed, however the list moves meanwhile; and a statement that
// does not fit has to be read to its end before it can be approved.

import { Box, Text, useApp, useInput } from 'ink';
import { type ReactNode, useEffect, useReducer, useRef, useState } from 'react';
import type { Context } from '../context.ts';
import { exitCodeOfSignal } from '../exit.ts';
import { type Inbox, statementLines, type Word } from '../inbox.ts';
import { readingOf, valueLines } from '../operation-text.ts';
import { factsOf } from '../reviews.ts';
import { nameOf, type ReviewItem } from '../shapes.ts';
import { oneLine, relativeTime } from '../text.ts';
import { type Ask, asksOf, type Decision, Prompt } from './review-prompt.tsx';
import { showScreen } from './screen.tsx';

const REDRAW_MS = 1000;
const LIST_SHOWN = 6;

export interface ReviewsViewProps {
  readonly inbox: Inbox;
  readonly gateway: string;
  readonly columns: number;
  readonly rows: number;
  /** Why nothing comes now; undefined while it does. */
  readonly trouble: () => string | undefined;
  readonly now?: () => number;
  /** Resolves with what to tell. Never rejects. */
  decide(decision: Decision): Promise<string>;
  /** Calls back when something has changed; returns how to stop. */
  subscribe(listener: () => void): () => void;
  onQuit(how: 'q' | 'interrupt'): void;
}

export function ReviewsView(props: ReviewsViewProps): ReactNode {
  const { inbox, gateway, columns, rows, trouble, now = Date.now, decide, subscribe, onQuit } = props;
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [chosen, choose] = useState<string | undefined>(undefined);
  const [ask, setAsk] = useState<Ask | undefined>(undefined);
  const [said, say] = useState('');
  const [top, scroll] = useState(0);
  /** How many lines of each statement have been on the screen. */
  const seen = useRef(new Map<string, number>());
  useEffect(() => {
    const stop = subscribe(redraw);
    const timer = setInterval(redraw, REDRAW_MS);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, [subscribe]);
  const waiting = inbox.waiting;
  const current = waiting.find((review) => review.id === chosen) ?? waiting[0];
  const lines = current === undefined ? [] : bodyLines(current, columns - 4);
  const room = Math.max(3, rows - Math.min(waiting.length, LIST_SHOWN) - 22);
  const from = Math.min(top, Math.max(0, lines.length - room));
  const shown = lines.slice(from, from + room);
  const below = lines.length - from - shown.length;
  if (current !== undefined) {
    seen.current.set(current.id, Math.max(seen.current.get(current.id) ?? 0, from + shown.length));
  }
  const move = (step: number) => {
    const at = waiting.findIndex((review) => review.id === current?.id);
    choose(waiting[Math.max(0, Math.min(waiting.length - 1, at + step))]?.id);
    scroll(0);
    say('');
  };
  const turn = (line: number) => {
    scroll(line);
    say('');
  };
  useInput((input, key) => {
    if (key.ctrl && input === 'c') onQuit('interrupt');
    if (ask !== undefined) return;
    if (input === 'q') onQuit('q');
    else if (key.downArrow || input === 'j') move(1);
    else if (key.upArrow || input === 'k') move(-1);
    else if (key.pageDown || input === ' ') turn(Math.min(from + room - 1, Math.max(0, lines.length - room)));
    else if (key.pageUp) turn(Math.max(0, from - room + 1));
    else if (current !== undefined) {
      const wanted = asksOf(current).find((one) => one.key === input);
      if (wanted === undefined) return;
      if (wanted.verdict === 'approve' && (seen.current.get(current.id) ?? 0) < lines.length) {
        say('read it to its end first: space shows the rest');
      } else {
        say('');
        setAsk(wanted);
      }
    }
  });
  const answer = async (decision: Decision | undefined) => {
    setAsk(undefined);
    if (decision === undefined) return;
    say('…');
    say(await decide(decision));
  };
  return (
    <Box flexDirection="column">
      <Head gateway={gateway} waiting={waiting.length} trouble={trouble()} columns={columns} />
      <List waiting={waiting} current={current} columns={columns} now={now()} />
      {current !== undefined && (
        <Box flexDirection="column" borderStyle="round" paddingX={1} width={columns}>
          {factsOf(current, now()).map(([key, value]) => (
            <Text key={key} wrap="truncate-end">
              <Text dimColor>{key.padEnd(11)}</Text>
              {oneLine(value, columns - 16)}
            </Text>
          ))}
          {shown.map((words, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines of a text have nothing else
            <Line key={from + i} words={words} />
          ))}
          {(from > 0 || below > 0) && (
            <Text color="yellow">{`lines ${from + 1} to ${from + shown.length} of ${lines.length}; space shows more`}</Text>
          )}
        </Box>
      )}
      {inbox.decided.map((review) => (
        <Text key={review.id} dimColor wrap="truncate-end">
          {`${review.id} ${review.outcome ?? review.state}, ${nameOf(review.requester)} on ${review.connection}`}
        </Text>
      ))}
      {said !== '' && <Text color="cyan">{oneLine(said, columns)}</Text>}
      {ask === undefined ? <Keys current={current} /> : <Prompt ask={ask} done={(one) => void answer(one)} />}
    </Box>
  );
}

/** What is approved, in full: the statement, and its values below; the masks. */
function bodyLines(review: ReviewItem, width: number): readonly (readonly Word[])[] {
  if (review.masks !== undefined) return statementLines({ ...review, text: `lifts ${review.masks.join(', ')}` }, width);
  if (!review.text) return [];
  const reading = readingOf(review.text, review.bytes);
  const lines = [...(reading === '' ? [] : [reading]), ...valueLines(review.params, review.forms)];
  const values = lines.join('\n');
  const below = values === '' ? [] : statementLines({ ...review, text: values, touches: undefined }, width);
  return [...statementLines(review, width), ...below];
}

function Head(props: { gateway: string; waiting: number; trouble: string | undefined; columns: number }): ReactNode {
  const { gateway, waiting, trouble, columns } = props;
  return (
    <Text wrap="truncate-end">
      <Text bold>{waiting === 0 ? 'nothing waits' : `${waiting} ${waiting === 1 ? 'waits' : 'wait'}`}</Text>
      {` at ${gateway} `}
      {trouble !== undefined && <Text color="red">{oneLine(trouble, columns)}</Text>}
    </Text>
  );
}

function List(props: {
  waiting: readonly ReviewItem[];
  current: ReviewItem | undefined;
  columns: number;
  now: number;
}): ReactNode {
  const { waiting, current, columns, now } = props;
  const at = Math.max(
    0,
    waiting.findIndex((review) => review.id === current?.id),
  );
  const first = Math.max(0, Math.min(at - LIST_SHOWN + 1, waiting.length - LIST_SHOWN));
  const rows = waiting.slice(first, first + LIST_SHOWN);
  const hidden = waiting.length - rows.length;
  return (
    <Box flexDirection="column">
      {rows.map((review) => {
        const mine = review.id === current?.id;
        const what = review.text || `access${review.reason === undefined ? '' : `: ${review.reason}`}`;
        const ends = review.expiresAt === undefined ? '' : relativeTime(review.expiresAt, now);
        const line = `${review.id} ${nameOf(review.requester)} ${review.connection} ends ${ends} ${what}`;
        return (
          <Text key={review.id} wrap="truncate-end" bold={mine} {...(mine ? { color: 'yellow' } : {})}>
            {`${mine ? '▸' : ' '} ${oneLine(line, columns - 2)}`}
          </Text>
        );
      })}
      {hidden > 0 && <Text dimColor>{`  and ${hidden} more`}</Text>}
    </Box>
  );
}

function Line({ words }: { words: readonly Word[] }): ReactNode {
  return (
    <Text>
      {'  '}
      {words.map((word, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pieces of a line have nothing else
        <Text key={i} {...(word.marked ? { bold: true, color: 'yellow' } : {})}>
          {word.text}
        </Text>
      ))}
    </Text>
  );
}

function Keys({ current }: { current: ReviewItem | undefined }): ReactNode {
  const asks = current === undefined ? [] : asksOf(current).map((one) => `${one.key} ${one.label}`);
  return <Text dimColor>{[...asks, '↑↓ choose', 'q quits'].join('   ')}</Text>;
}

/** Shows it until the user quits; the exit code. */
export async function showReviews(
  context: Context,
  props: Omit<ReviewsViewProps, 'onQuit' | 'columns' | 'rows'>,
): Promise<number> {
  const { io } = context;
  const { promise, resolve } = Promise.withResolvers<number>();
  const rows = (io.stdout as NodeJS.WriteStream).rows || 24;
  function Screen(): ReactNode {
    const { exit } = useApp();
    const quit = (how: 'q' | 'interrupt') => {
      resolve(how === 'q' ? 0 : exitCodeOfSignal('SIGINT'));
      exit();
    };
    return <ReviewsView {...props} columns={io.columns} rows={rows} onQuit={quit} />;
  }
  await showScreen(io, <Screen />);
  return promise;
}
