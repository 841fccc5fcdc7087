// `hoopctl sessions search [WORDS…]`: operations in recordings, by words and fields, newest first.

import { command as define } from '../../command.ts';
import { parseMoment } from '../../moment.ts';
import { painter } from '../../paint.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import type { FoundItem } from '../../shapes.ts';
import { localTime, table } from '../../text.ts';

export const command = define({
  options: {
    ...READING_OPTION,
    who: { value: 'WHO', help: "the principal's e-mail or subject" },
    actor: { value: 'NAME', help: 'the agent that acts for them' },
    connection: { value: 'NAME', help: 'only on this connection', complete: 'connections' },
    session: { value: 'ID', help: 'only in this session', complete: 'sessions' },
    verdict: { value: 'VERDICT', choices: ['allow', 'deny', 'review'], help: 'what was decided' },
    status: {
      value: 'STATUS',
      choices: ['ok', 'error', 'cancelled', 'unknown', 'refused'],
      help: 'how it came out',
    },
    rule: { value: 'NAME', help: 'the rule that decided' },
    does: { value: 'WORD', help: 'what it does: select, drop, exec, …' },
    relation: { value: 'NAME', help: 'reads or writes it: customers, public.customers' },
    masked: { value: 'COLUMN', help: 'this column of the result was masked, or by this mask' },
    function: { value: 'NAME', help: 'calls this function, or runs this program' },
    error: { value: 'CODE', help: "the target's error code, or that of the refusal" },
    review: { value: 'ID', help: 'waited for this review' },
    rows: { value: 'RANGE', help: 'rows of the result: >1000, <10, 5..10' },
    duration: { value: 'RANGE', help: 'how long it took: >1s, 10ms..50ms' },
    since: { value: 'TIME', help: 'from then on: 2h, 7d, 2026-11-20, 2026-11-20T08:00Z' },
    until: { value: 'TIME', help: 'before then' },
    limit: { value: 'N', default: '50', help: 'at most N' },
    before: { value: 'CURSOR', help: 'the next page: what --json gave as "next"' },
  },
  arguments: [
    { name: 'words', many: true, optional: true, help: 'all of these, in text or results; word* for a beginning' },
  ],
  notes: `Everybody finds their own operations; auditors and admins find all, and their searches are on record.
Results are found as they were sent: after masking. Operations of encrypted recordings have no words: they are found by who, where,
when, verdict, rule, status, rows and duration.`,
  run: async ({ words, since, until, reason, ...fields }, asked) => {
    const context = reasoned(asked, reason);
    const api = await context.api();
    const query = {
      ...fields,
      words: (words ?? []).join(' '),
      since: moment('--since', since),
      until: moment('--until', until),
    };
    const answer = await api.call<{ operations: FoundItem[]; next?: string; indexed?: string | null }>(
      'sessions/search',
      {
        query,
        signal: context.signal,
      },
    );
    if (answer.indexed !== undefined) context.io.say(behind(answer.indexed));
    const paint = await painter(context.io);
    await context.print(answer, () => {
      if (answer.operations.length === 0) return 'nothing found\n';
      const rows = answer.operations.map((found) => [
        localTime(found.at),
        `${found.session}#${found.op}`,
        found.principal,
        found.connection,
        found.verdict === 'allow' ? found.status : found.verdict,
        found.rows === undefined ? '' : String(found.rows),
        found.us === undefined ? '' : `${(found.us / 1000).toFixed(found.us < 100_000 ? 1 : 0)} ms`,
        found.text === '' ? '(no text)' : found.text,
      ]);
      const shown = table(['when', 'operation', 'who', 'connection', 'came out', 'rows', 'took', 'text'], rows, {
        ...(context.io.terminal.stdout ? { width: context.io.columns } : {}),
        paint: (cell, column) => (column === 4 ? paint(cell, cell) : cell),
      });
      return answer.next === undefined ? shown : `${shown}more: --before ${answer.next}\n`;
    });
  },
});

function behind(indexed: string | null): string {
  const found =
    indexed === null ? 'is being made' : `is behind: what was recorded since ${localTime(indexed)} may be missing`;
  return `note: the index ${found}; it catches up, search again in a moment`;
}

function moment(option: string, written: string | undefined): string | undefined {
  return written === undefined ? undefined : new Date(parseMoment(written, option, Date.now())).toISOString();
}
