// One decision being worded: for how much, and why. Enter says it, Esc takes it back.

import { Box, Text, useInput } from 'ink';
import { type ReactNode, useState } from 'react';
import { parseDuration } from '../../core/clock.ts';
import type { ReviewItem } from '../shapes.ts';

/** What a key asks for, of which review. */
export interface Ask {
  readonly key: string;
  readonly label: string;
  readonly id: string;
  readonly verdict: 'approve' | 'deny';
  readonly variant: 'once' | 'session' | 'time';
  /** Whether a reason has to be given. */
  readonly reasoned: boolean;
}

export interface Decision {
  readonly id: string;
  readonly verdict: 'approve' | 'deny';
  readonly reason?: string;
  readonly forSession?: true;
  /** A duration. */
  readonly for?: string;
}

/** What may be said of a review. */
export function asksOf(review: ReviewItem): readonly Ask[] {
  const base = { id: review.id, reasoned: review.reviewers?.reason === 'required' };
  const approve = { ...base, verdict: 'approve' } as const;
  return [
    { ...approve, key: 'a', label: review.kind === 'operation' ? 'approve once' : 'approve', variant: 'once' },
    ...(review.shape === undefined
      ? []
      : [{ ...approve, key: 's', label: 'its shape for the session', variant: 'session' as const }]),
    ...(review.kind === 'operation'
      ? [{ ...approve, key: 't', label: 'it for a time', variant: 'time' as const }]
      : []),
    { ...base, verdict: 'deny', key: 'd', label: 'deny', variant: 'once' },
  ];
}

const WORDS = {
  once: '',
  session: ' every statement of this shape in its session',
  time: ' this statement for a time',
} as const;

export function Prompt({ ask, done }: { ask: Ask; done(decision: Decision | undefined): void }): ReactNode {
  const [text, write] = useState('');
  const [time, setTime] = useState<string | undefined>(undefined);
  const [wrong, setWrong] = useState('');
  const wantsTime = ask.variant === 'time' && time === undefined;
  const enter = () => {
    const trimmed = text.trim();
    if (wantsTime) {
      const given = trimmed === '' ? '15m' : trimmed;
      if (!parseDuration(given)) {
        setWrong(`'${given}' is no duration such as 15m`);
        return;
      }
      setTime(given);
      write('');
      setWrong('');
      return;
    }
    if (ask.reasoned && trimmed === '') {
      setWrong('a reason is required');
      return;
    }
    done({
      id: ask.id,
      verdict: ask.verdict,
      ...(trimmed === '' ? {} : { reason: trimmed }),
      ...(ask.variant === 'session' ? { forSession: true as const } : {}),
      ...(time === undefined ? {} : { for: time }),
    });
  };
  useInput((input, key) => {
    if (key.escape) done(undefined);
    else if (key.return) enter();
    else if (key.backspace || key.delete) write((before) => [...before].slice(0, -1).join(''));
    else if (!key.ctrl && !key.meta && input !== '')
      write((before) => (before + input.replace(/\p{Cc}/gu, ' ')).slice(0, 1000));
  });
  const question = wantsTime ? 'for how long (15m)' : `reason${ask.reasoned ? '' : ' (or none)'}`;
  return (
    <Box flexDirection="column">
      <Text>
        <Text bold color={ask.verdict === 'deny' ? 'red' : 'green'}>
          {`${ask.verdict} ${ask.id}${WORDS[ask.variant]}`}
        </Text>
        {time === undefined ? '' : ` (${time})`}, {question}: {text}
        <Text inverse> </Text>
      </Text>
      {wrong !== '' && <Text color="red">{wrong}</Text>}
      <Text dimColor>Enter says it, Esc takes it back</Text>
    </Box>
  );
}
