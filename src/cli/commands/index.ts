// The verb tree by name: all that `--help` needs. Each verb's own file is loaded when it is asked for.

import type { Group, Leaf, Node } from '../command.ts';

function leaf(name: string, summary: string, load: Leaf['load'], hidden = false): Leaf {
  return { name, summary, load, hidden };
}

function group(name: string, summary: string, children: readonly Node[]): Group {
  return { name, summary, children };
}

const IDENTITY: readonly Node[] = [
  leaf('login', 'log in to a gateway', () => import('./login.ts')),
  leaf('logout', 'revoke the login and forget it', () => import('./logout.ts')),
  leaf('whoami', 'show who the gateway takes me for', () => import('./whoami.ts')),
  leaf('status', 'show the known gateways and logins', () => import('./status.ts')),
  leaf('token', 'print a short-lived password for a connection', () => import('./token.ts')),
];

const USE: readonly Node[] = [
  leaf('ls', 'list the connections I may reach', () => import('./ls.ts')),
  leaf('describe', 'show a connection and what is inspected there', () => import('./describe.ts')),
  leaf('connect', 'open local ports to connections', () => import('./connect.ts')),
  leaf('exec', 'run a command with connections in its environment', () => import('./exec.ts')),
  leaf('psql', 'run psql on a connection', () => import('./psql.ts')),
  leaf('ssh', 'run ssh on a connection, or a command there', () => import('./ssh.ts')),
  leaf('request', 'ask for access to a connection for a time', () => import('./request.ts')),
  group('grants', 'list and revoke time-boxed access', [
    leaf('ls', 'list grants', () => import('./grants/ls.ts')),
    leaf('revoke', 'end a grant at once', () => import('./grants/revoke.ts')),
  ]),
];

const RECORD: readonly Node[] = [
  group('sessions', 'look at sessions and steer them', [
    leaf('ls', 'list sessions', () => import('./sessions/ls.ts')),
    leaf('show', 'show one session', () => import('./sessions/show.ts')),
    leaf('replay', 'show what was asked and answered, in order', () => import('./sessions/replay.ts')),
    leaf('diff', 'show what two sessions did differently', () => import('./sessions/diff.ts')),
    leaf('search', 'find operations by words and fields', () => import('./sessions/search.ts')),
    leaf('tail', 'follow sessions as they happen', () => import('./sessions/tail.ts')),
    leaf('watch', "see a live shell's screen, read-only", () => import('./sessions/watch.ts')),
    leaf('kill', 'end a session at once', () => import('./sessions/kill.ts')),
    leaf('receipt', 'save the proof of what was recorded of a session', () => import('./sessions/receipt.ts')),
    leaf('export', 'save a recording as it is stored', () => import('./sessions/export.ts')),
  ]),
  group('reviews', 'decide on what waits for approval', [
    leaf('ls', 'list reviews', () => import('./reviews/ls.ts')),
    leaf('show', 'show one review', () => import('./reviews/show.ts')),
    leaf('approve', 'let it run', () => import('./reviews/approve.ts')),
    leaf('deny', 'refuse it', () => import('./reviews/deny.ts')),
    leaf('watch', 'follow reviews as they come and are decided', () => import('./reviews/watch.ts')),
  ]),
  group('audit', 'check the record and hand it over', [
    leaf('export', 'copy the record of a span of time, for other systems', () => import('./audit/export.ts')),
    leaf('exports', 'show where the record is sent to, and how far', () => import('./audit/exports.ts')),
    leaf(
      'verify',
      'check the record offline: nothing changed, missing, added or reordered',
      () => import('./audit/verify.ts'),
    ),
    leaf(
      'checkpoint',
      'print the signed checkpoint of the log, to keep elsewhere',
      () => import('./audit/checkpoint.ts'),
    ),
    leaf('prove', 'prove that the log has an entry', () => import('./audit/prove.ts')),
    leaf('reconcile', 'compare the record with what the target says ran', () => import('./audit/reconcile.ts')),
    leaf('report', 'write a bundle of evidence for an auditor', () => import('./audit/report.ts')),
    leaf('witness', 'cosign the checkpoint of a log that only grew', () => import('./audit/witness.ts')),
  ]),
];

const RUN: readonly Node[] = [
  group('policy', 'check a configuration offline', [
    leaf('check', 'report every problem of a configuration', () => import('./policy/check.ts')),
    leaf('test', "run a configuration's own tests", () => import('./policy/test.ts')),
    leaf('explain', 'say what would be decided, and why', () => import('./policy/explain.ts')),
    leaf('replay', 'say what it would have decided of what was recorded', () => import('./policy/replay.ts')),
    leaf('schema', 'print the JSON Schema of the configuration', () => import('./policy/schema.ts')),
  ]),
  leaf('serve', 'run the gateway', () => import('./serve.ts')),
  group('admin', 'manage the gateway', [
    group('users', 'people of the embedded issuer', [
      leaf('add', 'add a user', () => import('./admin/users-add.ts')),
      leaf('ls', 'list users', () => import('./admin/users-ls.ts')),
      leaf('password', "set a user's password", () => import('./admin/users-password.ts')),
      leaf('groups', 'set the groups that a user is in', () => import('./admin/users-groups.ts')),
      leaf('rm', 'remove a user', () => import('./admin/users-rm.ts')),
    ]),
    group('service-accounts', 'workloads with a secret of their own', [
      leaf('add', 'add a service account; its secret is shown once', () => import('./admin/service-accounts-add.ts')),
      leaf('ls', 'list service accounts', () => import('./admin/service-accounts-ls.ts')),
      leaf(
        'rotate',
        'replace the secret; the new one is shown once',
        () => import('./admin/service-accounts-rotate.ts'),
      ),
      leaf('rm', 'remove a service account', () => import('./admin/service-accounts-rm.ts')),
    ]),
    group('revocations', 'principals that are shut out', [
      leaf('add', 'shut a principal out and cut its live sessions', () => import('./admin/revocations-add.ts')),
      leaf('ls', 'list revocations', () => import('./admin/revocations-ls.ts')),
      leaf('rm', 'let a principal in again', () => import('./admin/revocations-rm.ts')),
    ]),
    leaf('purge', 'remove a recording everywhere, for good', () => import('./admin/purge.ts')),
    group('holds', 'recordings that must not be removed', [
      leaf('add', 'forbid to remove recordings', () => import('./admin/holds-add.ts')),
      leaf('ls', 'list legal holds', () => import('./admin/holds-ls.ts')),
      leaf('release', 'let retention apply again', () => import('./admin/holds-release.ts')),
    ]),
    group('log', "the gateway's log", [leaf('rotate', 'sign with a new key', () => import('./admin/log-rotate.ts'))]),
    leaf(
      'recording-key',
      'make an age identity that reads encrypted recordings',
      () => import('./admin/recording-key.ts'),
    ),
    group('gateways', 'the gateways that share a store', [
      leaf('ls', 'list them, and which of them live', () => import('./admin/gateways-ls.ts')),
    ]),
    group('webhooks', 'alerts on their way out', [
      leaf('ls', 'list webhooks and what is not delivered', () => import('./admin/webhooks-ls.ts')),
      leaf('retry', 'try again what was given up', () => import('./admin/webhooks-retry.ts')),
    ]),
  ]),
  leaf('doctor', 'find out why something does not work', () => import('./doctor.ts')),
  leaf('completion', 'print a completion script for a shell', () => import('./completion.ts')),
  leaf('__complete', 'answer a completion script', loadComplete, true),
];

async function loadComplete() {
  const { completeIn } = await import('./complete.ts');
  return { command: completeIn(TREE) };
}

export const TREE: readonly Node[] = [...IDENTITY, ...USE, ...RECORD, ...RUN];

/** Every leaf with its path. */
export function leaves(nodes: readonly Node[] = TREE, path: readonly string[] = []): { path: string[]; leaf: Leaf }[] {
  return nodes.flatMap((node) =>
    'children' in node ? leaves(node.children, [...path, node.name]) : [{ path: [...path, node.name], leaf: node }],
  );
}
