// What is in the record of a data directory, read by its files while a gateway may be writing it.

import { join } from 'node:path';
import { readEntries } from '../../src/session/log/reader.ts';
import { Follower, type RecordEvent } from '../../src/session/recorder/follow.ts';
import { followSource } from '../../src/session/recorder/follow-source.ts';
import { LogFolder } from '../../src/store/log-directory.ts';
import { recordingStem, segmentsOf } from '../../src/store/recording-files.ts';

/** Every event, without those of nothing but what came back. */
export async function recordOf(data: string): Promise<RecordEvent[]> {
  const log = new LogFolder(join(data, 'log'));
  const sink = { files: (session: string) => segmentsOf(join(data, 'recordings', recordingStem(session))) };
  const follower = new Follower(followSource({ log: { entries: (from) => readEntries(log, from) }, sink }));
  const events: RecordEvent[] = [];
  do
    for await (const event of follower.events()) if (event.kind !== 'rows' && event.kind !== 'data') events.push(event);
  while (follower.more);
  return events;
}

/** Whether ids come, first time each, in the order of their streams with nothing left out; otherwise where not. */
export function outOfOrder(ids: readonly string[], due: readonly string[]): string[] {
  const positions = new Map<string, number>();
  ids.forEach((id, i) => {
    if (!positions.has(id)) positions.set(id, i);
  });
  const last = new Map<string, number>();
  return due.flatMap((id) => {
    const stream = id.split(':')[0]!;
    const at = positions.get(id);
    if (at === undefined) return [`${id} is missing`];
    if (at < (last.get(stream) ?? -1)) return [`${id} came too early`];
    last.set(stream, at);
    return [];
  });
}
