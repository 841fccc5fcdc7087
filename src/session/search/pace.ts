// How fast the index follows the record: at full speed while the machine has a core to spare, and a small share of one while
// it has not, so that sessions do not wait for what can be done later. Refuses to know: what is indexed, clocks, threads.

/** The machine's and our own CPU time so far, in ms. */
export interface Load {
  /** Wall clock. */
  readonly at: number;
  /** That nobody used, over all cores. */
  readonly idle: number;
  /** Of this process, all its threads. */
  readonly process: number;
  /** Of the thread that indexes. */
  readonly own: number;
  /** That this process may use at once. */
  readonly cores: number;
}

/** Cores; with less to spare the index gives way. */
const ENOUGH = 0.75;
/** It then rests so many times as long as it worked. */
const RESTS = 99;
const LONGEST_REST_MS = 5000;
/** Between two looks at the machine: its clocks tick in hundredths of a second. */
const LOOK_MS = 200;

export class Pace {
  readonly #load: () => Load;
  #looked: Load;
  #spare = Number.POSITIVE_INFINITY;
  #worked: number;
  #hurried = Number.NEGATIVE_INFINITY;

  constructor(load: () => Load) {
    this.#load = load;
    this.#looked = load();
    this.#worked = this.#looked.own;
  }

  /** Somebody waits for what is not indexed yet: full speed for so long. */
  hurry(ms: number): void {
    this.#hurried = this.#load().at + ms;
  }

  /** After a piece of work: how many ms to rest before the next; 0: none. */
  rest(): number {
    const load = this.#load();
    const worked = load.own - this.#worked;
    this.#worked = load.own;
    const passed = load.at - this.#looked.at;
    if (passed >= LOOK_MS) {
      this.#spare = spare(this.#looked, load);
      this.#looked = load;
    }
    if (load.at < this.#hurried || this.#spare >= ENOUGH) return 0;
    return Math.min(worked * RESTS, LONGEST_REST_MS);
  }
}

/** Cores that others leave: of the machine, and of what the process may have of it. */
function spare(before: Load, now: Load): number {
  const passed = now.at - before.at;
  const own = now.own - before.own;
  const machine = (now.idle - before.idle + own) / passed;
  const allowed = now.cores - (now.process - before.process - own) / passed;
  return Math.min(machine, allowed);
}
