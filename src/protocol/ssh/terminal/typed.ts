// What a client types, for the record: as far as the host shows it. Where the host gives back what was typed it is recorded;
// what it does not give back, a password, is not, and only that there was something. No I/O: bytes and the time in.
// Refuses to know: how it is recorded, what is done with output.

/** What was typed and not shown so long after is not going to be, ms. */
export const ECHO_MS = 1000;
/** More than this is not waited for. */
const MOST_PENDING = 64 * 1024;
/** So much of the end of the last line is remembered, to know what it asks for. */
const REMEMBERED = 200;
/** Bytes of output that are looked at for it: there is much output, and what asks stands at its end. */
const LOOKED_AT = 2048;

/** A line that asks for a secret: that it is shown on the way does not make it less of one. */
const ASKS =
  /(?:pass(?:word|phrase|code|wd)?|\bpin|secret|token|one-time|verification code|\botp|kennwort|passwort|mot de passe|contraseña|senha|пароль|密码|パスワード)[^\n]{0,80}[:?>：]\s*$/iu;

const SEQUENCE = sequences();

/** What of some output is what was typed. */
export interface Echo {
  /** So many bytes, from the first. */
  readonly bytes: number;
  /** It answers a question for a secret. */
  readonly secret: boolean;
}

const NONE: Echo = { bytes: 0, secret: false };

export interface TypedEvents {
  record(bytes: Buffer): void;
  /** Something was typed that is not recorded. */
  withhold(): void;
}

export class Typed {
  readonly #events: TypedEvents;
  readonly #terminal: boolean;
  /** Typed, and not shown yet: bytes as Latin-1. */
  #pending = '';
  #since = 0;
  /** The end of what the host wrote: bytes as Latin-1. What it says is asked when something is typed. */
  #tail = '';
  /** That line asks for a secret, until a line is typed. */
  #secret = false;
  #withheld = false;

  /** `terminal`: the host gives back what is typed; otherwise it is recorded unless a secret was asked for. */
  constructor(terminal: boolean, events: TypedEvents) {
    this.#terminal = terminal;
    this.#events = events;
  }

  /** When `tick` is due; undefined: nothing waits. */
  get due(): number | undefined {
    return this.#pending === '' ? undefined : this.#since + ECHO_MS;
  }

  type(bytes: Buffer, now: number): void {
    this.#secret ||= ASKS.test(Buffer.from(lastLine(this.#tail), 'latin1').toString());
    if (!this.#terminal) {
      this.#take(bytes);
      return;
    }
    if (this.#pending === '') this.#since = now;
    this.#pending += bytes.toString('latin1');
    if (this.#pending.length > MOST_PENDING) this.#give();
  }

  /** What of the output is what was typed. */
  shown(bytes: Buffer, now: number): Echo {
    const echo = this.#pending === '' ? NONE : this.#match(bytes.toString('latin1'), now);
    const from = Math.max(echo.bytes, bytes.length - LOOKED_AT);
    if (from > echo.bytes) this.#tail = '';
    this.#tail = (this.#tail + bytes.toString('latin1', from)).slice(-LOOKED_AT);
    return echo;
  }

  tick(now: number): void {
    const { due } = this;
    if (due !== undefined && now >= due) this.#give();
  }

  end(): void {
    this.#give();
  }

  // -------------------------------------------------------------------------------------------------------------------

  /** Input of a program that has no terminal. */
  #take(bytes: Buffer): void {
    let from = 0;
    if (this.#secret) {
      const end = bytes.indexOf(10);
      this.#withhold();
      if (end < 0) return;
      this.#secret = false;
      this.#tail = '';
      from = end + 1;
    }
    this.#record(bytes.toString('latin1', from));
  }

  #match(text: string, now: number): Echo {
    let at = past(text, 0);
    let used = 0;
    let recorded = '';
    while (used < this.#pending.length) {
      const control = controlAt(this.#pending, used);
      if (control > 0) {
        const unit = this.#pending.slice(used, used + control);
        // What ends a line is shown as one, other controls as ^C, or not at all.
        if (/^[\r\n]$/.test(unit)) {
          while (text[at] === '\r' || text[at] === '\n') at++;
        } else if (text[at] === '^' && text.charCodeAt(at + 1) === (unit.charCodeAt(0) ^ 64)) at += 2;
        recorded += unit;
        used += control;
      } else if (at >= text.length) {
        break;
      } else if (text[at] === this.#pending[used]) {
        recorded += this.#pending[used++];
        at++;
      } else {
        // Something else is shown: what was typed is not.
        this.#give();
        return NONE;
      }
      at = past(text, at);
    }
    this.#pending = this.#pending.slice(used);
    this.#since = now;
    const secret = this.#secret;
    if (secret) this.#withhold();
    else this.#record(recorded);
    this.#typed(recorded);
    return { bytes: at, secret };
  }

  /** Nothing of what was typed is going to be shown: keys are recorded, characters are not. */
  #give(): void {
    const pending = this.#pending;
    this.#pending = '';
    let keys = '';
    for (let at = 0; at < pending.length; ) {
      const control = controlAt(pending, at);
      keys += pending.slice(at, at + control);
      at += Math.max(1, control);
    }
    if (keys.length < pending.length) this.#withhold();
    this.#record(keys);
    this.#typed(keys);
  }

  #typed(text: string): void {
    if (!/[\r\n]/.test(text)) return;
    this.#secret = false;
    this.#tail = '';
  }

  #record(text: string): void {
    if (text === '') return;
    this.#withheld = false;
    this.#events.record(Buffer.from(text, 'latin1'));
  }

  /** Once for all that comes together. */
  #withhold(): void {
    if (!this.#withheld) this.#events.withhold();
    this.#withheld = true;
  }
}

/** The end of the line that is being written, as it is seen. */
function lastLine(text: string): string {
  const start = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1;
  return text.slice(start).replace(SEQUENCE.everywhere, '').slice(-REMEMBERED);
}

/** Control sequences, titles and the like, as patterns: they show nothing. */
function sequences(): { here: RegExp; everywhere: RegExp } {
  const source = [
    '\\x1b\\[[0-?]*[ -/]*[@-~]',
    '\\x1b\\][^\\x07\\x1b]*(?:\\x07|\\x1b\\\\)',
    '\\x1b[()*+][0-9A-Za-z]',
    '\\x1b[=>78]',
    '[\\x00\\x07\\x0e\\x0f]',
  ].join('|');
  return { here: new RegExp(source, 'y'), everywhere: new RegExp(source, 'g') };
}

/** Behind what shows nothing. */
function past(text: string, from: number): number {
  let at = from;
  SEQUENCE.here.lastIndex = at;
  while (SEQUENCE.here.test(text)) {
    at = SEQUENCE.here.lastIndex;
  }
  return at;
}

/** How many characters of a key that is no character stand there; 0 for a character. */
function controlAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code === 0x1b) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is how keys are told
    const sequence = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[ -~])?/y;
    sequence.lastIndex = at;
    return sequence.exec(text)?.[0].length ?? 1;
  }
  return code < 32 || code === 127 ? 1 : 0;
}
