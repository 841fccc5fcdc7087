// Plays a recording: which of its lines are shown at which moment, at what speed. Pure; the view (views/replay.tsx) asks it.

export interface Frame {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What it adds to the screen; may be empty. */
  readonly text: string;
  /** An operation begins here. */
  readonly operation: boolean;
}

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16, 64] as const;

/** Nobody waits longer for the next line, ms, whatever the session did. */
const LONGEST_PAUSE_MS = 2000;

export interface Player {
  readonly frames: readonly Frame[];
  /** How many of them are shown. */
  readonly shown: number;
  readonly playing: boolean;
  /** Index in SPEEDS. */
  readonly speed: number;
  /** What was searched for last. */
  readonly wanted: string;
}

export function startPlayer(frames: readonly Frame[], speed = 1): Player {
  const index = SPEEDS.reduce(
    (best, one, i) => (Math.abs(one - speed) < Math.abs(SPEEDS[best]! - speed) ? i : best),
    0,
  );
  return { frames, shown: Math.min(1, frames.length), playing: true, speed: index, wanted: '' };
}

export type Move =
  | 'toggle'
  | 'next'
  | 'previous'
  | 'first'
  | 'last'
  | 'faster'
  | 'slower'
  | 'tick'
  /** So many are shown. */
  | { readonly to: number }
  | { readonly find: string };

/** Milliseconds until the next frame; undefined: it stands. */
export function pause({ frames, shown, playing, speed }: Player): number | undefined {
  if (!playing || shown >= frames.length) return undefined;
  const gap = shown === 0 ? 0 : frames[shown]!.at - frames[shown - 1]!.at;
  return Math.min(Math.max(0, gap) / SPEEDS[speed]!, LONGEST_PAUSE_MS);
}

export function move(player: Player, to: Move): Player {
  const { frames, shown, speed } = player;
  if (typeof to === 'object') return 'to' in to ? { ...player, shown: to.to } : find(player, to.find);
  switch (to) {
    case 'tick':
      return { ...player, shown: Math.min(shown + 1, frames.length) };
    case 'toggle':
      return shown >= frames.length
        ? { ...player, shown: Math.min(1, frames.length), playing: true }
        : { ...player, playing: !player.playing };
    case 'faster':
      return { ...player, speed: Math.min(speed + 1, SPEEDS.length - 1) };
    case 'slower':
      return { ...player, speed: Math.max(speed - 1, 0) };
    case 'first':
      return { ...player, shown: Math.min(1, frames.length) };
    case 'last':
      return { ...player, shown: frames.length };
    case 'next':
      return { ...player, shown: nextOperation(frames, shown) };
    case 'previous':
      return { ...player, shown: previousOperation(frames, shown) };
  }
}

/** Up to the end of the next operation: before the one after it begins. */
function nextOperation(frames: readonly Frame[], shown: number): number {
  let at = shown;
  while (at < frames.length && !frames[at]!.operation) at++;
  at++;
  while (at < frames.length && !frames[at]!.operation) at++;
  return Math.min(at, frames.length);
}

function previousOperation(frames: readonly Frame[], shown: number): number {
  let at = shown - 1;
  while (at > 0 && !frames[at]!.operation) at--;
  return Math.max(at, Math.min(1, frames.length));
}

/** To the next frame that has the text, from the beginning again after the last. */
function find(player: Player, text: string): Player {
  const wanted = text.toLowerCase();
  const { frames, shown } = player;
  if (wanted === '') return player;
  for (let i = 0; i < frames.length; i++) {
    const at = (shown + i) % frames.length;
    if (frames[at]!.text.toLowerCase().includes(wanted))
      return { ...player, shown: at + 1, playing: false, wanted: text };
  }
  return { ...player, playing: false, wanted: text };
}
