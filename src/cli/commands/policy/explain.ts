// `hoopctl policy explain --as … --to … STATEMENT`: what would be decided, and why. Offline.

import { userError } from '../../../core/errors.ts';
import { nearest } from '../../../core/nearest.ts';
import type { PolicyTest } from '../../../session/policy/schema.ts';
import { command as define } from '../../command.ts';
import { CONFIG_OPTION, DEFAULT_FILE, namedFile, needDocument } from '../../document.ts';
import { painter } from '../../paint.ts';
import { readStdin } from '../../prompt.ts';
import { printable } from '../../text.ts';

type As = PolicyTest['as'];

export const command = define({
  options: {
    ...CONFIG_OPTION,
    as: {
      value: 'KEY=VALUE',
      many: true,
      help: 'who asks: group=, email=, subject=, kind=, actor=, issuer=, claim.NAME=; may be repeated',
    },
    to: { value: 'NAME', help: 'the connection' },
    does: {
      value: 'WORD',
      flagOnly: true,
      help: 'which operation is meant, where the text does not tell: shell, sftp-read, forward, …',
    },
    at: { value: 'TIME', help: 'when, ISO 8601 (default: now)' },
    reason: { value: 'TEXT', help: "the session's reason" },
  },
  arguments: [
    { name: 'file', optional: true, help: `the configuration (default: ${DEFAULT_FILE})`, complete: 'files' },
    { name: 'statement', optional: true, help: 'what is asked, - for standard input; alone, it is this that is given' },
  ],
  notes: `hoopctl policy explain gateway.yaml --as group=agents --as actor=claude --to prod-db "drop table t"

On a host the text is a command. Other operations are named by the word that rules use for them: --does shell,
--does sftp-read /etc/shadow, --does sftp-rename "/srv/a /srv/b", --does forward 10.0.0.5:443, --does forward-remote 8080.
Of files the path is meant as the host resolves it. With --does a single argument that ends in .yaml is the configuration.

Offline: what the statement reaches through views, triggers, functions and the like is in the target's catalogue, which only the
gateway reads. Exit code 0 whatever the verdict is.`,
  run: async ({ config, as, to, at, reason, does, file: first, statement: second }, context) => {
    const { explanationLines } = await import('../../../session/policy/explain.ts');
    const { testPrincipal } = await import('../../../session/policy/tests.ts');
    const alone = does !== undefined && config === undefined && /\.ya?ml$/.test(first ?? '');
    const { file, statement } =
      second === undefined && !alone ? { statement: first } : { file: first, statement: second };
    if (statement === undefined && does === undefined)
      throw userError('usage', 'the statement is missing', { fix: 'give it as one argument' });
    const { connections, policy } = await needDocument(context, namedFile(context, file, config));
    const connection = connections.get(to ?? '');
    if (connection === undefined) throw noSuch(to, [...connections.keys()]);
    const now = at === undefined ? Date.now() : Date.parse(at);
    if (Number.isNaN(now)) throw userError('usage', `--at is '${at}', expected a time such as 2026-01-05T09:00:00Z`);
    const words = connection.protocol.vocabulary.does;
    if (does !== undefined && !Object.hasOwn(words, does)) throw noWord(does, connection.name, Object.keys(words));
    const text = statement === '-' ? await readStdin(context.io) : (statement ?? '');
    const { understand } = await import('../../../gateway/spoken.ts');
    const understood = await understand(connections, connection.name, {
      text,
      ...(does === undefined ? {} : { does }),
    });
    if (understood === undefined) throw userError('usage', `${JSON.stringify(text)} is not understood`);
    const explanation = policy.explain({
      principal: testPrincipal(parseAs(as)),
      connection: { name: connection.name, labels: connection.labels },
      ...understood,
      now,
      ...(reason === undefined ? {} : { reason }),
    });
    const paint = await painter(context.io);
    await context.print(explanation, () => {
      return [paint(explanation.verdict.verdict), ...explanationLines(explanation).map(printable)]
        .map((line) => `${line}\n`)
        .join('');
    });
  },
});

function noSuch(name: string | undefined, known: readonly string[]) {
  if (name === undefined) return userError('usage', '--to is missing', { fix: `name one of: ${known.join(', ')}` });
  const near = nearest(name, known);
  const fix = near === undefined ? `the configuration has: ${known.join(', ') || 'none'}` : `did you mean '${near}'?`;
  return userError('no_such_connection', `the configuration has no connection '${name}'`, { fix });
}

function noWord(does: string, name: string, known: readonly string[]) {
  const near = nearest(does, known);
  const fix = near === undefined ? `its words are: ${known.join(', ')}` : `did you mean '${near}'?`;
  return userError('usage', `--does is '${does}', no word of '${name}'`, { fix });
}

const KINDS = ['person', 'workload', 'agent'] as const;

export function parseAs(pairs: readonly string[]): As {
  const as: { -readonly [K in keyof As]: As[K] } & { groups: string[]; claims: Record<string, string> } = {
    groups: [],
    claims: {},
  };
  for (const pair of pairs) {
    const [, key = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (key === 'group' || key === 'groups') as.groups.push(...value.split(',').filter((group) => group !== ''));
    else if (key === 'email' || key === 'subject' || key === 'actor' || key === 'issuer') as[key] = value;
    else if (key === 'kind') {
      const kind = KINDS.find((one) => one === value);
      if (kind === undefined) throw userError('usage', `--as kind is '${value}', expected one of ${KINDS.join(', ')}`);
      as.kind = kind;
    } else if (key.startsWith('claim.')) as.claims[key.slice(6)] = value;
    else
      throw userError(
        'usage',
        `--as is '${pair}', expected group=, email=, subject=, kind=, actor=, issuer= or claim.NAME=`,
      );
  }
  return as;
}
