// The recordings of a folder for who reads them without the gateway: those here, and those of which files went to object
// storage. Refuses to know: what is read in them.

import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { ObjectReader } from '../store/elsewhere.ts';
import { type FoundRecording, findElsewhere, findRecordings, foundAway, parseName } from '../store/recording-files.ts';
import { objectsIn } from './audit/objects.ts';
import type { Context } from './context.ts';

interface Stored extends FoundRecording {
  /** Files of it are in object storage alone. */
  readonly away: boolean;
}

/** `config`: the configuration that names the object storage; looked into where there is need. Errors: config_unreadable, those of it. */
export async function recordingsIn(
  context: Context,
  path: string,
  config: string,
): Promise<{ readonly recordings: readonly Stored[]; readonly objects: ObjectReader | undefined }> {
  const here = findRecordings(path).map((one) => ({ ...one, away: false }));
  const lists = statSync(path).isDirectory() ? findElsewhere(path) : [];
  if (lists.length === 0) return { recordings: here, objects: undefined };
  const objects = await objectsIn(context, config);
  const sessions = new Set(lists.map(({ session }) => session));
  const whole = here.filter(({ path: one }) => !sessions.has(parseName(basename(one))?.session ?? ''));
  const away = lists.map((one) => ({ ...foundAway(one, objects), away: true }));
  return { recordings: [...whole, ...away], objects };
}
