// The live view of `hoopctl connect`: connections, what waits for approval, the last operations. Redrawn when something
// changed, at most five times a second.

import { Box, Text, useApp, useInput } from 'ink';
import { type ReactNode, useEffect, useState } from 'react';
import type { ClientStatus, ConnectionState, OperationState, ReviewState } from '../../client/status.ts';
import { formatDuration } from '../../core/clock.ts';
import type { Context, SignalReason } from '../context.ts';
import { exitCodeOfSignal } from '../exit.ts';
import { shownFacts } from '../lines.ts';
import { byteSize, localTime, oneLine } from '../text.ts';
import { showScreen } from './screen.tsx';

const REDRAW_MS = 200;
const OPERATIONS_SHOWN = 8;

const COLORS = { allow: 'green', deny: 'red', review: 'yellow' } as const;

export interface ConnectViewProps {
  readonly status: ClientStatus;
  readonly gateway: string;
  readonly columns: number;
  readonly now?: () => number;
  /** `q`: quit; `interrupt`: Ctrl-C. */
  onQuit(how: 'q' | 'interrupt'): void;
}

export function ConnectView({ status, gateway, columns, now = Date.now, onQuit }: ConnectViewProps): ReactNode {
  useRedraw(status);
  useInput((input, key) => {
    if (input === 'q') onQuit('q');
    if (key.ctrl && input === 'c') onQuit('interrupt');
  });
  const operations = status.operations.slice(-OPERATIONS_SHOWN).reverse();
  return (
    <Box flexDirection="column">
      <Text>
        hoopctl → {gateway}{' '}
        {status.gateway.reachable ? (
          <Text color="green">connected</Text>
        ) : (
          <Text color="red">{oneLine(status.gateway.message ?? 'not reachable', columns)}</Text>
        )}
      </Text>
      {status.connections.map((connection) => (
        <Connection key={connection.name} connection={connection} columns={columns} />
      ))}
      {[...status.reviews.values()].map((review) => (
        <Review key={review.review} review={review} now={now()} />
      ))}
      {operations.length > 0 && <Text dimColor>last operations</Text>}
      {operations.map((operation) => (
        <Operation
          key={`${operation.session}#${operation.n}#${operation.at}`}
          operation={operation}
          columns={columns}
          named={status.connections.length > 1}
        />
      ))}
      {status.trouble !== undefined && <Text color="red">{oneLine(status.trouble, columns)}</Text>}
      <Text dimColor>q quits</Text>
    </Box>
  );
}

function Connection({ connection, columns }: { connection: ConnectionState; columns: number }): ReactNode {
  const { name, host, port, url, facts, open, total, sent, received, refused } = connection;
  const known = shownFacts(facts).map(([key, value]) => `${key} ${value}`);
  const counts = `${open} open, ${total} so far, ${byteSize(sent)} out, ${byteSize(received)} in`;
  return (
    <Box flexDirection="column" marginTop={1} marginBottom={1}>
      <Text>
        <Text bold>{name}</Text> {oneLine([`${host}:${port}`, ...known].join(', '), columns)}
      </Text>
      <Text wrap="truncate-end">{`  ${url}`}</Text>
      <Text dimColor>
        {'  '}
        {counts}
        {refused > 0 ? `, ${refused} refused` : ''}
      </Text>
    </Box>
  );
}

function Review({ review, now }: { review: ReviewState; now: number }): ReactNode {
  return (
    <Text color="yellow">
      {review.review} waits for approval by rule {oneLine(review.rule, 40)} for {formatDuration(now - review.at)}:
      hoopctl reviews approve {review.review}
    </Text>
  );
}

function Operation(props: { operation: OperationState; columns: number; named: boolean }): ReactNode {
  const { operation, columns, named } = props;
  const head = `${localTime(operation.at).slice(11)} ${named ? `${operation.connection} ` : ''}#${operation.n} `;
  const rule = operation.rule === undefined ? '' : ` by ${oneLine(operation.rule, 30)}`;
  const room = columns - head.length - operation.verdict.length - rule.length - 2;
  return (
    <Text wrap="truncate-end">
      {head}
      <Text color={COLORS[operation.verdict]}>{operation.verdict}</Text>
      {rule} {oneLine(operation.text, Math.max(20, room))}
    </Text>
  );
}

/** Looks a few times a second whether there is something new: bytes are counted without telling anybody. */
function useRedraw(status: ClientStatus): void {
  const [, draw] = useState('');
  useEffect(() => {
    const timer = setInterval(() => {
      const bytes = status.connections.map(({ sent, received }) => `${sent}/${received}`);
      const waits = status.reviews.size > 0 ? Math.floor(Date.now() / 1000) : 0;
      draw(`${status.version} ${bytes.join(' ')} ${waits}`);
    }, REDRAW_MS);
    return () => clearInterval(timer);
  }, [status]);
}

function Screen(
  props: Omit<ConnectViewProps, 'onQuit'> & { done(code: number): void; signal: AbortSignal },
): ReactNode {
  const { done, signal, ...view } = props;
  const { exit } = useApp();
  useEffect(() => {
    const leave = () => {
      done(exitCodeOfSignal((signal.reason as SignalReason).signal));
      exit();
    };
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    return () => signal.removeEventListener('abort', leave);
  }, [done, exit, signal]);
  return (
    <ConnectView
      {...view}
      onQuit={(how) => {
        done(how === 'q' ? 0 : exitCodeOfSignal('SIGINT'));
        exit();
      }}
    />
  );
}

/** Shows it until the user quits; the exit code. */
export async function showConnect(context: Context, status: ClientStatus, gateway: string): Promise<number> {
  const { io, signal } = context;
  let code = 0;
  const done = (result: number) => {
    code = result;
  };
  await showScreen(io, <Screen status={status} gateway={gateway} columns={io.columns} signal={signal} done={done} />);
  return code;
}
