// At start: what a process that is gone left open is cut to its last whole line that chains, sealed as interrupted, and
// told. What is damaged goes out of the way. One bad file never blocks another (promise 10).
// Refuses to know: where recordings are, and who is told (session/recovery.ts).

import { Chain, encodeFields } from './line.ts';
import { LineSplitter } from './reader.ts';
import type { RecordingSink } from './sink.ts';
import { readRecording } from './stored.ts';
import { ChainChecker, type Problem } from './verify.ts';

export interface Salvaged {
  readonly session: string;
  /**
   * `sealed`: it is whole now, marked as interrupted. `complete`: it had its seal already. `quarantined`: it is not what
   * we wrote. `failed`: it could not be read or repaired; it stays as it is until the next start.
   */
  readonly outcome: 'sealed' | 'complete' | 'quarantined' | 'failed';
  /** One line for a person. */
  readonly message: string;
  readonly digest?: string;
  readonly lines?: number;
  readonly bytes?: number;
  /** Time of the last line that was written. */
  readonly lastAt?: string;
  /** Bytes of a torn last line that were cut away: of it nothing was forwarded. */
  readonly cut?: number;
  /** Where a quarantined one is now. */
  readonly where?: string;
}

export interface SalvageOptions {
  readonly now: () => number;
  /** Written into the seal: `the gateway stopped without sealing it`. */
  readonly reason: string;
}

/** Each once. Never rejects for one of them. */
export async function salvage(
  sink: RecordingSink,
  sessions: readonly string[],
  options: SalvageOptions,
): Promise<readonly Salvaged[]> {
  const results: Salvaged[] = [];
  for (const session of sessions) {
    try {
      results.push(await salvageOne(sink, session, options));
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      results.push({ session, outcome: 'failed', message: `cannot salvage the recording of ${session}: ${why}` });
    }
  }
  return results;
}

async function salvageOne(sink: RecordingSink, session: string, options: SalvageOptions): Promise<Salvaged> {
  const { checker, bytes } = await check(readRecording(sink, session));
  const { lastAt } = checker;
  if (checker.problems.some((problem) => problem.what !== 'cut')) {
    const where = await sink.quarantine(session);
    const message = `the recording of ${session} is damaged: ${wordsOf(checker.problems)}; moved to ${where}`;
    return { session, outcome: 'quarantined', message, where, bytes, lastAt };
  }
  if (checker.seal !== undefined) {
    await sink.repair(session, checker.goodBytes, '');
    const digest = String(checker.seal.digest);
    const message = `the recording of ${session} was sealed already`;
    return { session, outcome: 'complete', message, digest, lines: checker.lines, bytes: checker.goodBytes, lastAt };
  }
  const cut = bytes - checker.goodBytes;
  const seal = interruptedSeal(session, checker, options, cut);
  await sink.repair(session, checker.goodBytes, seal.line);
  const tail = cut === 0 ? '' : `, ${cut} bytes of a torn line cut`;
  return {
    session,
    outcome: 'sealed',
    message: `the recording of ${session} was open: sealed after ${checker.lines} lines${tail}`,
    digest: seal.digest,
    lines: seal.lines,
    bytes: checker.goodBytes + Buffer.byteLength(seal.line),
    lastAt,
    cut,
  };
}

function interruptedSeal(session: string, { goodState, segments }: ChainChecker, options: SalvageOptions, cut: number) {
  const fields = {
    ...(segments > 1 ? { segments } : {}),
    session,
    interrupted: options.reason,
    ...(cut === 0 ? {} : { cut }),
  };
  return new Chain(goodState).seal(options.now(), encodeFields(fields));
}

async function check(source: AsyncIterable<Uint8Array>): Promise<{ checker: ChainChecker; bytes: number }> {
  const splitter = new LineSplitter();
  const checker = new ChainChecker();
  let bytes = 0;
  try {
    for await (const chunk of source) {
      bytes += chunk.length;
      for (const raw of splitter.push(chunk)) checker.line(raw);
      if (splitter.tooLong !== undefined) {
        checker.problem('unreadable', splitter.tooLong, `line ${splitter.tooLong.number} is too long to be one`);
        return { checker, bytes };
      }
    }
  } catch (thrown) {
    // The session was announced but its file never made: an empty recording, to be sealed as such.
    if ((thrown as { code?: string }).code !== 'not_found') throw thrown;
  }
  const rest = splitter.finish();
  if (rest !== undefined) checker.line(rest);
  return { checker, bytes };
}

function wordsOf(problems: readonly Problem[]): string {
  const shown = problems.slice(0, 3).map((problem) => problem.message);
  return problems.length > 3 ? `${shown.join('; ')}; and more` : shown.join('; ');
}
