// Which events somebody wants: by kind, by the labels of the session's connection, by who and where.
// Refuses to know: formats, destinations.

import { type ExportEvent, gistOf } from './event.ts';

export interface Selection {
  /** `*`, `log.*`, `session.intent`, …; empty: all. */
  readonly kinds: readonly string[];
  /** All of them, of a session's connection. The log's entries pass, and that a recording is missing of which they are not known. */
  readonly labels: Readonly<Record<string, string>>;
  /** Names one of them, whatever it is from; left out or empty: all. */
  readonly connections?: readonly string[];
  readonly session?: string | undefined;
  /** Subject or e-mail, exactly. */
  readonly principal?: string | undefined;
}

export const KIND = /^(?:\*|(?:log|session)\.(?:\*|[a-z-]+))$/;

export function selects(selection: Selection, event: ExportEvent): boolean {
  const { kinds, labels } = selection;
  const { name, from } = event;
  if (kinds.length > 0 && !kinds.some((kind) => kind === '*' || kind === name || kind === `${from}.*`)) return false;
  return labelled(labels, event) && names(selection, event);
}

function labelled(labels: Selection['labels'], { from, kind, opening }: ExportEvent): boolean {
  const wanted = Object.entries(labels);
  // That a recording is not there must not go unsaid because it is not there to say what its labels were.
  if (wanted.length === 0 || from === 'log' || (kind === 'missing' && opening === undefined)) return true;
  const has = opening?.labels as Readonly<Record<string, string>> | undefined;
  return wanted.every(([key, value]) => has?.[key] === value);
}

function names({ connections = [], session, principal }: Selection, event: ExportEvent): boolean {
  if (connections.length === 0 && session === undefined && principal === undefined) return true;
  const gist = gistOf(event);
  const { subject, email } = gist.principal;
  const unknown = event.kind === 'missing' && event.opening === undefined;
  const where = gist.connection ?? (unknown ? undefined : '');
  return (
    (connections.length === 0 || where === undefined || connections.includes(where)) &&
    (session === undefined || gist.session === session) &&
    (principal === undefined || unknown || subject === principal || email === principal)
  );
}
