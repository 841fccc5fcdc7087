// `hoopctl sessions watch ID`: the screen of a live shell, as whoever works there has it, read-only.

import { userError } from '../../../core/errors.ts';
import { type Scene, Scenes } from '../../../session/output/scenes.ts';
import { route } from '../../api.ts';
import { command as define } from '../../command.ts';
import type { Context } from '../../context.ts';
import { type Emulator, newEmulator } from '../../emulator.ts';
import { IDENTITY_OPTION, readerFrom } from '../../encrypted.ts';
import { exitCodeOfSignal } from '../../exit.ts';
import { growingLines } from '../../live-record.ts';
import { operationNumber } from '../../operation.ts';
import { READING_OPTION, reasoned } from '../../reading.ts';
import { nameOf, type SessionItem } from '../../shapes.ts';
import { canDraw, Stage } from '../../stage.ts';
import { oneLine } from '../../text.ts';

/** The screen is drawn when nothing came for so long, and at the latest so long after something came, ms. */
const CALM_MS = 15;
const LATEST_MS = 150;

export const command = define({
  signals: 'own',
  options: {
    ...READING_OPTION,
    ...IDENTITY_OPTION,
    operation: { value: 'N', help: 'which shell or command of the session (default: whichever shows something)' },
  },
  arguments: [{ name: 'id', help: 'the session', complete: 'sessions' }],
  notes: `Draws what the shell's screen is now, then follows it; nothing that is typed reaches it. q or Ctrl-C leaves. That it was watched
is on record. What is shown is what is recorded: masked, and without a way to steer this terminal. Without a terminal:
hoopctl sessions tail ID.`,
  run: async ({ id, operation, identity, reason }, asked) => {
    const context = reasoned(asked, reason);
    const only = operationNumber(operation);
    if (context.json || !canDraw(context.io)) {
      throw userError('no_terminal', "'sessions watch' draws on a terminal, and this is none", {
        fix: `hoopctl sessions tail ${id}`,
      });
    }
    const reader = readerFrom(identity, context);
    const api = await context.api();
    const left = new AbortController();
    const signal = AbortSignal.any([context.signal, left.signal]);
    const lines = growingLines(api, id, { reader, signal });
    // The first lines before anything is drawn: what is refused is told on the screen as it was.
    const first = await lines.next();
    const session = await api.call<SessionItem>(route`sessions/${id}`, { signal });
    if (session.state !== 'open') {
      left.abort();
      throw userError('conflict', `session "${id}" is over`, { fix: `hoopctl sessions replay ${id}` });
    }
    const who = oneLine(`${nameOf(session.principal)} on ${session.connection}`);
    const scenes = new Scenes(only);
    const view = await View.open(context, `${id}  ${who}`, () => left.abort());
    let told: string | undefined;
    try {
      for (let next = first; next.done !== true; next = await lines.next()) {
        const shown: Scene[] = [];
        for (const line of next.value) {
          const scene = scenes.line(line);
          if (scene !== undefined) shown.push(scene);
          if (line.kind === 'end') told = oneLine(String(line.message ?? line.code));
        }
        await view.show(shown);
      }
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    } finally {
      view.close();
    }
    if (context.signal.aborted) return exitCodeOfSignal((context.signal.reason as { signal: NodeJS.Signals }).signal);
    if (!left.signal.aborted) context.io.say(`${id} ended${told === undefined ? '' : `: ${told}`}`);
    return 0;
  },
});

class View {
  readonly #title: string;
  readonly #screen: Emulator;
  readonly #stage: Stage;
  #calm: NodeJS.Timeout | undefined;
  #latest: NodeJS.Timeout | undefined;

  static async open({ io }: Context, title: string, leave: () => void): Promise<View> {
    return new View(await newEmulator({ columns: 80, rows: 24 }), io, title, leave);
  }

  private constructor(screen: Emulator, io: Context['io'], title: string, leave: () => void) {
    this.#screen = screen;
    this.#title = title;
    this.#stage = new Stage(io, {
      key: (key) => {
        if (key === 'q' || key === '\u0003') leave();
      },
      resized: () => this.#draw(),
    });
    this.#draw();
  }

  async show(scenes: readonly Scene[]): Promise<void> {
    await this.#screen.show(scenes);
    clearTimeout(this.#calm);
    this.#calm = setTimeout(() => this.#draw(), CALM_MS);
    this.#latest ??= setTimeout(() => this.#draw(), LATEST_MS);
  }

  close(): void {
    clearTimeout(this.#calm);
    clearTimeout(this.#latest);
    this.#stage.close();
    this.#screen.dispose();
  }

  #draw(): void {
    clearTimeout(this.#calm);
    clearTimeout(this.#latest);
    this.#latest = undefined;
    const { columns, rows } = this.#screen.size;
    this.#stage.draw(this.#screen, ` live, read-only  ${this.#title}  ${columns}x${rows}  q leaves`);
  }
}
