// `hoopctl audit reconcile prod-db --log FILE --from … --to …`: what the target's own log says ran under the gateway's account,
// against what the record says; or what the target has counted (--counts).

import { parseDuration } from '../../../core/clock.ts';
import { userError } from '../../../core/errors.ts';
import type { Logged } from '../../../protocol/contract.ts';
import { Matcher, type Reconciled, type Sent } from '../../../session/reconcile/match.ts';
import { counts } from '../../audit/counts.ts';
import { Gaps, takenIn } from '../../audit/gaps.ts';
import { isReference, type Reached, reachedBy } from '../../audit/reached.ts';
import { logBytes, sentOnRecord } from '../../audit/sides.ts';
import { sourceItem } from '../../audit/sources.ts';
import { command as define } from '../../command.ts';
import { DEFAULT_FILE } from '../../document.ts';
import { IDENTITY_OPTION } from '../../encrypted.ts';
import { parseMoment } from '../../moment.ts';
import { READING_OPTION } from '../../reading.ts';
import { oneLine, plural } from '../../text.ts';

export const command = define({
  options: {
    ...IDENTITY_OPTION,
    ...READING_OPTION,
    from: { value: 'MOMENT', help: 'from when on: 7d (ago), 2026-11-20, 2026-11-20T07:00:00Z' },
    to: { value: 'MOMENT', help: 'until when (default: now)' },
    log: { value: 'FILE', many: true, help: "the target's log in plain text, CSV or JSON; - for standard input" },
    logPrefix: { value: 'TEXT', help: "what lines of a plain log begin with: the target's log_line_prefix" },
    tolerance: { value: 'DURATION', default: '10s', help: "how far the target's clock may be from the gateway's" },
    account: {
      value: 'NAME',
      many: true,
      help: 'the account at the target (default: as the configuration on record names it)',
    },
    with: {
      value: 'CONNECTION',
      many: true,
      help: 'take in what came by this one too, which reaches the same server by another address or account',
    },
    counts: {
      value: 'FILE',
      help: 'what the target has counted: taken into FILE if it is not there, else compared with it',
    },
    config: {
      value: 'FILE',
      help: `the gateway's configuration: with --counts for the target and its credentials (default: ${DEFAULT_FILE}), with --data for object storage`,
    },
    rows: { value: 'COUNT', default: '50', help: 'how many are listed at most' },
    data: {
      value: 'DIR',
      many: true,
      trusted: true,
      help: "read a gateway's data directory, or a copy, instead of asking the gateway: once for each gateway",
    },
  },
  arguments: [{ name: 'connection', help: 'whose target it is', complete: 'connections' }],
  notes: `For admins and auditors. Lists what the target says ran under the gateway's account and the record does not have (it did
not come through the gateway), and what the record says was sent and the target does not know of. One statement is matched with one:
the same text, from when it was sent until its outcome, give or take --tolerance; parameters are not compared. The target has to log every statement
(log_statement = all) in English, with log_timezone = UTC. The gateway's own reading of the catalogue is known by its texts, and counted apart.
What came by other connections to the same host and port by the same account is taken in, and they are named. Where the record of
one of them is not whole, or cannot be read, it says that the comparison is incomplete, and because of which. Where several gateways
share a store, name the data directory of each, or a copy, with --data: what is left out is told as incomplete, by gateway.
--counts needs pg_stat_statements and is coarser: counts by shape between two calls, at a time when little runs.
Exit code 0: both sides agree. 1: they do not.`,
  run: async (values, context) => {
    const { connection } = values;
    const asked = { connection, data: values.data ?? [], account: values.account ?? [], with: values.with ?? [] };
    if (values.counts !== undefined)
      return counts({ ...values, ...asked, counts: values.counts, config: values.config ?? DEFAULT_FILE }, context);
    const now = Date.now();
    const files = values.log ?? [];
    if (files.length === 0)
      throw userError('usage', 'neither --log nor --counts is given: there is nothing to compare with', {
        fix: "give the target's log of every statement with --log FILE, or what it counts with --counts FILE",
      });
    if (values.from === undefined) throw userError('usage', '--from is missing, e.g. --from 7d');
    const span = {
      since: parseMoment(values.from, '--from', now),
      until: values.to === undefined ? now : parseMoment(values.to, '--to', now),
    };
    if (span.since >= span.until) throw userError('usage', '--from is not before --to');
    const tolerance = parseDuration(values.tolerance);
    if (tolerance === undefined) throw userError('usage', `--tolerance is '${values.tolerance}', expected such as 10s`);
    const rows = /^\d{1,6}$/.test(values.rows) ? Number(values.rows) : undefined;
    if (rows === undefined) throw userError('usage', `--rows is '${values.rows}', expected a number`);
    // What was sent just before or after belongs to what was logged in the span, and needs no counterpart itself.
    const wide = { since: span.since - tolerance, until: Math.min(now, span.until + tolerance) };
    const reached = await reachedBy(context, asked, wide);
    const { protocol, sources, accounts, connections } = reached;
    if (accounts.some(isReference)) {
      throw userError('usage', `the configuration does not say under which account '${connection}' is reached`, {
        fix: 'name it with --account',
      });
    }
    if (protocol.logged === undefined) {
      throw userError('not_supported', `what the target of '${connection}' logs cannot be read`);
    }
    const matcher = new Matcher(tolerance);
    const within = ({ at }: Pick<Logged, 'at'>) => at >= span.since && at < span.until;
    for (const file of files) {
      const log = protocol.logged(logBytes(context, file), { accounts, prefix: values.logPrefix });
      for await (const one of log) if (within(one)) matcher.logged(one);
    }
    const gaps = new Gaps(reached);
    for await (const one of sentOnRecord(context, values, reached, gaps, wide)) {
      matcher.sent({ ...one, optional: !within(one) });
    }
    const found = matcher.finish();
    // A log that has nothing of it says nothing.
    const good = found.covers !== undefined && found.notRecorded.length === 0 && found.notLogged.length === 0;
    const said = {
      ok: good,
      gateways: sources.map(sourceItem),
      accounts,
      connections,
      incomplete: gaps.list,
      ...shown(found),
    };
    await context.print(said, () => words(found, reached, rows, gaps));
    if (found.covers === undefined)
      context.io.say(
        `the log has no statement of ${accounts.join(', ')} in this time: is it the right one, and does the target log statements?`,
      );
    for (const { gateway, data, endsAt } of sources) {
      if (endsAt === undefined || !found.notRecorded.some(({ at }) => at > endsAt + tolerance)) continue;
      context.io.say(
        `the record of ${gateway} in '${data}' ends at ${iso(endsAt)}, and no gateway is at work there: of what ran later it cannot say that it did not come through one. Take a copy after --to`,
      );
    }
    return good ? 0 : 1;
  },
});

const iso = (ms: number) => new Date(ms).toISOString();

function shown({ covers, notRecorded, notLogged, ...numbers }: Reconciled): object {
  return {
    ...numbers,
    covers: covers && { from: iso(covers.from), to: iso(covers.to) },
    notRecorded: notRecorded.map(({ at, ...one }) => ({ at: iso(at), ...one })),
    notLogged: notLogged.map(({ at, optional: _, done: __, until: ___, ...one }) => ({ at: iso(at), ...one })),
  };
}

function words(found: Reconciled, reached: Reached, rows: number, gaps: Gaps): string {
  const { accounts } = reached;
  const { matched, own, failed, outside, covers, notRecorded, notLogged } = found;
  const list = <T>(title: string, all: readonly T[], line: (one: T) => string) =>
    all.length === 0
      ? ''
      : `${title}: ${all.length}\n${all
          .slice(0, rows)
          .map((one) => `  ${line(one)}\n`)
          .join('')}${all.length > rows ? `  and ${all.length - rows} more\n` : ''}`;
  const covered = covers === undefined ? '' : `; the log has ${iso(covers.from)} to ${iso(covers.to)}`;
  const more = [
    own === 0 ? [] : [`${own} of the gateway's own`],
    failed === 0 ? [] : [`${failed} recorded that the target refused before it ran them`],
    outside === 0 ? [] : [`${outside} recorded outside of what the log has: not compared`],
  ].flat();
  // Who cannot read all of the record accuses nobody.
  const whole = gaps.list.length === 0;
  const strange = whole ? 'did not come through the gateway' : 'not found in what could be read of the record';
  return [
    `${plural(matched, 'statement')} of ${accounts.join(', ')} in both${more.map((one) => `, ${one}`).join('')}${covered}\n`,
    takenIn(reached),
    list(strange, notRecorded, (one: Logged) => {
      const who = one.application === '' ? '' : `, application ${JSON.stringify(one.application)}`;
      return `${iso(one.at)}  line ${one.line}  ${one.account}@${one.database}${who}: ${oneLine(one.text, 160)}`;
    }),
    notRecorded.length === 0 && !gaps.partial ? '' : gaps.words(),
    list('recorded, and not in the log', notLogged, (one: Sent) => {
      return `${iso(one.at)}  ${one.session} #${one.op}  ${one.who}: ${oneLine(one.text, 160)}`;
    }),
  ].join('');
}
