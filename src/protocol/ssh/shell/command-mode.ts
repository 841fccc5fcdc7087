// An interactive shell that asks before each command. The gateway's helper on the host carries questions and answers; a line is
// decided as a whole, and then whatever it runs that its text did not tell (aliases, functions, sourced files).
// Refuses to know: channels, how a shell asks.

import { randomBytes } from 'node:crypto';
import type { Limit } from '../../../core/limits.ts';
import { type Facts, type Hold, type OperationId, type Session, shownBytes, type Verdict } from '../../contract.ts';
import { covered, leaving, lineFacts } from './lines.ts';
import { type Report, Reports } from './reports.ts';
import { INTEGRATIONS, preamble } from './scripts.ts';

export interface CommandModeOptions {
  readonly session: Session;
  readonly longest: Limit;
  /** How long the shell has for its first word. */
  readonly start: Limit;
  /** What becomes of a shell that does not ask any more. */
  readonly onLeave: 'end' | 'note';
  /** To the helper. */
  order(line: string): void;
  /** The shell may be started, by this command. */
  ready(command: string): void;
  /** It cannot be started, or does not ask any more: the shell ends, and why. */
  end(lines: readonly string[]): void;
  /** Lines for the person. */
  say(lines: readonly string[]): void;
  guard(action: () => void): void;
  /** The helper is not needed any more. */
  stopped(): void;
}

interface Asked {
  readonly to: string;
  readonly id: string;
  readonly hold: Hold;
}

export class CommandMode {
  readonly #options: CommandModeOptions;
  readonly #reports: Reports;
  readonly #key = randomBytes(16).toString('hex');
  /** Of the answers: who takes a question away has not seen it. */
  readonly #seal = randomBytes(16).toString('hex');
  readonly #timer: NodeJS.Timeout;
  #greeted = false;
  #over = false;
  #line: Facts | undefined;
  #running: OperationId[] = [];
  #holds = new Set<Asked>();
  /** What the host is asked to run once the helper has its files. */
  #start = '';

  constructor(options: CommandModeOptions) {
    this.#options = options;
    this.#reports = new Reports(options.longest);
    const { name, value } = options.start;
    const late = () => this.#left(`it did not begin to ask within ${value} ms (${name})`);
    this.#timer = setTimeout(() => options.guard(late), value).unref();
  }

  /** Bytes of the helper. */
  output(bytes: Buffer): void {
    for (const report of this.#reports.take(bytes)) this.#report(report);
  }

  /** The helper is gone. */
  closed(): void {
    this.#left('what asks is gone');
  }

  /** What the client types: Ctrl-C gives up what is held. */
  typed(bytes: Buffer): void {
    if (this.#holds.size > 0 && bytes.includes(3)) this.#cancel('Ctrl-C');
  }

  /** The shell is over. */
  ended(): void {
    if (this.#over) return;
    this.#stop();
    this.#finish('unknown', 'the shell ended');
  }

  // -------------------------------------------------------------------------------------------------------------------

  #report({ key, kind, id, to, text, bytes }: Report): void {
    if (this.#over) return;
    if (key === '' && !this.#greeted) return void this.#greeting(kind, id, to, text);
    if (key === '' && kind === 'left') return void this.#left(`the shell was replaced by ${text.slice(0, 200)}`);
    if (key !== this.#key) return void this.#left('something else than the shell asked', true);
    if (kind === 'prompt') {
      this.#finish(text === '0' ? 'ok' : 'error', `exit ${text}`);
      return void this.#answer(to, id, 'allow');
    }
    this.#command(kind, id, to, text, bytes);
  }

  /** The helper, its files, then the shell. */
  #greeting(kind: string, id: string, to: string, text: string): void {
    const { order, ready, end } = this.#options;
    if (kind === 'helper') {
      const integration = INTEGRATIONS[to];
      if (integration === undefined || !/^[\w./-]+$/.test(text)) {
        this.#stop();
        return void end([
          `hoopctl: commands can be decided in bash and zsh, and the account's shell is "${to.slice(0, 40)}"`,
          '  next: run single commands, or have options.shell: plain set for the connection',
        ]);
      }
      for (const [name, script] of Object.entries(integration.files)) {
        order(`file ${name} ${Buffer.from(preamble(text, id) + script).toString('base64')}`);
      }
      order(`ready ${to}`);
      this.#start = integration.command(text);
    } else if (kind === 'ready') {
      ready(this.#start);
    } else if (kind === 'hello') {
      clearTimeout(this.#timer);
      this.#greeted = true;
      this.#answer(to, id, this.#key);
      order(`watch ${text.replace(/\D/g, '')}`);
    }
  }

  #command(kind: string, id: string, to: string, text: string, bytes: Buffer): void {
    const shown = shownBytes(bytes);
    const facts = lineFacts(text, shown.bytes !== undefined);
    if (kind === 'line') this.#line = facts;
    else if (this.#line !== undefined && covered(this.#line, facts)) return void this.#answer(to, id, 'allow');
    const { session, onLeave, say } = this.#options;
    const leaves = leaving(text, facts);
    if (leaves !== undefined && onLeave === 'end') {
      session.note('refused', { command: text.slice(0, 1000), why: leaves });
      say([`hoopctl: after this the shell would not ask any more: ${leaves}`]);
      this.#line = undefined;
      return void this.#answer(to, id, 'deny');
    }
    const operation = session.decide({ kind: 'command', ...shown, exact: '', parts: [facts] });
    if (operation.decision.verdict !== 'hold') return void this.#settled(to, id, operation.id, operation.decision);
    const hold = operation.decision;
    say(hold.notice);
    hold.onNotice?.(say);
    const asked = { to, id, hold };
    this.#holds.add(asked);
    void hold.settled.then((verdict) => {
      this.#holds.delete(asked);
      this.#options.guard(() => this.#settled(to, id, operation.id, verdict));
    });
  }

  #settled(to: string, id: string, operation: OperationId, verdict: Verdict): void {
    if (this.#over) return;
    if (verdict.verdict === 'deny') {
      const { message, next } = verdict.refusal;
      this.#options.say([`hoopctl: ${message}`, `  next: ${next}`]);
      this.#line = undefined;
      return void this.#answer(to, id, 'deny');
    }
    this.#options.session.recorded(() => {
      this.#running.push(operation);
      this.#answer(to, id, 'allow');
    });
  }

  #answer(to: string, id: string, verdict: string): void {
    // Both are the host's words: nothing but what the integration makes.
    if (/^a(?:\.\d+)?$/.test(to) && /^\d+\.\d+$/.test(id)) this.#options.order(`${to} ${id} ${verdict} ${this.#seal}`);
  }

  #finish(status: 'ok' | 'error' | 'unknown', tag: string): void {
    const { session } = this.#options;
    for (const operation of this.#running.splice(0)) {
      session.result(operation, { part: 0, status, tag });
      session.over?.(operation);
    }
    this.#line = undefined;
  }

  #left(why: string, ends = this.#options.onLeave === 'end' || !this.#greeted): void {
    if (this.#over) return;
    const { session, end, say } = this.#options;
    session.note('left', { what: 'command mode', why });
    this.#finish('unknown', 'the shell does not ask any more');
    this.#stop();
    if (ends) end([`hoopctl: the shell is ended: ${why}`]);
    else say([`hoopctl: commands are not decided any more: ${why}`]);
  }

  #cancel(why: string): void {
    for (const { hold } of this.#holds) hold.cancel(why);
  }

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#cancel('the shell ended');
    this.#options.stopped();
  }
}
