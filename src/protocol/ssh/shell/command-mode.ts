// An interactive shell that asks before each command. The gateway's helper on the host carries questions and answers; a line is
// decided as a whole, and then whatever it runs that its text did not tell (aliases, functions, sourced files). What runs while
// nothing was entered (the prompt, the line editor, completion) is decided too.
// Refuses to know: channels, how a shell asks.

import { randomBytes } from 'node:crypto';
import type { Limit } from '../../../core/limits.ts';
import { type Facts, type Hold, type OperationId, type Session, shownBytes, type Verdict } from '../../contract.ts';
import { Aside } from './aside.ts';
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

/** In place of a line's text. */
const UNREAD = '# a line whose text was not found';

const notText = (bytes: string | undefined) => (bytes === undefined ? undefined : 'its bytes are not UTF-8');

/** One question. */
interface Asked {
  readonly kind: string;
  readonly text: string;
  /** Of the text, which may be no UTF-8. */
  readonly bytes: Buffer;
  readonly to: string;
  readonly id: string;
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
  #holds = new Set<Hold>();
  readonly #aside = new Aside();
  #shell = '';
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
      return void this.#answer({ to, id }, 'allow');
    }
    this.#command({ kind, id, to, text, bytes });
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
      this.#shell = to;
    } else if (kind === 'ready') {
      ready(this.#start);
    } else if (kind === 'hello') {
      clearTimeout(this.#timer);
      this.#greeted = true;
      this.#answer({ to, id }, this.#key);
      order(`watch ${text.replace(/\D/g, '')}`);
    }
  }

  #command(asked: Asked): void {
    const { kind, bytes } = asked;
    const aside = Aside.is(kind);
    const unread = kind === 'unread';
    const shown = unread ? { text: UNREAD } : shownBytes(bytes);
    const text = unread ? UNREAD : asked.text;
    const facts = lineFacts(text, unread ? "the shell's history does not have it" : notText(shown.bytes));
    if (unread || kind === 'line') {
      // What is still open was interrupted before it began, or runs in the background.
      this.#finish('unknown', 'how it ended is not told');
    } else if (aside) {
      const known = this.#aside.known(kind, bytes);
      if (known !== undefined) return void this.#answer(asked, known);
    } else if (this.#line !== undefined && covered(this.#line, facts)) return void this.#answer(asked, 'allow');
    const { session, onLeave, say } = this.#options;
    const leaves = leaving(text, facts, this.#shell);
    if (leaves !== undefined && onLeave === 'end') {
      session.note('refused', { command: text.slice(0, 1000), why: leaves });
      return void this.#refuse(asked, [`hoopctl: after this the shell would not ask any more: ${leaves}`]);
    }
    const operation = session.decide({ kind: 'command', ...shown, exact: '', parts: [facts] });
    if (operation.decision.verdict !== 'hold')
      return void this.#settled(asked, facts, operation.id, operation.decision);
    const hold = operation.decision;
    say(hold.notice);
    hold.onNotice?.(say);
    this.#holds.add(hold);
    void hold.settled.then((verdict) => {
      this.#holds.delete(hold);
      this.#options.guard(() => this.#settled(asked, facts, operation.id, verdict, 'once'));
    });
  }

  #settled(
    asked: Asked,
    facts: Facts,
    operation: OperationId,
    verdict: Verdict,
    answer: 'allow' | 'once' = 'allow',
  ): void {
    if (this.#over) return;
    if (verdict.verdict === 'deny') {
      const { message, next } = verdict.refusal;
      return void this.#refuse(asked, [`hoopctl: ${message}`, `  next: ${next}`]);
    }
    const { kind, bytes } = asked;
    this.#options.session.recorded(() => {
      if (Aside.is(kind)) {
        if (answer === 'allow') this.#aside.learn(kind, bytes, answer);
        // How it ends nobody tells.
        this.#close([operation], 'unknown', 'run at the prompt');
      } else this.#running.push(operation);
      if (kind === 'line') this.#line = facts;
      this.#answer(asked, answer);
    });
  }

  #refuse(asked: Asked, lines: readonly string[]): void {
    this.#options.say(lines);
    if (Aside.is(asked.kind)) this.#aside.learn(asked.kind, asked.bytes, 'deny');
    else this.#line = undefined;
    this.#answer(asked, 'deny');
  }

  #answer({ to, id }: Pick<Asked, 'to' | 'id'>, verdict: string): void {
    // Both are the host's words: nothing but what the integration makes.
    if (/^a(?:\.\d+)?$/.test(to) && /^\d+\.\d+$/.test(id)) this.#options.order(`${to} ${id} ${verdict} ${this.#seal}`);
  }

  #finish(status: 'ok' | 'error' | 'unknown', tag: string): void {
    this.#close(this.#running.splice(0), status, tag);
    this.#line = undefined;
  }

  #close(operations: readonly OperationId[], status: 'ok' | 'error' | 'unknown', tag: string): void {
    const { session } = this.#options;
    for (const operation of operations) {
      session.result(operation, { part: 0, status, tag });
      session.over?.(operation);
    }
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
    for (const hold of this.#holds) hold.cancel(why);
  }

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#cancel('the shell ended');
    this.#options.stopped();
  }
}
