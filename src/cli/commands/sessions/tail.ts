// `hoopctl sessions tail [ID]`: what happens, as it happens, until the session ends or we are stopped.

import { userError } from '../../../core/errors.ts';
import type { OutputEvent, SessionEvent } from '../../../session/events.ts';
import { Transcript } from '../../../session/output/transcript.ts';
import { decodeBytes } from '../../../session/recorder/line.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import { type Paint, painter } from '../../paint.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { localTime, oneLine, plural } from '../../text.ts';
import { outputLines } from '../../timeline.ts';

export const command = define({
  options: { ...READING_OPTION, all: { help: 'all sessions, for auditors and admins: as without an ID' } },
  arguments: [
    { name: 'id', optional: true, help: 'the session (default: all, for auditors and admins)', complete: 'sessions' },
  ],
  notes: `Of one session also what its operations put out, as plain lines; what a shell draws is seen with 'sessions watch'. With --json
one event a line. Replay has the whole text and the results.`,
  run: async ({ id, all, reason }, asked) => {
    const context = reasoned(asked, reason);
    if (all && id !== undefined) throw userError('usage', '--all and a session are two things');
    const { io } = context;
    const api = await context.api();
    const paint = await painter(io);
    const path = id === undefined ? 'sessions/tail' : route`sessions/${id}/tail`;
    const query = id === undefined ? {} : { output: 'true' };
    const shown = new Shown();
    // Not before it is known that somebody may.
    const answered = () => {
      if (!context.json && id === undefined) io.say('watching all sessions, Ctrl-C to stop');
    };
    for await (const event of api.lines<SessionEvent>(path, { query, signal: context.signal, answered })) {
      await context.print(event, () =>
        event.type === 'output' ? shown.text(event) : `${shown.before(event)}${eventText(event, paint)}`,
      );
    }
  },
});

/** What operations put out, as lines. */
class Shown {
  readonly #transcripts = new Map<string, Transcript>();

  /** The lines that are whole now. */
  text(event: OutputEvent): string {
    const key = `${event.n}.${event.stream}`;
    const transcript = this.#transcripts.get(key) ?? new Transcript();
    this.#transcripts.set(key, transcript);
    return outputLines(event.stream, transcript.push(decodeBytes(event)));
  }

  /** What was put out and has no end, before an operation's or the session's end is told. */
  before(event: SessionEvent): string {
    if (event.type !== 'result' && event.type !== 'end') return '';
    let text = '';
    for (const [key, transcript] of this.#transcripts) {
      const [n, stream] = key.split('.') as [string, 'out' | 'err'];
      if (event.type === 'result' && n !== `${event.n}`) continue;
      text += outputLines(stream, transcript.end());
      this.#transcripts.delete(key);
    }
    return text;
  }
}

export function eventText(event: Exclude<SessionEvent, { type: 'output' }>, paint: Paint): string {
  if (event.type === 'lost') return `${paint('quiet', `… ${event.count} events were lost: this is too slow`)}\n`;
  const stamp = event.type === 'end' && event.at === undefined ? '' : localTime(event.at).slice(11);
  return `${paint('quiet', oneLine(`${stamp} ${event.session}`))} ${what(event, paint)}\n`;
}

function what(event: Exclude<SessionEvent, { type: 'lost' | 'output' }>, paint: Paint): string {
  switch (event.type) {
    case 'begin':
      return oneLine(`${event.principal} on ${event.connection}`);
    case 'operation': {
      const verdict = event.verdict === 'hold' ? 'review' : event.verdict;
      return `#${event.n} ${paint(verdict)}${event.rule === undefined ? '' : ` by ${oneLine(event.rule)}`}  ${oneLine(event.text)}`;
    }
    case 'result': {
      const rows = event.rows === undefined ? '' : `, ${plural(event.rows, 'row')}`;
      return `#${event.n} → ${paint(event.status)}${rows}${event.error === undefined ? '' : `: ${oneLine(event.error)}`}`;
    }
    case 'review':
      return `review ${event.id} ${paint(event.state)}${event.rule === undefined ? '' : ` by ${oneLine(event.rule)}`}`;
    case 'end':
      return oneLine(`ended: ${event.message} (${event.code})`);
  }
}
