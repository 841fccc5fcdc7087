// `hoopctl sessions replay ID`: what was asked, decided and answered, in order; the chain is checked while it is read. Played on
// a terminal, a text otherwise.

import { userError } from '../../../core/errors.ts';
import { type Scene, Scenes } from '../../../session/output/scenes.ts';
import type { Line } from '../../../session/recorder/reader.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { IDENTITY_OPTION, readerFrom, recordedLines } from '../../encrypted.ts';
import { exitCodeOfSignal } from '../../exit.ts';
import { operationNumber } from '../../operation.ts';
import { type Paint, painter } from '../../paint.ts';
import type { Frame } from '../../player.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { canDraw } from '../../stage.ts';
import { jsonLine, plural } from '../../text.ts';
import { Timeline } from '../../timeline.ts';

export const command = define({
  options: {
    ...IDENTITY_OPTION,
    ...READING_OPTION,
    rows: { negated: true, help: 'leave out the rows of results' },
    play: { help: 'play it on the terminal, also what is no shell: space pauses, arrows move, / finds, q quits' },
    text: { help: 'print a shell as a text too, where it would be played' },
    speed: { value: 'FACTOR', default: '1', help: 'how fast it is played, e.g. 0.5 or 8' },
    operation: { value: 'N', help: 'play this shell or command alone (default: all that show something, in turn)' },
  },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  notes: `A shell is played on a terminal as its screen was; everything else, and without a terminal, is printed as a text. With --json the
lines of the recording as they are, those that are encrypted put together again. Exit code 1 when the recording is not what was
written.`,
  run: async ({ id, rows, play, text, speed, operation, identity, reason }, asked) => {
    const context = reasoned(asked, reason);
    const { Vouched } = await import('../../vouched.ts');
    const { io } = context;
    const factor = Number(speed);
    if (!(factor > 0)) throw userError('usage', `--speed is '${speed}', expected a number above 0`);
    if (play && text) throw userError('usage', '--play and --text are two things');
    if (play && !context.json && !(io.interactive && io.terminal.stdout)) {
      throw userError('no_terminal', '--play needs a terminal', {
        fix: 'leave it out: the recording is printed as a text',
      });
    }
    const reader = readerFrom(identity, context);
    const told = context.json || text ? 'text' : play ? 'play' : undefined;
    const way = told ?? (canDraw(io) ? undefined : 'text');
    const output = new Output(context, { way, rows, only: operationNumber(operation) });
    const { signal } = context;
    const api = await context.api();
    const vouched = await Vouched.of(api, id, signal);
    for await (const lines of recordedLines(api, id, { reader, signal, raw: vouched.raw })) await output.take(lines);
    const code = await output.end(id, factor);
    const problems = vouched.problems();
    for (const problem of problems) io.say(`the recording was changed: ${problem}`);
    if (problems.length > 0) return 1;
    if (!context.json) io.say(vouched.said);
    return code;
  },
});

/** Kinds of lines that something is shown by, or by which it is known that nothing will be. */
const SHOWING = new Set(['data', 'rows', 'result', 'end']);

/** Operations that are named at most. */
const NAMED = 10;

/** What becomes of the lines: printed as they come, or kept to be played. */
class Output {
  readonly #context: Context;
  readonly #rows: boolean;
  readonly #scenes: Scenes;
  readonly #played: Scene[] = [];
  readonly #frames: Frame[] = [];
  /** Operations that a client asked for. */
  readonly #asked = new Set<number>();
  readonly #only: number | undefined;
  /** Until the way is known. */
  #waiting: Line[] = [];
  #way: 'text' | 'play' | undefined;
  #timeline: Timeline | undefined;

  constructor(
    context: Context,
    options: { way: 'text' | 'play' | undefined; rows: boolean; only: number | undefined },
  ) {
    this.#context = context;
    this.#rows = options.rows;
    this.#way = options.way;
    this.#only = options.only;
    this.#scenes = new Scenes(options.only);
  }

  /** Without being told, it is played when the first thing that shows something has a terminal. */
  async take(lines: readonly Line[]): Promise<void> {
    for (const line of this.#way === undefined ? lines : []) {
      if (line.kind === 'note' && line.note === 'terminal') this.#way = 'play';
      else if (SHOWING.has(line.kind)) this.#way = 'text';
      if (this.#way !== undefined) break;
    }
    this.#waiting.push(...lines);
    if (this.#way !== undefined) await this.#take(this.#waiting.splice(0), this.#way);
  }

  /** The exit code. */
  async end(id: string, speed: number): Promise<number> {
    const context = this.#context;
    if (this.#way !== 'play') {
      await this.#take(this.#waiting, 'text');
      return 0;
    }
    const title = `${id}  ${plural(this.#frames.length, 'line')}`;
    if (!this.#scenes.terminal) {
      const { showReplay } = await import('../../views/replay.tsx');
      return showReplay(context, this.#frames, title, speed);
    }
    if (this.#played.length === 0) {
      throw userError('not_found', 'that operation showed nothing', { fix: 'leave --operation out' });
    }
    const { playScreen } = await import('../../screen-player.ts');
    const how = await playScreen(context.io, { scenes: this.#played, title: id, speed, signal: context.signal });
    const rest = this.#unplayed();
    if (rest !== '') context.io.say(`not in what was played: ${rest}; hoopctl sessions replay ${id} --text`);
    return how === 'quit' ? 0 : exitCodeOfSignal('SIGINT');
  }

  /** What a screen does not show: files, forwardings, and what went on beside it. */
  #unplayed(): string {
    const { told, missed } = this.#scenes;
    if (this.#only !== undefined) return '';
    const rest = [...this.#asked].filter((op) => !told.has(op) || missed.has(op));
    const more = rest.length > NAMED ? ` and ${rest.length - NAMED} more` : '';
    return `${rest
      .slice(0, NAMED)
      .map((op) => `#${op}`)
      .join(', ')}${more}`;
  }

  async #take(lines: readonly Line[], way: 'text' | 'play'): Promise<void> {
    const { json, io } = this.#context;
    const width = io.terminal.stdout ? io.columns : undefined;
    const paint: Paint = way === 'play' ? (_, text = _) => text : await painter(io);
    this.#timeline ??= new Timeline({ paint, width, rows: this.#rows });
    const timeline = this.#timeline;
    if (way === 'text') {
      await io.write(lines.map((line) => (json ? jsonLine(line, io.terminal.stdout) : timeline.text(line))).join(''));
      return;
    }
    for (const line of lines) {
      if (line.kind === 'intent' && line.how !== 'command') this.#asked.add(Number(line.op));
      const scene = this.#scenes.line(line);
      if (scene !== undefined) this.#played.push(scene);
      this.#frames.push({ at: Date.parse(line.at), text: timeline.text(line), operation: line.kind === 'intent' });
    }
  }
}
