// One run at the edge: what is printed where, and with which exit code.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, type Node } from '../../../src/cli/command.ts';
import type { Context, SignalReason } from '../../../src/cli/context.ts';
import { run } from '../../../src/cli/run.ts';
import { ourError, peerError, userError } from '../../../src/core/errors.ts';
import { temporaryDirectory } from '../../support/process.ts';
import { hoopctl, memoryIo } from './memory-io.ts';

function program(does: (context: Context) => Promise<number | undefined>, more: { signals?: 'own' } = {}): Node[] {
  const made = command({
    ...more,
    exitCode: (error) => (error.code === 'conflict' ? 125 : undefined),
    run: (_, context) => does(context),
  });
  return [{ name: 'go', summary: 'goes', load: async () => ({ command: made }) }];
}

const failing = (error: unknown) => program(() => Promise.reject(error));

describe('a run', () => {
  it('prints text, or JSON where that was asked for', async () => {
    const tree = program(async (context) => {
      await context.print({ a: 1 }, () => 'a is one\n');
      return undefined;
    });
    expect(await hoopctl(['go'], {}, tree)).toEqual({ code: 0, out: 'a is one\n', err: '' });
    expect(await hoopctl(['go', '--json'], {}, tree)).toEqual({ code: 0, out: '{"a":1}\n', err: '' });
    expect(await hoopctl(['go'], { env: { HOOPCTL_JSON: '1' } }, tree)).toEqual({ code: 0, out: '{"a":1}\n', err: '' });
  });

  it('renders an error once, on stderr, with what to do next', async () => {
    const error = userError('denied', "'drop table t' was refused", {
      rule: 'no-drop',
      session: 's-1',
      fix: 'use a migration',
    });
    expect(await hoopctl(['go'], {}, failing(error))).toEqual({
      code: 3,
      out: '',
      err: "hoopctl: 'drop table t' was refused\n  rule: no-drop\n  next: use a migration\n  session: s-1\n",
    });
  });

  it('renders an error as JSON on stderr with --json, and leaves stdout empty', async () => {
    const error = userError('denied', 'no', { rule: 'r', session: 's-1', fix: 'ask' });
    const { code, out, err } = await hoopctl(['go', '--json'], {}, failing(error));
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(JSON.parse(err)).toEqual({
      error: { code: 'denied', message: 'no', rule: 'r', session: 's-1', next: 'ask' },
    });
  });

  it('renders errors of parsing as JSON too', async () => {
    const { code, err } = await hoopctl(['nothing', '--json'], {}, failing(undefined));
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'usage', message: "unknown command 'nothing'" } });
  });

  it('shows a stack only where the fault is ours', async () => {
    const stack = /at .*run\.test\.ts/;
    expect((await hoopctl(['go'], {}, failing(ourError('internal', 'broken')))).err).toMatch(stack);
    expect((await hoopctl(['go'], {}, failing(new TypeError('oops')))).err).toMatch(stack);
    expect((await hoopctl(['go'], {}, failing(userError('usage', 'x')))).err).not.toMatch(stack);
    expect((await hoopctl(['go'], {}, failing(peerError('gateway_error', 'x')))).err).not.toMatch(stack);
  });

  it('is no fault of ours where the machine refuses a path', async () => {
    const file = join(temporaryDirectory('refused'), 'file');
    writeFileSync(file, '');
    const tries: [() => unknown, string][] = [
      [() => mkdirSync(file, { recursive: true }), 'what is there is no directory'],
      [() => mkdirSync(join(file, 'data'), { recursive: true }), 'a part of its path is no directory'],
      [() => writeFileSync(dirname(file), ''), 'it is a directory'],
    ];
    for (const [does, why] of tries) {
      const { code, err } = await hoopctl(
        ['go'],
        {},
        program(async () => does() as undefined),
      );
      expect({ code, err }).toEqual({
        code: 1,
        err: expect.stringMatching(`^hoopctl: cannot use '${dirname(file)}.*': ${why}\n  next: `),
      });
      expect(err).not.toContain('fault of hoopctl');
    }
  });

  it('is no fault of ours where the disk of a database is full', async () => {
    const full = Object.assign(new Error('database or disk is full'), { errcode: 13 });
    const { err } = await hoopctl(['go'], {}, failing(ourError('store_failed', 'cannot add a user', { cause: full })));
    expect(err).toBe(
      'hoopctl: cannot add a user\n  next: check that its disk has room and takes writes, and that this user may use it\n',
    );
  });

  it('tames what others wrote before it meets the terminal', async () => {
    const { err } = await hoopctl(['go'], {}, failing(peerError('gateway_error', 'a\u001b[2Jb\u0007')));
    expect(err).toBe('hoopctl: a\\x1b[2Jb\\x07\n');
  });

  it.each([
    ['usage', 2],
    ['no_terminal', 2],
    ['access_denied', 3],
    ['grant_needed', 3],
    ['review_denied', 3],
    ['login_needed', 4],
    ['login_expired', 4],
    ['token_invalid', 4],
    ['review_expired', 5],
    ['gateway_unreachable', 1],
    ['conflict', 125],
  ] as const)('ends with the code that the table (or the command) has for %s', async (code, exit) => {
    expect((await hoopctl(['go'], {}, failing(userError(code, 'x')))).code).toBe(exit);
  });

  it('ends silently with 141 when nobody reads', async () => {
    const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    expect(await hoopctl(['go'], {}, failing(broken))).toEqual({ code: 141, out: '', err: '' });
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('is ended at once by %s', async (signal, code) => {
    const io = memoryIo();
    const started = Promise.withResolvers<void>();
    const tree = program(() => {
      started.resolve();
      return new Promise(() => {});
    });
    const running = run(io, ['go'], tree);
    await started.promise;
    io.signal(signal);
    expect(await running).toBe(code);
  });

  it('lets a command of its own ways wind down, once', async () => {
    const io = memoryIo();
    const started = Promise.withResolvers<void>();
    const reasons: unknown[] = [];
    const tree = program(
      (context) => {
        context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
        started.resolve();
        return new Promise(() => {});
      },
      { signals: 'own' },
    );
    const running = run(io, ['go'], tree);
    await started.promise;
    io.signal('SIGHUP');
    expect(reasons).toEqual([{ signal: 'SIGHUP' } satisfies SignalReason]);
    io.signal('SIGTERM');
    expect(await running).toBe(143);
  });

  it('ends with the signal’s code when a command throws the reason', async () => {
    expect(await hoopctl(['go'], {}, failing({ signal: 'SIGINT' }))).toEqual({ code: 130, out: '', err: '' });
  });

  it('prints help on stdout when asked for, on stderr when it is the answer to a mistake', async () => {
    const asked = await hoopctl(['--help']);
    expect(asked).toMatchObject({ code: 0, err: '' });
    expect(asked.out).toContain('sessions');
    expect(asked.out).not.toContain('__complete');
    const mistaken = await hoopctl([]);
    expect(mistaken).toMatchObject({ code: 2, out: '' });
    expect(mistaken.err).toContain('Usage: hoopctl');
  });
});
