import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readLines } from '../../../../src/session/recorder/reader.ts';
import { salvage } from '../../../../src/session/recorder/salvage.ts';
import { readRecording } from '../../../../src/session/recorder/stored.ts';
import { verify } from '../../../../src/session/recorder/verify.ts';
import { RecordingDirectory } from '../../../../src/store/recordings.ts';

const program = fileURLToPath(new URL('writer-process.ts', import.meta.url));
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'kill-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs the program until it has forwarded so many operations, then kills it; what it forwarded. */
async function killedAfter(directory: string, count: number): Promise<[string, number][]> {
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.split('\n').length > count) child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.once('close', resolve));
  const whole = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return whole.map((line) => {
    const [session, op] = line.split(' ') as [string, string];
    return [session, Number(op)];
  });
}

it('everything that was forwarded before a SIGKILL is in a recording that verifies after the next start', async () => {
  for (let round = 0; round < 6; round++) {
    const directory = join(root, String(round));
    const forwarded = await killedAfter(directory, 1 + Math.floor(Math.random() * 3000));
    const sink = new RecordingDirectory(directory);
    const salvaged = await salvage(sink, await sink.unfinished(), { now: Date.now, reason: 'killed' });
    expect(salvaged.filter((one) => one.outcome !== 'sealed')).toEqual([]);
    const recorded = new Map<string, Set<unknown>>();
    for (const { session } of salvaged) {
      expect((await verify(readRecording(sink, session), { session })).problems).toEqual([]);
      const intents = new Set<unknown>();
      for await (const line of readLines(readRecording(sink, session)))
        if (line.kind === 'intent') intents.add(line.op);
      recorded.set(session, intents);
    }
    const missing = forwarded.filter(([session, op]) => !recorded.get(session)?.has(op));
    expect(forwarded.length).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  }
});
