// What a client types is recorded as far as the host shows it; a secret is not, shown or not.

import { describe, expect, it } from 'vitest';
import { ECHO_MS, Typed } from '../../../../../src/protocol/ssh/terminal/typed.ts';

class Keyboard {
  record = '';
  readonly typed: Typed;
  now = 0;

  constructor(terminal = true) {
    this.typed = new Typed(terminal, {
      record: (bytes) => {
        this.record += bytes.toString('latin1');
      },
      withhold: () => {
        this.record += '<withheld>';
      },
    });
  }

  type(text: string): void {
    this.typed.type(Buffer.from(text), this.now);
  }

  shows(text: string): number {
    return this.typed.shown(Buffer.from(text), this.now).bytes;
  }

  /** Each key by itself, and what the host answers to it. */
  keys(text: string, answer: (key: string) => string): void {
    for (const key of text) {
      this.type(key);
      const shown = answer(key);
      if (shown !== '') this.shows(shown);
    }
  }
}

const itself = (key: string) => (key === '\r' ? '\r\n' : key);
const nothing = (key: string) => (key === '\r' ? '\r\n' : '');

describe('what is typed on a terminal', () => {
  it('is recorded where the host shows it', () => {
    const keyboard = new Keyboard();
    keyboard.shows('$ ');
    keyboard.keys('ls -l\r', itself);
    expect(keyboard.record).toBe('ls -l\r');
  });

  it('is recorded where it is pasted, and shown with colours', () => {
    const keyboard = new Keyboard();
    keyboard.type('echo é\r');
    expect(keyboard.shows('\u001b[7mecho\u001b[0m \u001b[4mé\u001b[0m\r\nmore')).toBe(
      Buffer.byteLength('\u001b[7mecho\u001b[0m \u001b[4mé\u001b[0m\r\n'),
    );
    expect(Buffer.from(keyboard.record, 'latin1').toString()).toBe('echo é\r');
  });

  it('is not where the host does not show it, with its end', () => {
    const keyboard = new Keyboard();
    keyboard.keys('read -s x\r', itself);
    keyboard.keys('hunter2\r', nothing);
    keyboard.keys('ls\r', itself);
    expect(keyboard.record).toBe('read -s x\r<withheld>\rls\r');
  });

  it('is not where the host shows stars', () => {
    const keyboard = new Keyboard();
    keyboard.keys('hunter2\r', (key) => (key === '\r' ? '\r\n' : '*'));
    expect(keyboard.record).toBe('<withheld>\r');
  });

  it('is not where something else is shown that begins alike', () => {
    const keyboard = new Keyboard();
    keyboard.type('secret\r');
    expect(keyboard.shows('\r\nSorry, try again.\r\n')).toBe(0);
    expect(keyboard.record).toBe('<withheld>\r');
    keyboard.type('sorry');
    expect(keyboard.shows('sort of')).toBe(0);
    expect(keyboard.record).toBe('<withheld>\r<withheld>');
  });

  it('is not where nothing is shown for long', () => {
    const keyboard = new Keyboard();
    keyboard.type('hunter2');
    expect(keyboard.typed.due).toBe(ECHO_MS);
    keyboard.typed.tick(ECHO_MS);
    expect(keyboard.shows('hunter2')).toBe(0);
    expect(keyboard.record).toBe('<withheld>');
  });

  it('is not where a secret is asked for, though the host shows it', () => {
    const keyboard = new Keyboard();
    keyboard.shows('\r\n[sudo] password for bob: ');
    keyboard.type('h');
    expect(keyboard.typed.shown(Buffer.from('h'), 0)).toEqual({ bytes: 1, secret: true });
    keyboard.keys('unter2\r', itself);
    keyboard.shows('$ ');
    keyboard.keys('id\r', itself);
    expect(keyboard.record).toBe('<withheld>id\r');
  });

  it('keys that are no characters are recorded', () => {
    const keyboard = new Keyboard();
    keyboard.type('\u001b[A\u0003\t');
    keyboard.shows('^C\r\n');
    expect(keyboard.record).toBe('\u001b[A\u0003\t');
  });
});

describe('what a program without a terminal reads', () => {
  it('is recorded, but for a line that was asked for as a secret', () => {
    const keyboard = new Keyboard(false);
    keyboard.type('a script\n');
    keyboard.shows('[sudo via ansible] password:');
    keyboard.type('hunter2\n');
    keyboard.type('more\n');
    expect(keyboard.record).toBe('a script\n<withheld>more\n');
  });
});
