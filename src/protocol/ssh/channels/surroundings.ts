// What a command starts with beside its text: variables, a terminal, what the client gives to the host. It changes what the
// command does, so that an approval is for it too. Refuses to know: who may set what.

import { limitExceeded } from '../../../core/limits.ts';
import { digestOf, type Operation, shownName } from '../../contract.ts';
import type { Limits } from '../limits.ts';
import type { SshConfig } from '../schema.ts';
import type { SshReader } from '../wire/message.ts';

export interface Terminal {
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
}

export class Surroundings {
  readonly #limits: Limits;
  /** By name, latin1: a later one takes the place of an earlier one. */
  readonly #variables = new Map<string, Buffer>();
  readonly #given = new Set<string>();
  #terminal: Buffer | undefined;
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** What `env` asks for; false: the configuration does not allow it. Throws limit_exceeded. */
  variable(reader: SshReader, { options }: SshConfig): boolean {
    const name = reader.blob().toString('latin1');
    const value = reader.blob();
    if (!allowed(name, options.environment)) return false;
    this.#bytes += name.length + value.length;
    const most = this.#limits.environment;
    if (this.#bytes > most.value) throw limitExceeded(most, this.#bytes);
    this.#variables.set(name, Buffer.from(value));
    return true;
  }

  /** What `pty-req` asks for. How large it is changes nothing. */
  terminal(reader: SshReader): Terminal {
    this.#terminal = Buffer.from(reader.blob());
    return { term: this.#terminal.toString(), columns: reader.uint32(), rows: reader.uint32() };
  }

  give(feature: string): void {
    this.#given.add(feature);
  }

  /** As parameters of what starts with it; the same in whatever order it was told. */
  of(command: Uint8Array): Pick<Operation, 'params' | 'forms' | 'exact'> {
    const all: (readonly [form: string, value: Buffer])[] = [...this.#variables]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => ['variable', Buffer.concat([Buffer.from(`${name}=`, 'latin1'), value])] as const);
    if (this.#terminal !== undefined) all.push(['terminal', this.#terminal]);
    for (const feature of [...this.#given].sort()) all.push(['given', Buffer.from(feature)]);
    const exact = digestOf(command, ...all.flat());
    if (all.length === 0) return { exact };
    return { params: all.map(([, value]) => shownName(value)), forms: all.map(([form]) => form), exact };
  }
}

function allowed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}
