// Plays a shell's recording on the user's terminal: its screen at each moment, at its own pace or another.
// Refuses to know: where the recording comes from, whether it is genuine.

import type { Scene } from '../session/output/scenes.ts';
import type { Io } from './io.ts';
import { type Move, move, type Player, pause, SPEEDS, startPlayer } from './player.ts';
import { Screening } from './screening.ts';
import { Stage } from './stage.ts';

/** How far an arrow goes, ms. */
const ARROW_MS = 5000;
/** Scenes closer together than this, in the time of whoever looks, are shown as one. */
const TOGETHER_MS = 10;

const KEYS = 'space play/pause  ←/→ 5 s  [/] command  +/- speed  g/G begin/end  / find  n again  q quit';

const MOVES: Readonly<Record<string, Move>> = {
  ' ': 'toggle',
  '[': 'previous',
  ']': 'next',
  '+': 'faster',
  '=': 'faster',
  '-': 'slower',
  g: 'first',
  G: 'last',
};
const ARROWS: Readonly<Record<string, number>> = {
  '\u001b[C': ARROW_MS,
  '\u001bOC': ARROW_MS,
  '\u001b[D': -ARROW_MS,
  '\u001bOD': -ARROW_MS,
};

export interface ScreenPlayerOptions {
  readonly scenes: readonly Scene[];
  readonly title: string;
  readonly speed: number;
  readonly signal: AbortSignal;
}

/** Until the user quits; how. Errors: no_terminal. */
export async function playScreen(io: Io, options: ScreenPlayerOptions): Promise<'quit' | 'interrupt'> {
  const screening = await Screening.open(options.scenes);
  return new ScreenPlayer(io, screening, options).done.promise;
}

class ScreenPlayer {
  readonly done = Promise.withResolvers<'quit' | 'interrupt'>();
  readonly #screening: Screening;
  readonly #stage: Stage;
  readonly #title: string;
  #player: Player;
  /** What is being typed to be found; undefined: nothing is. */
  #typed: string | undefined;
  #told = '';
  #timer: NodeJS.Timeout | undefined;
  /** One after the other: a screen is written to in order. */
  #queue: Promise<void> = Promise.resolve();
  #over = false;

  constructor(io: Io, screening: Screening, { scenes, title, speed, signal }: ScreenPlayerOptions) {
    this.#screening = screening;
    this.#title = title;
    const frames = scenes.map(({ at, begins, command }) => ({
      at,
      text: '',
      operation: begins === true || command !== undefined,
    }));
    this.#player = startPlayer(frames, speed);
    this.#stage = new Stage(io, { key: (key) => this.#then(() => this.#key(key)), resized: () => this.#draw() });
    if (signal.aborted) this.#quit('interrupt');
    else signal.addEventListener('abort', () => this.#quit('interrupt'), { once: true });
    this.#then(() => this.#show());
  }

  #then(what: () => Promise<void>): void {
    this.#queue = this.#queue
      .then(() => (this.#over ? undefined : what()))
      .catch((thrown: unknown) => {
        this.#close();
        this.done.reject(thrown);
      });
  }

  async #key(key: string): Promise<void> {
    if (key === '\u0003') return this.#quit('interrupt');
    this.#told = '';
    if (this.#typed !== undefined) return this.#type(key, this.#typed);
    if (key === 'q') return this.#quit('quit');
    if (key === '/') {
      this.#typed = '';
      this.#draw();
    } else if (key === 'n') await this.#find(this.#player.wanted);
    else if (ARROWS[key] !== undefined) await this.#show(this.#by(ARROWS[key]));
    else if (Object.hasOwn(MOVES, key)) await this.#show(MOVES[key]);
  }

  async #type(key: string, typed: string): Promise<void> {
    if (key === '\r' || key === '\n') {
      this.#typed = undefined;
      return this.#find(typed);
    }
    if (key === '\u001b') this.#typed = undefined;
    else if (key === '\u007f' || key === '\b') this.#typed = [...typed].slice(0, -1).join('');
    else if (!/\p{Cc}/u.test(key)) this.#typed = typed + key;
    this.#draw();
  }

  async #find(wanted: string): Promise<void> {
    this.#halt();
    this.#player = { ...this.#player, playing: false, wanted };
    this.#told = 'looking for it …';
    this.#draw();
    const found = await this.#screening.find(wanted, this.#player.shown);
    this.#told = found === undefined ? `not found: ${wanted}` : '';
    await this.#show(found === undefined ? undefined : { to: found });
  }

  /** So far on, or back. */
  #by(ms: number): Move {
    const { frames, shown } = this.#player;
    const at = (frames[shown - 1]?.at ?? 0) + ms;
    const index = frames.findIndex((frame) => frame.at > at);
    return { to: index < 0 ? frames.length : Math.max(index, 1) };
  }

  async #show(to?: Move): Promise<void> {
    if (to !== undefined) this.#player = move(this.#player, to);
    await this.#screening.to(this.#player.shown);
    this.#draw();
    this.#halt();
    const wait = pause(this.#player);
    if (wait === undefined) return;
    const timer = setTimeout(() => {
      // A key that came before it may have changed what is next.
      this.#then(async () => (this.#timer === timer ? this.#show({ to: this.#next() }) : undefined));
    }, wait);
    this.#timer = timer;
  }

  #halt(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The end of what comes at once. */
  #next(): number {
    const { frames, shown, speed } = this.#player;
    let next = shown + 1;
    const from = frames[shown]?.at ?? 0;
    while (next < frames.length && frames[next]!.at - from < TOGETHER_MS * SPEEDS[speed]!) next++;
    return Math.min(next, frames.length);
  }

  #draw(): void {
    if (!this.#over) this.#stage.draw(this.#screening.screen, this.#status());
  }

  #status(): string {
    if (this.#typed !== undefined) return ` find: ${this.#typed}▏`;
    const { frames, shown, playing, speed } = this.#player;
    const state = shown >= frames.length ? 'end' : playing ? `▶ ${SPEEDS[speed]}×` : '⏸';
    const began = frames[0]?.at ?? 0;
    const place = `${clock((frames[shown - 1]?.at ?? began) - began)}/${clock((frames.at(-1)?.at ?? began) - began)}`;
    return ` ${state}  ${place}  ${this.#told === '' ? KEYS : this.#told}  ${this.#title}`;
  }

  #quit(how: 'quit' | 'interrupt'): void {
    this.#close();
    this.done.resolve(how);
  }

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#halt();
    this.#stage.close();
    this.#screening.screen.dispose();
  }
}

/** `1:02:03` or `02:03`. */
function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours === 0 ? '' : `${hours}:`}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
