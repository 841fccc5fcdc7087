// Refused logins and refused access for the gateway's log, so many a minute and no more: whoever is refused could otherwise
// fill the disk by trying. What is left out is counted in the next entry.

import type { Clock } from '../core/clock.ts';
import type { AuditKind, AuditLog } from '../session/log/audit.ts';

/** Entries a minute for one address or principal, and for all of them together. */
const PER_KEY = 20;
const ALL = 1000;
const WINDOW_MS = 60_000;
const MAX_KEYS = 10_000;

interface Window {
  since: number;
  written: number;
  leftOut: number;
}

export class RefusalLog {
  readonly #audit: AuditLog;
  readonly #clock: Clock;
  readonly #keys = new Map<string, Window>();
  readonly #all: Window = { since: 0, written: 0, leftOut: 0 };

  constructor(audit: AuditLog, clock: Clock) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /** `key`: the address without port, or the principal. Never throws: it is refused either way. */
  note(kind: AuditKind, key: string, fields: Readonly<Record<string, unknown>>): void {
    const mine = this.#window(key);
    if (!room(mine, PER_KEY, this.#clock.now()) || !room(this.#all, ALL, this.#clock.now())) {
      mine.leftOut += 1;
      return;
    }
    const leftOut = mine.leftOut;
    mine.written += 1;
    this.#all.written += 1;
    mine.leftOut = 0;
    try {
      this.#audit.append(kind, { ...fields, ...(leftOut === 0 ? {} : { leftOut }) });
    } catch {
      // The log has told of its own failure.
    }
  }

  #window(key: string): Window {
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const made: Window = { since: this.#clock.now(), written: 0, leftOut: 0 };
    if (this.#keys.size >= MAX_KEYS) this.#keys.delete(this.#keys.keys().next().value!);
    this.#keys.set(key, made);
    return made;
  }
}

function room(window: Window, bound: number, now: number): boolean {
  // Before it: the clock was set back, and would let nothing in for as long.
  if (now < window.since || now - window.since >= WINDOW_MS) {
    window.since = now;
    window.written = 0;
  }
  return window.written < bound;
}

/** `127.0.0.1:51234` → `127.0.0.1`. */
export function withoutPort(address: string): string {
  return address.replace(/:\d+$/, '');
}
