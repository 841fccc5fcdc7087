// An alert as the bytes of a message: JSON for programs, or what Slack (and those compatible with it) shows.
// Refuses to know: where it goes.

import { formatDuration } from '../../core/clock.ts';
import { printable } from '../../core/visible.ts';
import type { Alert } from '../../session/alerts.ts';
import type { WebhookConfiguration } from './schema.ts';

export interface Told extends Alert {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** How many like it were left out since the last. */
  readonly leftOut: number;
}

/** `gateway`: its public URL, for who hears from several. */
export function messageBody(format: WebhookConfiguration['format'], told: Told, gateway: string): string {
  const alert = { ...told, data: bounded(told.data) as Told['data'] };
  return JSON.stringify(format === 'slack' ? slack(alert, gateway) : plain(alert, gateway));
}

/** Receivers refuse what is long as a whole: whoever writes a long statement must not keep them from hearing of it. */
const MAX_TEXT = 2000;
/** Of a list, and of the characters of a name in it. */
const [MAX_NAMES, MAX_NAME] = [50, 200];

function bounded(value: unknown, max = MAX_TEXT): unknown {
  if (typeof value === 'string') return cut(value, max);
  if (Array.isArray(value)) {
    const first = value.slice(0, MAX_NAMES).map((one) => bounded(one, typeof one === 'string' ? MAX_NAME : max));
    return value.length > MAX_NAMES ? [...first, `and ${value.length - MAX_NAMES} more`] : first;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, bounded(one, max)]));
}

const cut = (text: string, max: number) => (text.length <= max ? text : `${beginning(text, max)}…`);

/** Not inside a pair of surrogates. */
const beginning = (text: string, max: number) => text.slice(0, max).replace(/[\ud800-\udbff]$/, '');

function plain({ type, at, data, leftOut }: Told, gateway: string): object {
  const more = leftOut === 0 ? {} : { leftOut };
  return { type, timestamp: new Date(at).toISOString(), gateway, data: { ...data, ...more } };
}

/** Fields of an alert, as far as a message shows them. */
interface Shown {
  readonly requester?: string;
  readonly connection?: string;
  readonly kind?: string;
  readonly state?: string;
  readonly review?: string;
  readonly session?: string;
  readonly grant?: string;
  readonly rule?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly shape?: string;
  readonly forMs?: number;
  readonly until?: string;
  readonly expiresAt?: string;
  readonly outcome?: string;
  readonly export?: string;
  readonly to?: string;
  readonly error?: string;
  readonly unrecorded?: boolean;
  readonly means?: string;
  readonly by?: string | readonly string[];
  readonly relations?: readonly string[];
  readonly masks?: readonly string[];
  readonly touches?: {
    readonly does: readonly string[];
    readonly reads: readonly string[];
    readonly writes: readonly string[];
  };
  readonly reviewers?: { readonly groups: readonly string[]; readonly count: number };
  readonly decisions?: readonly { readonly by: string; readonly decision: string; readonly reason?: string }[];
}

/** https://docs.slack.dev/messaging/formatting-message-text: these three characters are markup. */
const escaped = (text: string) =>
  printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** At most so long when it is escaped: that is what is counted, and it may be six times as long. */
function within(text: string, max: number): string {
  const whole = escaped(text);
  if (whole.length <= max) return whole;
  let kept = text;
  do kept = beginning(kept, Math.floor((kept.length * (max - 1)) / (escaped(kept).length + 1)));
  while (escaped(kept).length >= max);
  return `${escaped(kept)}…`;
}
/** What somebody named or gave as a reason must look like nothing of ours: on one line, and plain. */
const plainly = (text: string) =>
  text.replace(/\s+/g, ' ').replaceAll('*', '∗').replaceAll('`', 'ˋ').replaceAll('~', '∼');
const line = (text: string) => within(plainly(text), MAX_LINE);
const bold = (text: string | undefined) => `*${within(plainly(text ?? '?'), MAX_WHO)}*`;
const code = (text: string) => `\`${within(text, MAX_SECTION).replaceAll('`', 'ˋ')}\``;

/** Slack refuses a message with a section of more than 3000 characters. Who, where and what have room, and five lines more. */
const MAX_SECTION = 2900;
const [MAX_WHO, MAX_LINE] = [300, 500];

function slack(alert: Told, gateway: string): object {
  const shown = alert.data as Shown;
  const head = headline(alert.type, shown);
  const lines = [head, ...details(shown)];
  if (alert.leftOut > 0) lines.push(`and ${alert.leftOut} more like it since the last message`);
  const blocks: object[] = [
    { type: 'section', text: { type: 'mrkdwn', text: lines.join('\n').slice(0, MAX_SECTION) } },
  ];
  if (shown.shape !== undefined) {
    const text = `\`\`\`${within(shown.shape, MAX_SECTION).replaceAll('`', 'ˋ')}\`\`\``;
    blocks.push({ type: 'section', text: { type: 'mrkdwn', text } });
  }
  if (alert.type === 'review.pending' && shown.review !== undefined) {
    const text = ['show', 'approve', 'deny'].map((verb) => code(`hoopctl reviews ${verb} ${shown.review}`)).join('  ');
    blocks.push({ type: 'section', text: { type: 'mrkdwn', text } });
  }
  const ids = [shown.session, shown.grant, gateway].filter((one) => one).map((one) => escaped(one!));
  if (ids.length > 0) blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: ids.join('  ·  ') }] });
  return { text: head.replaceAll('*', ''), blocks };
}

function headline(type: Alert['type'], shown: Shown): string {
  const who = bold(shown.requester);
  const where = `on ${bold(shown.connection)}`;
  const what = [shown.touches?.does.join(', '), shown.touches?.writes.join(', ') || shown.touches?.reads.join(', ')];
  const does = line(what.filter(Boolean).join(' on ') || 'a statement');
  switch (type) {
    case 'review.pending':
      if (shown.kind === 'grant') return `${who} asks for access to ${bold(shown.connection)} for ${time(shown.forMs)}`;
      if (shown.kind === 'unmask')
        return `${who} asks for ${masks(shown)} to be lifted ${where} for ${time(shown.forMs)}`;
      return `${who} waits for approval ${where}: ${does}`;
    case 'review.decided':
      return `${shown.state === 'used' ? 'approved' : shown.state}: ${code(shown.review ?? '?')} of ${who} ${where}`;
    case 'operation.denied':
      return `${who} was refused ${where}: ${does}`;
    case 'session.ended':
      return `the session of ${who} ${where} ended`;
    case 'grant.started':
      return `${who} has access to ${bold(shown.connection)}`;
    case 'grant.revoked':
      if (shown.masks !== undefined) return `the lifting of ${masks(shown)} for ${who} ${where} was revoked`;
      return `the access of ${who} to ${bold(shown.connection)} was revoked`;
    case 'unmask.started':
      return `:rotating_light: ${masks(shown)} is lifted for ${who} ${where}`;
    case 'unmask.ended':
      return `${masks(shown)} applies to ${who} ${where} again`;
    case 'break-glass':
      return `:rotating_light: ${who} broke the glass of ${bold(shown.connection)}: access without approval`;
    case 'recording.failed':
      return shown.unrecorded === true
        ? `:rotating_light: the session of ${who} ${where} goes on UNRECORDED`
        : `:rotating_light: the session of ${who} ${where} could not be recorded, and was ended`;
    case 'recording.disk':
      return `the disk of the recordings: ${line(shown.means ?? '')}`;
    case 'recording.store':
      return `:rotating_light: the object storage ${bold(shown.to)} takes no recordings`;
    case 'budget.reached':
      return `${who} reached a budget ${where}`;
    case 'retention.waits':
      return `:rotating_light: ${line(shown.message ?? '')}`;
    case 'log.damaged':
      return `:rotating_light: the gateway's log was found changed, and another one was begun`;
    case 'export.failed':
      return `:rotating_light: the receiver ${bold(shown.export)} takes no events of the record`;
    case 'first-seen':
      return `${who} touches for the first time ${where}: ${line(shown.relations?.join(', ') ?? '')}`;
  }
}

function masks(shown: Shown): string {
  return `mask ${bold(shown.masks?.join(', '))}`;
}

function details(shown: Shown): string[] {
  const { rule, message, reason, outcome, until, expiresAt, reviewers, decisions, by, kind } = shown;
  const lines: string[] = [];
  const say = (key: string, text: string | undefined) => {
    if (text !== undefined && text !== '') lines.push(`${key}: ${line(text)}`);
  };
  say('rule', rule === undefined || message === undefined ? (rule ?? message) : `${rule}: ${message}`);
  say('reason', reason);
  if (reviewers !== undefined && reviewers.groups.length > 0) {
    say('reviewers', `${reviewers.count} of ${reviewers.groups.join(', ')}`);
  }
  for (const one of decisions ?? []) say(one.decision, `${one.by}${one.reason === undefined ? '' : `: ${one.reason}`}`);
  say('outcome', outcome);
  say('error', shown.error);
  say('by', typeof by === 'string' ? by : by?.join(', '));
  say('until', until ?? (kind === undefined || outcome !== undefined ? undefined : expiresAt));
  return lines;
}

function time(ms: number | undefined): string {
  return ms === undefined ? 'a while' : formatDuration(ms);
}
