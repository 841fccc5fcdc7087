// scripts/quickstart: shows on a demo database what hoopctl does. Every claim that it prints it has checked; it exits
// non-zero when one does not hold, and cleans up whatever happens.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Client, PROGRAM } from '../../test/support/gateway.ts';
import { eventually, type Finished, filesUnder, findProgram } from '../../test/support/process.ts';
import { CUSTOMERS, type Gateway, type Postgres, startDatabase, startDemoGateway } from './demo.ts';
import { command, must, output, say, step } from './narrator.ts';

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h' } },
});

const began = Date.now();
let server: Postgres | undefined;
let gateway: Gateway | undefined;
/** A signal ends it: what breaks then is no failure. */
let ending = false;

/** psql, or a few lines of node-postgres where the machine has none. */
const psql = findProgram('psql');
const sql = (statement: string) =>
  psql === undefined
    ? [process.execPath, fileURLToPath(new URL('./query.ts', import.meta.url)), statement]
    : [psql, '-X', '-c', statement];

const shown = (name: string, statement: string, flags = '') => `hoopctl exec ${name}${flags} -- psql -c "${statement}"`;

async function exec(who: Client, statement: string, args: string[] = []): Promise<Finished> {
  command(
    who.person.name,
    shown('demo', statement, args.map((arg) => ` ${arg.includes(' ') ? `"${arg}"` : arg}`).join('')),
  );
  const done = await who.exec('demo', sql(statement), { args });
  output(done.stdout + done.stderr);
  return done;
}

async function people(at: Gateway): Promise<{ alice: Client; bob: Client }> {
  step('Two people: alice in engineering, bob in dba');
  command(
    'admin',
    'hoopctl admin users add alice --email alice@example.com --group engineering --password-stdin --data DATA',
  );
  const alice = await at.user('alice', { groups: ['engineering'], login: false });
  command('admin', 'hoopctl admin users add bob --email bob@example.com --group dba --password-stdin --data DATA');
  const bob = await at.user('bob', { groups: ['dba'], login: false });
  for (const person of [alice, bob]) {
    command(person.person.name, `hoopctl login ${at.url} --ca-file DATA/tls/ca.pem`);
    const login = await person.login();
    output(`logged in as ${(JSON.parse(login.stdout) as { principal: { email: string } }).principal.email}`);
  }
  say('(The device flow: a person would open the page and type the code. Here a script played the browser.)');
  return { alice, bob };
}

async function masked(alice: Client): Promise<void> {
  step('Masked: the columns ssn and card never leave the gateway');
  if (psql === undefined) say('(This machine has no psql: a few lines of node-postgres stand in for it.)');
  const done = await exec(alice, 'select id, name, ssn, card from customers order by id');
  for (const { name, ssn, card } of CUSTOMERS) {
    must(done.stdout.includes(name), `a row with ${name} should be shown`, done.stdout + done.stderr);
    must(
      !done.stdout.includes(ssn) && !done.stdout.includes(card),
      `${name}'s ssn and card should be masked`,
      done.stdout,
    );
  }
}

async function refused(alice: Client): Promise<void> {
  step('Refused: a rule says no, the session goes on');
  const done = await exec(alice, 'drop table customers');
  must(
    done.code !== 0 && /no-drop/.test(done.stderr),
    'the statement should be refused by the rule no-drop',
    done.stderr,
  );
}

async function held(alice: Client, bob: Client): Promise<void> {
  step('Held: what an AI agent wants to write waits for somebody else');
  const statement = 'update customers set credit = 500 where id = 2';
  const args = ['--agent', 'claude', '--reason', 'ticket 42'];
  command('alice', shown('demo', statement, ' --agent claude --reason "ticket 42"'));
  const running = alice.start(['exec', 'demo', ...args, '--', ...sql(statement)]);
  const [, id = ''] = await running.waitFor(/hoopctl reviews approve (r-[0-9a-z]+)/);
  output(running.stderr);
  must((await credit()) === 100, 'nothing should have happened yet', 'the row was changed');
  command('bob', 'hoopctl reviews ls');
  output((await bob.runOk(['reviews', 'ls'])).stdout);
  command('bob', `hoopctl reviews approve ${id} --reason "as discussed"`);
  output((await bob.runOk(['reviews', 'approve', id, '--reason', 'as discussed'])).stdout);
  const { code } = await running.exited;
  say('and alice’s statement goes on:');
  output(running.stdout);
  must(code === 0 && (await credit()) === 500, 'the approved statement should have run', running.output);
}

async function credit(): Promise<unknown> {
  return (await server?.query('select credit from customers where id = 2', 'demo'))?.[0]?.credit;
}

async function record(alice: Client, at: Gateway): Promise<void> {
  step('Recorded: who, what, which rule, what came back (masked), before it happened');
  const session = await eventually('the agent’s session has ended', async () => {
    const { sessions } = await alice.json<{ sessions: { id: string; operations: number; reason?: string }[] }>([
      'sessions',
      'ls',
      '--state',
      'ended',
    ]);
    return sessions.find(({ reason }) => reason === 'ticket 42');
  });
  command('alice', 'hoopctl sessions ls');
  output((await alice.runOk(['sessions', 'ls'])).stdout);
  command('alice', `hoopctl sessions replay ${session.id}`);
  const replay = await alice.runOk(['sessions', 'replay', session.id]);
  output(replay.stdout);
  must(/update customers/.test(replay.stdout), 'the replay should show the statement', replay.stdout);

  step('Checked: anybody can verify the record, offline');
  const before = await eventually('every recording is sealed', async () => {
    const done = await alice.run(['audit', 'verify', at.recordings]);
    return done.code === 0 ? done : undefined;
  });
  command('auditor', 'hoopctl audit verify DATA/recordings');
  output(before.stdout.replaceAll(`${at.recordings}/`, ''));
  const files = filesUnder(at.recordings).filter((name) => name.includes(session.id));
  const copy = join(at.directory, 'tampered.jsonl');
  copyFileSync(join(at.recordings, files[0] as string), copy);
  writeFileSync(copy, readFileSync(copy, 'utf8').replace('credit = 500', 'credit = 100'));
  command('mallory', "sed -i 's/credit = 500/credit = 100/' tampered.jsonl; hoopctl audit verify tampered.jsonl");
  const after = await alice.run(['audit', 'verify', copy]);
  output(after.stdout.replaceAll(`${at.directory}/`, ''));
  must(after.code !== 0, 'a changed recording should not verify', after.stdout);
}

async function keep(alice: Client, at: Gateway): Promise<void> {
  step('Left running (--keep); Ctrl-C ends and removes it');
  const login = `export HOOPCTL_HOME=${alice.home}/.config/hoopctl HOOPCTL_CA_FILE=${at.caFile} HOOPCTL_GATEWAY=${at.url}`;
  const native = `postgres://alice@127.0.0.1:${at.nativePort}/demo?sslmode=verify-full&sslrootcert=${at.caFile}`;
  say(`To be alice in another terminal:
  ${login}
Then try:
  hoopctl ls; hoopctl describe demo
  hoopctl connect demo                  a local port for any client
  hoopctl psql demo                     psql on it
  PGPASSWORD=$(hoopctl token demo) psql "${native}"
  hoopctl sessions tail                 in a second terminal
where hoopctl is ${process.execPath} ${PROGRAM}`);
  await new Promise(() => {});
}

async function cleanUp(): Promise<void> {
  await gateway?.[Symbol.asyncDispose]();
  await server?.stop();
}

async function main(): Promise<void> {
  console.log('hoopctl quickstart: a gateway in front of a demo database, in a temporary directory');
  step('A demo database: PostgreSQL with a table of customers');
  server = await startDatabase();
  const version = String((await server.query('show server_version'))[0]?.server_version);
  say(`PostgreSQL ${version} on 127.0.0.1:${server.port}, ${CUSTOMERS.length} customers with ssn and card`);
  step('A gateway that holds its password: own CA, own issuer, one deny rule, one review rule, one mask');
  command('admin', 'hoopctl serve --config gateway.yaml --data DATA');
  gateway = await startDemoGateway(server);
  say(`ready at ${gateway.url}`);
  const { alice, bob } = await people(gateway);
  await masked(alice);
  await refused(alice);
  await held(alice, bob);
  await record(alice, gateway);
  console.log(`\nAll of it shown in ${Math.round((Date.now() - began) / 1000)} s.`);
  if (values.keep) await keep(alice, gateway);
}

if (values.help) {
  console.log('usage: scripts/quickstart [--keep]');
} else {
  // The children are in process groups of their own: a Ctrl-C reaches this process alone.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      ending = true;
      void cleanUp().finally(() => process.exit(code));
    });
  }
  try {
    await main();
  } catch (error) {
    if (ending) await new Promise(() => {});
    console.error(`\nquickstart: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  } finally {
    await cleanUp();
  }
}
